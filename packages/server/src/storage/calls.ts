import { AsyncLocalStorage } from "node:async_hooks";
import { PosternError } from "@postern/shared/errors";

/**
 * What every storage does around its calls: refuse them inside of a running `fn` and after `close`, and let `close`
 * wait for those under way.
 *
 * A nested call would wait for its own transaction for ever, silently. Only the asynchronous context tells it apart
 * from a call that someone else makes meanwhile; keeping that context costs less than can be measured beside a commit.
 */
export class Calls {
  readonly #context = new AsyncLocalStorage<{ running: boolean }>();
  readonly #underWay = new Set<Promise<unknown>>();
  #closing: Promise<void> | undefined;

  /** Runs one whole call. Errors: `bug` when nested, `store_failed` after `close`. */
  async admit<T>(call: () => Promise<T>): Promise<T> {
    this.#refuseNested();
    if (this.#closing !== undefined) throw new PosternError("store_failed", { detail: "it is closed" });
    const underWay = call();
    this.#underWay.add(underWay);
    try {
      return await underWay;
    } finally {
      this.#underWay.delete(underWay);
    }
  }

  /** Runs a caller's `fn`, so that calls made from inside of it are known as nested until it ends. */
  async within<T>(fn: () => Promise<T>): Promise<T> {
    const context = { running: true };
    try {
      return await this.#context.run(context, fn);
    } finally {
      context.running = false;
    }
  }

  /** Once everything under way has ended, `release` runs, one time only. Errors: `bug` when nested. */
  async close(release: () => Promise<void>): Promise<void> {
    this.#refuseNested();
    this.#closing ??= Promise.allSettled(this.#underWay).then(release);
    await this.#closing;
  }

  #refuseNested(): void {
    if (this.#context.getStore()?.running) {
      throw new PosternError("bug", { detail: "a storage call inside of a transaction" });
    }
  }
}
