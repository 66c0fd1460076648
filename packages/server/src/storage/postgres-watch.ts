import { PosternError } from "@postern/shared/errors";
import { storeError } from "./postgres-errors.js";
import type { Session } from "./postgres-session.js";

/**
 * What becomes of a database: it is away, or back. `refuses`: calls fail as if it were away, though it answers, for want of
 * a right or of connections; what they fail with is told nowhere else.
 */
export type DatabaseNews =
  | { readonly kind: "away" | "refuses"; readonly why: PosternError }
  | { readonly kind: "back" };

export type HearOutage = (news: DatabaseNews) => void;

export interface WatchOptions {
  /** Milliseconds between two questions. */
  readonly beat: number;
  /** Begins a session for nothing but these questions. */
  readonly open: () => Promise<Session>;
  /** Cuts all sessions: whoever waits for an answer on one hears that there is none. */
  readonly cutOff: () => void;
  readonly hear: HearOutage;
}

/** Beats without an answer before the database is taken to be away. */
const SILENT_BEATS = 4;

/**
 * Whether the database is there. It is asked every half second on a session of its own, as one that drops packets says
 * nothing of its end: without this a login would wait for as long as a statement may take. What it says is a beat's
 * worth old at most, and of a silence two seconds.
 *
 * Silence is counted in beats, not on a clock: a process that was itself at a stand has missed beats, not answers.
 */
export class DatabaseWatch {
  readonly #options: WatchOptions;
  readonly #timer: NodeJS.Timeout;
  #session: Session | undefined;
  #asking = false;
  #stopped = false;
  #unanswered = 0;
  #outage: PosternError | undefined;
  /** What a call has failed with since the last answer. */
  #failure: PosternError | undefined;

  constructor(options: WatchOptions) {
    this.#options = options;
    this.#timer = setInterval(() => this.#beat(), options.beat);
    this.#timer.unref();
  }

  /** @throws PosternError what the outage began with, while one lasts */
  refuse(): void {
    const { code, detail } = this.#outage ?? {};
    if (code !== undefined)
      throw new PosternError(code, { ...(detail !== undefined && { detail }), cause: this.#outage });
  }

  /** Takes note of what a call has failed with: the next answer, or none, shows what there is to it. */
  note(failure: unknown): void {
    if (this.#outage === undefined && failure instanceof PosternError) this.#failure ??= failure;
  }

  stop(): void {
    this.#stopped = true;
    clearInterval(this.#timer);
  }

  #beat(): void {
    if (!this.#asking) return void this.#ask();
    this.#unanswered++;
    // In an outage a session may take as long to begin as anywhere else.
    if (this.#unanswered < SILENT_BEATS || this.#outage !== undefined) return;
    this.#begin(new PosternError("store_unreachable", { detail: "no answer" }));
  }

  async #ask(): Promise<void> {
    this.#asking = true;
    this.#unanswered = 0;
    const failure = this.#failure;
    const session = this.#session?.usable === true ? this.#session : undefined;
    try {
      if (session === undefined) this.#session = await this.#options.open();
      else await session.once("SELECT 1");
      if (this.#stopped) await this.#session?.end();
      this.#end();
      if (failure !== undefined && this.#failure === failure) this.#tell(failure);
    } catch (thrown) {
      // A session that broke off is no verdict: the database may have ended that one alone.
      if (session === undefined) this.#begin(storeError(thrown));
    } finally {
      this.#asking = false;
    }
  }

  #begin(outage: PosternError): void {
    if (this.#outage !== undefined || this.#stopped) return;
    // What is not of the way there, or of how one is let in, stays for the moment: a standby that is to be promoted.
    const { code, detail } = outage;
    this.#outage = code === "store_failed" ? new PosternError("store_unreachable", { detail: detail ?? code }) : outage;
    this.#failure = undefined;
    this.#options.cutOff();
    this.#options.hear({ kind: "away", why: this.#outage });
  }

  #tell(failure: PosternError): void {
    this.#failure = undefined;
    this.#options.hear({ kind: "refuses", why: failure });
  }

  #end(): void {
    if (this.#outage === undefined) return;
    this.#outage = undefined;
    this.#options.hear({ kind: "back" });
  }
}
