import type { LookupFunction } from "node:net";
import type { Fingerprint } from "@postern/shared/fingerprint";
import type { ServerAddress } from "@postern/shared/server-address";
import type { Output } from "@postern/shared/terminal/output";
import type { Prompter } from "@postern/shared/terminal/prompts";
import type { Paths } from "./paths.js";

/** What a command runs with: where it prints, whom it asks, where it keeps things, what time it is (ms since 1970). */
export interface Environment {
  readonly output: Output;
  readonly prompter: Prompter;
  /** Whether there is somebody to ask. */
  readonly interactive: boolean;
  readonly paths: Paths;
  readonly now: () => number;
  /** The window that stdout or, when that is none, stderr shows in. */
  readonly window: () => { columns: number | undefined; rows: number | undefined };
}

/** Which server, and what was said about trusting it. */
export interface ServerChoice {
  readonly address: ServerAddress;
  readonly fingerprint: Fingerprint | undefined;
  /** Which identity a token is for, where one is used. */
  readonly fingerprintOfToken?: Fingerprint | undefined;
  readonly trustOnFirstUse: boolean;
  /** Where its name leads, where that was looked at before. */
  readonly lookup?: LookupFunction;
}
