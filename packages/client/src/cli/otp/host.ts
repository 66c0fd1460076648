import type { Writable } from "node:stream";
import { setTimeout as wait } from "node:timers/promises";
import { endedBy } from "@postern/shared/terminal/ended-by";
import type { Output } from "@postern/shared/terminal/output";
import type { Prompter, SignalSource } from "@postern/shared/terminal/prompts";
import type { StdinLines } from "@postern/shared/terminal/stdin-lines";
import { environmentOf, type GlobalOptions, pipedLines } from "../options.js";

/** What the toolkit works with; tests bring a clock, a terminal and an input of their own. */
export interface OtpHost {
  readonly prompter: Prompter;
  /** Undefined when it is a terminal. */
  readonly stdin: StdinLines | undefined;
  readonly stdout: Writable & { readonly isTTY?: boolean | undefined };
  readonly env: NodeJS.ProcessEnv;
  /** In milliseconds since 1970. */
  readonly now: () => number;
  readonly window: () => { columns: number | undefined; rows: number | undefined };
  /** Waits so many milliseconds. @throws the signal's reason once that fires */
  readonly sleep: (milliseconds: number, signal?: AbortSignal) => Promise<void>;
  readonly signals: SignalSource;
}

export function otpHostOf(output: Output, options: GlobalOptions): OtpHost {
  const { prompter, now, window } = environmentOf(output, options);
  const { stdout, env } = process;
  return { prompter, stdin: pipedLines(), stdout, env, now, window, sleep, signals: process };
}

async function sleep(milliseconds: number, signal?: AbortSignal): Promise<void> {
  try {
    await wait(milliseconds, undefined, signal === undefined ? {} : { signal });
  } catch {
    throw endedBy(signal);
  }
}
