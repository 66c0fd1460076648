import { AsyncLocalStorage } from "node:async_hooks";
import { PosternError } from "@postern/shared/errors";
import { UnderWay } from "./under-way.js";

/** A `fn` of a storage's, and the one of another storage's that it was called from. */
interface Running {
  readonly of: Calls;
  readonly outer: Running | undefined;
  over: boolean;
}

/**
 * One for all storages, for ever: Node hands each of them on with every promise of the process, also one whose storage
 * was closed long ago. There is none until `watchNesting`.
 */
let running: AsyncLocalStorage<Running> | undefined;

/**
 * From now on a call that is made from inside of a running `fn` of the same storage is a `bug`, in this whole process.
 *
 * Such a call would wait for its own transaction for ever, silently, and only the asynchronous context tells it apart
 * from a call that someone else makes meanwhile. To keep that context, Node up to 22 runs code for each promise, an
 * eighth of what a login costs; so the tests keep it, all of them, and a server does not.
 */
export function watchNesting(): void {
  running ??= new AsyncLocalStorage();
}

/** What every storage does around its calls: refuse them after `close`, and let `close` wait for those under way. */
export class Calls {
  readonly #underWay = new UnderWay();
  #closing: Promise<void> | undefined;

  /** Runs one whole call. Errors: `store_failed` after `close`; `bug` when nested, where that is watched. */
  async admit<T>(call: () => Promise<T>): Promise<T> {
    this.#refuseNested();
    if (this.#closing !== undefined) throw new PosternError("store_failed", { detail: "it is closed" });
    return this.#underWay.during(call);
  }

  /** Runs a caller's `fn`, so that calls made from inside of it are known as nested until it ends. */
  within<T>(fn: () => Promise<T>): Promise<T> {
    return running === undefined ? fn() : this.#watched(running, fn);
  }

  /** Once everything under way has ended, `release` runs, one time only. Errors: `bug` when nested, as above. */
  async close(release: () => Promise<void>): Promise<void> {
    this.#refuseNested();
    this.#closing ??= this.#underWay.ended().then(release);
    await this.#closing;
  }

  async #watched<T>(contexts: AsyncLocalStorage<Running>, fn: () => Promise<T>): Promise<T> {
    const context: Running = { of: this, outer: stillRunning(contexts.getStore()), over: false };
    try {
      return await contexts.run(context, fn);
    } finally {
      context.over = true;
    }
  }

  #refuseNested(): void {
    for (let at = running?.getStore(); at !== undefined; at = at.outer) {
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
