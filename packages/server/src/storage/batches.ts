/** A transaction that waits for its turn: its outcome is told when the fate of its batch is known. */
export interface Waiting {
  settle(failure?: unknown): void;
}

/**
 * At most so many transactions share a commit. More would save little of the disk's time, and keep the event loop and
 * the other processes and nodes waiting for longer.
 */
const MAX_BATCH = 64;

/** Takes whatever waits, in its order, has it committed together, and only then takes the next. */
export class Batches<Job extends Waiting> {
  readonly #commit: (jobs: readonly Job[]) => Promise<number>;
  readonly #queue: Job[] = [];
  #running = false;

  /** `commit` gives how many of the jobs are done, the first ones; the others come again. What it throws is told to all. */
  constructor(commit: (jobs: readonly Job[]) => Promise<number>) {
    this.#commit = commit;
  }

  add(job: Job): void {
    this.#queue.push(job);
    if (!this.#running) void this.#run();
  }

  async #run(): Promise<void> {
    this.#running = true;
    while (this.#queue.length > 0) {
      const jobs = this.#queue.splice(0, MAX_BATCH);
      try {
        const done = await this.#commit(jobs);
        this.#queue.unshift(...jobs.slice(done));
        for (const job of jobs.slice(0, done)) job.settle();
      } catch (failure) {
        for (const job of jobs) job.settle(failure);
      }
    }
    this.#running = false;
  }
}
