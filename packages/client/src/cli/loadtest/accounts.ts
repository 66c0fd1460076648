import { randomBytes } from "node:crypto";
import { PosternError } from "@postern/shared/errors";
import type { Output } from "@postern/shared/terminal/output";
import { showProgress } from "@postern/shared/terminal/progress";
import { say } from "@postern/shared/terminal/terminal-text";
import { failedWith } from "../../failed-with.js";
import { deleteAccount, type LoadTarget, makeAccount } from "../../flows/load/account-care.js";
import type { LoadAccount } from "../../flows/load/load-account.js";
import type { LoadHost } from "./host.js";

/** As many as libuv has threads to stretch passwords on, each with the memory that it takes. */
const AT_ONCE = 4;

/** The accounts of one load test: all have the beginning of their names in common. */
export class LoadAccounts {
  readonly prefix = `loadtest-${randomBytes(4).toString("hex")}`;
  readonly #made: LoadAccount[] = [];
  readonly #output: Output;
  readonly #target: LoadTarget;
  readonly #host: Pick<LoadHost, "stderr" | "env">;

  constructor(output: Output, target: LoadTarget, host: Pick<LoadHost, "stderr" | "env">) {
    this.#output = output;
    this.#target = target;
    this.#host = host;
  }

  /** Makes so many. @throws PosternError `load_limited`, `cancelled`; as `makeAccount` */
  async make(count: number, signal: AbortSignal): Promise<readonly LoadAccount[]> {
    const names = Array.from({ length: count }, (_, index) => `${this.prefix}-${index + 1}`);
    await this.#each("making accounts", names, signal, async (name) => {
      this.#made.push(await makeAccount(this.#target, name));
    });
    if (signal.aborted) throw new PosternError("cancelled");
    return this.#made;
  }

  /** Deletes what was made, whatever came of it, and says what is left. Returns how many are. */
  async clear(signal: AbortSignal): Promise<number> {
    let deleted = 0;
    let failure: unknown;
    const all = [...this.#made];
    await this.#each("deleting accounts", all, signal, async (account) => {
      await deleteAccount(this.#target, account).then(
        () => {
          deleted += 1;
        },
        (thrown: unknown) => {
          failure = thrown;
        },
      );
    });
    const left = all.length - deleted;
    if (left === 0) return 0;
    const why = failure instanceof Error ? `: ${failure.message}` : "";
    this.#output.warn(say`${left} accounts named ${this.prefix}-… are left on the server${why}`);
    return left;
  }

  async #each<T>(label: string, items: readonly T[], signal: AbortSignal, act: (item: T) => Promise<void>) {
    const progress = showProgress(label, this.#output, { stream: this.#host.stderr, env: this.#host.env });
    const queue = [...items];
    let done = 0;
    let failure: unknown;
    const worker = async () => {
      for (let item = queue.shift(); item !== undefined; item = queue.shift()) {
        if (signal.aborted || failure !== undefined) return;
        await act(item).catch((thrown: unknown) => {
          failure ??= thrown;
        });
        done += 1;
        progress.to(done, items.length);
      }
    };
    try {
      await Promise.all(Array.from({ length: AT_ONCE }, worker));
    } finally {
      progress.end();
    }
    if (failure !== undefined) throw limitOf(failure);
  }
}

/** A refusal that a person would wait for, where it is the server's options that have to change. */
function limitOf(failure: unknown): unknown {
  const limited = failedWith(failure, "rate_limited") || failedWith(failure, "busy");
  return limited ? new PosternError("load_limited", { cause: failure }) : failure;
}
