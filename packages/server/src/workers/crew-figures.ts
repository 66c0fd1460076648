import type { Figures, Metrics } from "../metrics.js";

export interface FiguresOptions {
  readonly merge: (all: readonly Figures[]) => Pick<Metrics, "render" | "figures">;
  /** What of a process's figures still counts when it has ended. */
  readonly countsOf: (figures: Figures) => Figures;
  /** Of the first process. */
  readonly own: () => Promise<Figures>;
  /** Milliseconds that a worker has to answer; then what it said last stands for it. */
  readonly patienceMs?: number;
}

const PATIENCE_MS = 2_000;

/** The metrics of all workers, and of those that were there before them: what somebody has read never falls. */
export class CrewFigures {
  readonly #options: FiguresOptions;
  readonly #ask: (id: number) => void;
  readonly #last = new Map<number, Figures>();
  #ended: Figures = [];
  /** Of those that ended and are not added up yet. */
  #leaving: readonly Figures[] = [];
  #round: { readonly id: number; readonly missing: Set<number>; readonly done: () => void } | undefined;
  #rounds: Promise<unknown> = Promise.resolve();
  #lastId = 0;

  /** `ask` has every worker tell its figures. */
  constructor(options: FiguresOptions, ask: (id: number) => void) {
    this.#options = options;
    this.#ask = ask;
  }

  /** The text for who reads. Who asks meanwhile has a round of their own, behind this one. */
  render(workers: readonly number[]): Promise<string> {
    const text = this.#rounds.then(() => this.#renderOnce(workers));
    this.#rounds = text.catch(() => undefined);
    return text;
  }

  note(worker: number, id: number, figures: readonly object[]): void {
    this.#last.set(worker, figures as Figures);
    if (this.#round?.id !== id) return;
    this.#round.missing.delete(worker);
    if (this.#round.missing.size === 0) this.#round.done();
  }

  /** A worker has ended: what was read of it last stays in the sum. */
  forget(worker: number): void {
    const { merge, countsOf } = this.#options;
    const last = this.#last.get(worker);
    this.#last.delete(worker);
    if (this.#round?.missing.delete(worker) && this.#round.missing.size === 0) this.#round.done();
    if (last === undefined) return;
    const counts = countsOf(last);
    this.#leaving = [...this.#leaving, counts];
    this.#rounds = this.#rounds.then(async () => {
      this.#ended = await merge([this.#ended, counts]).figures();
      this.#leaving = this.#leaving.filter((one) => one !== counts);
    });
  }

  async #renderOnce(workers: readonly number[]): Promise<string> {
    const { merge, own, patienceMs = PATIENCE_MS } = this.#options;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, patienceMs);
      const done = () => {
        clearTimeout(timer);
        resolve();
      };
      this.#round = { id: ++this.#lastId, missing: new Set(workers), done };
      if (workers.length === 0) done();
      this.#ask(this.#lastId);
    });
    this.#round = undefined;
    return merge([...this.#last.values(), await own(), ...this.#leaving, this.#ended]).render();
  }
}
