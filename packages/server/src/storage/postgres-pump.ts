import { setTimeout } from "node:timers/promises";
import { PosternError } from "@postern/shared/errors";
import { Batches, type Waiting } from "./batches.js";
import type { Calls } from "./calls.js";
import { runWrites } from "./guarded-transaction.js";
import { isConflict, isStalled, storeError } from "./postgres-errors.js";
import type { SessionPool } from "./postgres-pool.js";
import { SnapshotReads } from "./postgres-reads.js";
import type { Statements } from "./postgres-schema.js";
import type { Session, Statement } from "./postgres-session.js";
import { SeenSnapshot } from "./postgres-snapshot.js";
import { Batch, stands, write } from "./postgres-transaction.js";
import type { Awaitable, WriteTransaction } from "./storage.js";

/** What waits to be written before a batch ends early. */
const MAX_BATCH_BYTES = 32 * 2 ** 20;

/** Tries before a batch that others get in the way of is given up. With turns nobody of ours does. */
const TRIES = 8;
const LONGEST_PAUSE_MS = 200;

/** How often, and after how many milliseconds, it is asked what became of a commit whose answer was lost. */
const QUESTIONS = 20;
const BETWEEN_QUESTIONS = 100;

const XID: Statement = { name: "xid", text: "SELECT pg_current_xact_id()::text" };

/** One `fn` in the queue: it runs, keeps its outcome, and tells it when the fate of the batch is known. */
interface Job extends Waiting {
  run(batch: Batch): Promise<void>;
}

/**
 * Takes whatever waits in the queue, runs it in one transaction of the database, commits once, and then answers all. As
 * nothing is written before all have run, a `fn` that throws leaves nothing to be undone. Several run all at once first,
 * for nothing but to see what they read: that comes in a few answers, where one after another they would wait for each.
 *
 * Nodes take turns: each transaction begins with a lock that one holds at a time, and takes its snapshot when it has it.
 * So none of them ever fails for another's sake, however hot a record is, and the snapshots of readers, who need no lock,
 * are states between two transactions. It is serializable for the database too: what is written by others than Postern
 * cannot come in between unseen.
 */
export class PostgresPump {
  readonly #pool: SessionPool;
  readonly #statements: Statements;
  readonly #calls: Calls;
  readonly #batches = new Batches<Job>((jobs) => this.#commit(jobs));

  constructor(pool: SessionPool, statements: Statements, calls: Calls) {
    this.#pool = pool;
    this.#statements = statements;
    this.#calls = calls;
  }

  async transact<T>(fn: (tx: WriteTransaction) => Awaitable<T>): Promise<T> {
    this.#pool.refuseInOutage();
    return new Promise((resolve, reject) => this.#batches.add(this.#job(fn, resolve, reject)));
  }

  #job<T>(
    fn: (tx: WriteTransaction) => Awaitable<T>,
    resolve: (value: T) => void,
    reject: (error: unknown) => void,
  ): Job {
    let answer = () => {};
    return {
      run: async (batch) => {
        const { raw, keep } = batch.begin();
        try {
          const value = await this.#calls.within(() => runWrites(raw, fn));
          keep();
          answer = () => resolve(value);
        } catch (error) {
          answer = () => reject(error);
        }
      },
      settle: (failure) => (failure === undefined ? answer() : reject(failure)),
    };
  }

  /** Gives how many of the jobs are done: the first ones. */
  async #commit(jobs: readonly Job[]): Promise<number> {
    for (let tries = 1; ; tries++) {
      const attempt = new Attempt(await this.#pool.writer(), this.#statements);
      try {
        return await attempt.run(jobs);
      } catch (thrown) {
        if (await attempt.end((xid, changes) => this.#fateOf(xid, changes))) return attempt.done;
        const lost = !attempt.usable && !isStalled(thrown);
        if (!isConflict(thrown) && !isStalled(thrown) && !(lost && tries === 1)) throw storeError(thrown);
        if (tries === TRIES) throw new PosternError("busy", { detail: "others were always faster", cause: thrown });
        if (!lost) await setTimeout(Math.random() * Math.min(2 ** tries, LONGEST_PAUSE_MS));
      }
    }
  }

  /**
   * Whether a transaction was committed whose commit was not answered. Its number alone does not tell: a database that
   * crashed gives numbers again of which nothing had reached its disk, and the next one's commit is then not ours.
   * @throws PosternError `store_failed`
   */
  async #fateOf(xid: string, changes: Batch["changes"]): Promise<boolean> {
    let cause: unknown;
    for (let question = 1; question <= QUESTIONS; question++) {
      try {
        const session = await this.#pool.writer();
        const [row] = await session.once("SELECT pg_xact_status($1::text::xid8)", [xid]);
        if (row?.[0] === "aborted") return false;
        if (row?.[0] === "committed") {
          if (await stands(new SnapshotReads(session, this.#statements), changes)) return true;
          break;
        }
      } catch (thrown) {
        cause = thrown;
      }
      await setTimeout(BETWEEN_QUESTIONS);
    }
    const detail = "the database broke off while it committed, and does not say whether it did";
    throw new PosternError("store_failed", { detail, cause });
  }
}

/** A batch's transaction on one session. */
class Attempt {
  readonly #session: Session;
  readonly #statements: Statements;
  #xid: string | undefined;
  /** What is being committed, from the moment at which it is. */
  #changes: Batch["changes"] | undefined;
  done = 0;

  constructor(session: Session, statements: Statements) {
    this.#session = session;
    this.#statements = statements;
  }

  get usable(): boolean {
    return this.#session.usable;
  }

  /** Each statement is sent as soon as it can be: the first read goes with the beginning, the writes with the commit. */
  async run(jobs: readonly Job[]): Promise<number> {
    const session = this.#session;
    const begun = this.#begin();
    begun.catch(() => undefined);
    const snapshot = new SeenSnapshot(new SnapshotReads(session, this.#statements));
    if (jobs.length > 1) await snapshot.rehearse(() => jobs.map((job) => job.run(new Batch(snapshot))));
    const batch = new Batch(snapshot);
    for (const job of jobs) {
      if (batch.bytes > MAX_BATCH_BYTES || snapshot.failed !== undefined) break;
      await job.run(batch);
      this.done++;
    }
    this.#xid = await begun;
    if (snapshot.failed !== undefined) throw snapshot.failed.error;
    this.#changes = batch.changes;
    const [how] = await Promise.all([this.#commit(batch.changes), undefined]);
    if (how !== "COMMIT") throw new PosternError("store_failed", { detail: "the database did not commit" });
    return this.done;
  }

  /**
   * Leaves the session without a transaction, or leaves it. Gives whether the batch was committed after all, which is
   * asked where the connection was lost while it may have been.
   */
  async end(fateOf: (xid: string, changes: Batch["changes"]) => Promise<boolean>): Promise<boolean> {
    if (this.#session.usable) {
      await this.#session.command("ROLLBACK").catch(() => void this.#session.end());
    }
    if (this.#session.usable || this.#changes === undefined || this.#xid === undefined) return false;
    return fateOf(this.#xid, this.#changes);
  }

  async #begin(): Promise<string> {
    const [, [row] = []] = await Promise.all([
      this.#session.command(`BEGIN ISOLATION LEVEL SERIALIZABLE; ${this.#statements.turn}`),
      this.#session.run(XID, []),
    ]);
    return String(row?.[0]);
  }

  async #commit(changes: Batch["changes"]): Promise<string> {
    const written = write(this.#session, this.#statements, changes);
    const [, how] = await Promise.all([written, this.#session.command("COMMIT")]);
    return how;
  }
}
