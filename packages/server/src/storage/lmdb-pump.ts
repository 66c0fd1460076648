import { ABORT } from "lmdb";
import { Batches, type Waiting } from "./batches.js";
import type { Calls } from "./calls.js";
import { runWrites } from "./guarded-transaction.js";
import { type Database, type LmdbEnvironment, storeFailed } from "./lmdb-environment.js";
import { LmdbWrites } from "./lmdb-transaction.js";
import type { Awaitable, WriteTransaction } from "./storage.js";

/**
 * Takes whatever waits in the queue, runs it in one write transaction, flushes once, and then answers all. Each `fn`
 * has a child transaction of its own, as only those are rolled back when it throws.
 */
export class LmdbPump {
  readonly #environment: LmdbEnvironment;
  readonly #calls: Calls;
  readonly #batches = new Batches<Turn>((turns) => this.#commit(turns));

  constructor(environment: LmdbEnvironment, calls: Calls) {
    this.#environment = environment;
    this.#calls = calls;
  }

  transact<T>(fn: (tx: WriteTransaction) => Awaitable<T>): Promise<T> {
    return new Promise((resolve, reject) => this.#batches.add(new Job(this.#calls, fn, resolve, reject)));
  }

  async #commit(turns: readonly Turn[]): Promise<number> {
    await this.#environment.commit(async (database) => {
      for (const turn of turns) await turn.run(database);
    });
    return turns.length;
  }
}

interface Turn extends Waiting {
  run(database: Database): Promise<void>;
}

/** One `fn` in the queue: it runs, keeps its outcome, and tells it when the fate of the batch is known. */
class Job<T> implements Turn {
  readonly #calls: Calls;
  readonly #fn: (tx: WriteTransaction) => Awaitable<T>;
  readonly #resolve: (value: T) => void;
  readonly #reject: (error: unknown) => void;
  #outcome: { readonly value: T } | { readonly error: unknown } | undefined;

  constructor(
    calls: Calls,
    fn: (tx: WriteTransaction) => Awaitable<T>,
    resolve: (value: T) => void,
    reject: (error: unknown) => void,
  ) {
    this.#calls = calls;
    this.#fn = fn;
    this.#resolve = resolve;
    this.#reject = reject;
  }

  /** What `fn` threw comes out as it is; what LMDB throws around it is a failure of the store. */
  async run(database: Database): Promise<void> {
    try {
      await database.childTransaction(() => this.#attempt(database));
    } catch (error) {
      this.#outcome = { error: storeFailed("a transaction", error) };
    }
  }

  settle(failure?: unknown): void {
    const outcome = this.#outcome;
    if (outcome !== undefined && "error" in outcome) this.#reject(outcome.error);
    else if (outcome === undefined || failure !== undefined) this.#reject(failure);
    else this.#resolve(outcome.value);
  }

  async #attempt(database: Database): Promise<unknown> {
    try {
      this.#outcome = { value: await this.#calls.within(() => runWrites(new LmdbWrites(database), this.#fn)) };
      return undefined;
    } catch (error) {
      this.#outcome = { error };
      return ABORT;
    }
  }
}
