import { Batches, type Waiting } from "./batches.js";
import type { Calls } from "./calls.js";
import { runWrites } from "./guarded-transaction.js";
import { type Database, type LmdbEnvironment, storeFailed } from "./lmdb-environment.js";
import { writesOf } from "./lmdb-transaction.js";
import type { WriteTransaction } from "./storage.js";

/** One `fn` in the queue: it runs, keeps its outcome, and tells it when the fate of the batch is known. */
interface Job extends Waiting {
  run(database: Database): Promise<void>;
}

type Outcome<T> = { readonly value: T } | { readonly error: unknown };

/**
 * Takes whatever waits in the queue, runs it in one write transaction, flushes once, and then answers all. Each `fn`
 * has a child transaction of its own, as only those are rolled back when it throws.
 */
export class LmdbPump {
  readonly #environment: LmdbEnvironment;
  readonly #calls: Calls;
  readonly #batches = new Batches<Job>((jobs) => this.#commit(jobs));

  constructor(environment: LmdbEnvironment, calls: Calls) {
    this.#environment = environment;
    this.#calls = calls;
  }

  transact<T>(fn: (tx: WriteTransaction) => Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => this.#batches.add(this.#job(fn, resolve, reject)));
  }

  #job<T>(
    fn: (tx: WriteTransaction) => Promise<T>,
    resolve: (value: T) => void,
    reject: (error: unknown) => void,
  ): Job {
    let settle = (failure: unknown) => reject(failure);
    return {
      run: async (database) => {
        const outcome = await this.#attempt(database, fn);
        if ("error" in outcome) settle = () => reject(outcome.error);
        else settle = (failure) => (failure === undefined ? resolve(outcome.value) : reject(failure));
      },
      settle: (failure) => settle(failure),
    };
  }

  /** What `fn` threw comes out as it is; what LMDB throws around it is a failure of the store. */
  async #attempt<T>(database: Database, fn: (tx: WriteTransaction) => Promise<T>): Promise<Outcome<T>> {
    let thrown: { error: unknown } | undefined;
    const run = async () => {
      try {
        return await this.#calls.within(() => runWrites(writesOf(database), fn));
      } catch (error) {
        thrown = { error };
        throw error;
      }
    };
    try {
      return { value: await database.childTransaction(run) };
    } catch (error) {
      return thrown ?? { error: storeFailed("a transaction", error) };
    }
  }

  async #commit(jobs: readonly Job[]): Promise<number> {
    await this.#environment.commit(async (database) => {
      for (const job of jobs) await job.run(database);
    });
    return jobs.length;
  }
}
