import { type ErrorCode, errors, PosternError } from "@postern/shared/errors";
import type { CrewServer } from "../crew-member.js";
import type { Log } from "../log.js";
import { AddressLimits } from "../wire/address-limits.js";
import { CrewFigures, type FiguresOptions } from "./crew-figures.js";
import { type Begin, CLOSING_MS, type FromWorker, type Served, type ToWorker } from "./messages.js";
import { PlaceLedger } from "./place-ledger.js";
import { Restarts } from "./restarts.js";

/** A worker as the first process has it. */
export interface WorkerProcess {
  readonly pid: number | undefined;
  send(message: ToWorker): void;
  onMessage(hear: (message: FromWorker) => void): void;
  /** Exit code or signal. */
  onExit(hear: (code: number | null, signal: string | null) => void): void;
  /** At once. What it had acknowledged is durable. */
  kill(): void;
}

export interface CrewOptions {
  readonly workers: number;
  readonly server: CrewServer;
  readonly options: object;
  readonly fork: (begin: Begin) => WorkerProcess;
  readonly log: Log;
  /** Undefined: nobody reads metrics. */
  readonly figures: FiguresOptions | undefined;
  readonly now?: () => number;
  readonly later?: (ms: number, act: () => void) => void;
}

/** Who is to end, and does not even say what is under way, has so long. */
const ANSWER_MS = 10_000;

/** What a worker says of itself before it ends. */
interface Fault {
  readonly code: ErrorCode;
  readonly detail: string | undefined;
}

/**
 * The first process's side: starts the workers, starts those again that end, counts what holds for all of them, and ends
 * them. It serves nobody itself, and has no store open.
 */
export class Crew {
  readonly #options: CrewOptions;
  readonly #now: () => number;
  readonly #later: (ms: number, act: () => void) => void;
  readonly #starts: AddressLimits;
  readonly #places = new PlaceLedger();
  readonly #restarts = new Restarts();
  readonly #figures: CrewFigures | undefined;
  readonly #posts = new Map<number, Post>();
  #served: Served | undefined;
  /** What they were told last of it: what they were started with may be another one. */
  #logLevel: ToWorker | undefined;
  #stopping = false;
  #giveUp: (error: PosternError) => void = () => undefined;
  /** Rejects when workers end again and again. */
  readonly failed = new Promise<never>((_resolve, reject) => {
    this.#giveUp = reject;
  });

  constructor(options: CrewOptions) {
    this.#options = options;
    this.#now = options.now ?? Date.now;
    this.#later = options.later ?? ((ms, act) => void setTimeout(act, ms));
    this.#starts = new AddressLimits({ now: this.#now, exempt: () => false });
    this.#figures = options.figures && new CrewFigures(options.figures, (id) => this.tell({ do: "figures", id }));
    this.failed.catch(() => undefined);
  }

  /**
   * Starts all of them, and resolves when each one accepts connections. The first one by itself: what a store needs at a
   * start is made by one.
   * @throws PosternError what a worker could not start for; `workers_failed`
   */
  async start(): Promise<Served> {
    const served = await this.#enlist(1, false).ready;
    const others = Array.from(
      { length: this.#options.workers - 1 },
      (_, index) => this.#enlist(index + 2, false).ready,
    );
    for (const other of await Promise.all(others)) refuseElsewhere(served, other);
    this.#served = served;
    return served;
  }

  /** To all that are there. */
  tell(message: ToWorker): void {
    for (const { process } of this.#posts.values()) process.send(message);
  }

  /** All that serve log at this level from now on; those that do not yet, or come later, once they do. */
  setLogLevel(level: string): void {
    this.#logLevel = { do: "log-level", level };
    this.tell(this.#logLevel);
  }

  /** All read anew what they have read; those that do not serve yet, once they do. */
  reload(): void {
    for (const post of this.#posts.values()) if (!post.isReady) post.reloadsLater = true;
    this.tell({ do: "reload" });
  }

  /** Nobody takes more connections; gives how many are in the middle of something. */
  async beginDrain(): Promise<number> {
    this.#stopping = true;
    for (const post of this.#posts.values()) if (!post.isReady) post.process.kill();
    this.tell({ do: "drain" });
    const posts = [...this.#posts.values()];
    for (const post of posts) this.#killUnless(post, post.draining.promise, ANSWER_MS);
    return sum(posts.map(({ draining }) => draining.promise));
  }

  /** When all has come to its end, or `limit` has; gives how many connections are left then. */
  async drained(limit: Promise<unknown>): Promise<number> {
    const posts = [...this.#posts.values()];
    void limit.then(() => {
      this.tell({ do: "cut" });
      for (const post of posts) this.#killUnless(post, post.drained.promise);
    });
    return sum(posts.map(({ drained }) => drained.promise));
  }

  /** Ends all of them: the first one last, so that the end of the server is the last that the audit log has of it. */
  async close(): Promise<void> {
    this.#stopping = true;
    const posts = [...this.#posts.values()];
    await Promise.all(posts.filter(({ worker }) => worker !== 1).map((post) => this.#end(post)));
    await Promise.all(posts.filter(({ worker }) => worker === 1).map((post) => this.#end(post)));
  }

  async #end(post: Post): Promise<void> {
    if (post.isReady) post.process.send({ do: "close" });
    else post.process.kill();
    this.#killUnless(post, post.ended.promise);
    await post.ended.promise;
  }

  /** A worker that hangs must not keep the server from ending. */
  #killUnless(post: Post, done: Promise<unknown>, ms = CLOSING_MS): void {
    const timer = setTimeout(() => {
      this.#options.log.warn({ worker: post.worker }, "a worker does not end, and is killed");
      post.process.kill();
    }, ms);
    void done.then(() => clearTimeout(timer));
  }

  #enlist(worker: number, replaces: boolean): Post {
    const { workers, server, options, fork } = this.#options;
    const process = fork({ do: "begin", worker, workers, replaces, server, options });
    const post = new Post(worker, process, { since: this.#now(), replaces });
    this.#posts.set(worker, post);
    process.onMessage((message) => this.#hear(post, message));
    process.onExit((code, signal) => this.#lose(post, code, signal));
    return post;
  }

  #hear(post: Post, message: FromWorker): void {
    // What it said last may come after its end: its places are given up, and its number may be another one's.
    if (this.#posts.get(post.worker) !== post) return;
    switch (message.say) {
      case "start":
        post.process.send({ do: "wait", id: message.id, seconds: this.#starts.take(message.key) });
        return;
      case "places":
        for (const change of message.changes) {
          const { port, group } = change;
          for (const worker of this.#places.note(post.worker, change)) {
            this.#posts.get(worker)?.process.send({ do: "give-up", port, group });
          }
        }
        return;
      case "enqueued":
        this.#posts.get(1)?.process.send({ do: "wake" });
        return;
      case "metrics":
        void this.#show(post, message.id);
        return;
      case "figures":
        this.#figures?.note(post.worker, message.id, message.figures);
        return;
      default:
        this.#noteState(post, message);
    }
  }

  #noteState(post: Post, message: FromWorker): void {
    if (message.say === "ready") this.#welcome(post, message);
    if (message.say === "failed") post.fault = { code: codeOf(message.code), detail: message.detail };
    if (message.say === "draining") post.draining.resolve(message.underWay);
    if (message.say === "drained") post.drained.resolve(message.left);
  }

  #welcome(post: Post, { listen, http, fingerprint }: Served): void {
    const { worker } = post;
    this.#options.log.info({ worker, pid: post.process.pid }, "a worker serves");
    post.welcome({ listen, http, fingerprint });
    if (this.#logLevel !== undefined) post.process.send(this.#logLevel);
    if (post.reloadsLater) post.process.send({ do: "reload" });
    if (this.#served === undefined) return;
    try {
      refuseElsewhere(this.#served, { listen, http, fingerprint });
    } catch (thrown) {
      this.#giveUp(thrown as PosternError);
    }
  }

  async #show(post: Post, id: number): Promise<void> {
    // One that does not serve yet would not answer.
    const serving = [...this.#posts.values()].filter(({ isReady }) => isReady).map(({ worker }) => worker);
    post.process.send({ do: "show", id, text: (await this.#figures?.render(serving)) ?? "" });
  }

  #lose(post: Post, code: number | null, signal: string | null): void {
    const { worker, fault } = post;
    this.#posts.delete(worker);
    this.#places.forget(worker);
    this.#figures?.forget(worker);
    const how = signal ?? `exit code ${code}`;
    const error =
      fault === undefined
        ? new PosternError("workers_failed", { detail: `worker ${worker} ended: ${how}` })
        : new PosternError(fault.code, fault.detail === undefined ? {} : { detail: fault.detail });
    post.end(error);
    // One of the first that never served is what the start fails for.
    if (this.#stopping || !(post.isReady || post.replaces)) return;
    const facts = { worker, end: how, ...(fault !== undefined && { code: fault.code, why: fault.detail }) };
    this.#options.log.error(facts, "a worker ended by itself");
    this.#startAgain(worker, this.#now() - post.since, errorLine(worker, how, fault));
  }

  #startAgain(worker: number, livedMs: number, why: string): void {
    const wait = this.#restarts.afterEnd(livedMs);
    if (wait === undefined) this.#giveUp(new PosternError("workers_failed", { detail: why }));
    else this.#later(wait, () => this.#replace(worker));
  }

  #replace(worker: number): void {
    if (this.#stopping) return;
    try {
      this.#enlist(worker, true);
    } catch (err) {
      // The system may have no memory for it: the others serve on.
      this.#options.log.error({ worker, err }, "a worker could not be started");
      this.#startAgain(worker, 0, `worker ${worker} could not be started`);
    }
  }
}

/** One worker's place in the crew, from its start to its end. */
class Post {
  readonly worker: number;
  readonly process: WorkerProcess;
  readonly since: number;
  readonly replaces: boolean;
  readonly draining = new Later<number>();
  readonly drained = new Later<number>();
  readonly ended = new Later<void>();
  readonly #ready = new Later<Served>();
  isReady = false;
  /** It was to read anew when it did not serve yet. */
  reloadsLater = false;
  fault: Fault | undefined;

  constructor(worker: number, process: WorkerProcess, { since, replaces }: Pick<Post, "since" | "replaces">) {
    this.worker = worker;
    this.process = process;
    this.since = since;
    this.replaces = replaces;
    this.#ready.promise.catch(() => undefined);
  }

  get ready(): Promise<Served> {
    return this.#ready.promise;
  }

  welcome(served: Served): void {
    this.isReady = true;
    this.#ready.resolve(served);
  }

  /** Who ended has nothing under way. */
  end(error: PosternError): void {
    this.#ready.reject(error);
    this.draining.resolve(0);
    this.drained.resolve(0);
    this.ended.resolve();
  }
}

/** A promise that is settled from outside. */
class Later<T> {
  resolve: (value: T) => void = () => undefined;
  reject: (error: unknown) => void = () => undefined;
  readonly promise = new Promise<T>((resolve, reject) => {
    this.resolve = resolve;
    this.reject = reject;
  });
}

/** With port 0 the system gives another one to who listens when nobody else does any more. */
function refuseElsewhere(served: Served, other: Served): void {
  if (served.listen === other.listen && served.http === other.http) return;
  throw new PosternError("workers_failed", { detail: `a worker listens on ${other.listen}, not on ${served.listen}` });
}

function errorLine(worker: number, how: string, fault: Fault | undefined): string {
  return `worker ${worker} ended: ${fault === undefined ? how : errors[fault.code].message}`;
}

function codeOf(code: string): ErrorCode {
  return Object.hasOwn(errors, code) ? (code as ErrorCode) : "bug";
}

async function sum(numbers: readonly Promise<number>[]): Promise<number> {
  return (await Promise.all(numbers)).reduce((total, one) => total + one, 0);
}
