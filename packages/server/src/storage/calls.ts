import { AsyncLocalStorage } from "node:async_hooks";
import { PosternError } from "@postern/shared/errors";

/** A `fn` of a storage's, and the one of another storage's that it was called from. */
interface Running {
  readonly of: Calls;
  readonly outer: Running | undefined;
  over: boolean;
}

/**
 * One for all storages, for ever: Node hands each of them on with every promise of the process, also one whose storage
 * was closed long ago.
 */
const running = new AsyncLocalStorage<Running>();

/**
 * What every storage does around its calls: refuse them inside of a running `fn` and after `close`, and let `close`
 * wait for those under way.
 *
 * A nested call would wait for its own transaction for ever, silently. Only the asynchronous context tells it apart
 * from a call that someone else makes meanwhile; keeping that context costs less than can be measured beside a commit.
 */
export class Calls {
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
    const context: Running = { of: this, outer: stillRunning(running.getStore()), over: false };
    try {
      return await running.run(context, fn);
    } finally {
      context.over = true;
    }
  }

  /** Once everything under way has ended, `release` runs, one time only. Errors: `bug` when nested. */
  async close(release: () => Promise<void>): Promise<void> {
    this.#refuseNested();
    this.#closing ??= Promise.allSettled(this.#underWay).then(release);
    await this.#closing;
  }

  #refuseNested(): void {
    for (let at = running.getStore(); at !== undefined; at = at.outer) {
      if (at.of === this && !at.over)
        throw new PosternError("bug", { detail: "a storage call inside of a transaction" });
    }
  }
}

/** Without what is over: work that goes on behind a `fn` would otherwise keep all that it ever ran in. */
function stillRunning(innermost: Running | undefined): Running | undefined {
  let at = innermost;
  while (at?.over === true) at = at.outer;
  return at;
}
