import { lookup } from "node:dns/promises";
import { setMaxListeners } from "node:events";
import { setTimeout as wait } from "node:timers/promises";
import type { Output } from "@postern/shared/terminal/output";
import type { SignalSource } from "@postern/shared/terminal/prompts";
import type { TerminalStream } from "@postern/shared/terminal/terminal-text";
import type { Environment } from "../../environment.js";
import type { Resolve } from "../../flows/load/own-target.js";
import { type Stopwatch, stopwatch } from "../../flows/load/run-load.js";
import { environmentOf, type GlobalOptions } from "../options.js";

/** What a load test works with; tests bring a resolver, a clock and signals of their own. */
export interface LoadHost {
  readonly environment: Environment;
  readonly stopwatch: Stopwatch;
  readonly resolve: Resolve;
  readonly signals: SignalSource;
  readonly stderr: TerminalStream;
  readonly env: NodeJS.ProcessEnv;
  readonly wait: (seconds: number) => Promise<void>;
}

export function loadHostOf(output: Output, options: GlobalOptions): LoadHost {
  return {
    environment: environmentOf(output, options),
    stopwatch,
    resolve: (host) => lookup(host, { all: true }),
    signals: process,
    stderr: process.stderr,
    env: process.env,
    wait: (seconds) => wait(seconds * 1000),
  };
}

const endingSignals = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

/** The first signal that ends ends the load, a second one what clears up behind it. */
export interface Stops {
  readonly load: AbortSignal;
  readonly clearing: AbortSignal;
}

/** Runs `act`; until it is done Ctrl-C does not end the process by itself. */
export async function withStops<T>(signals: SignalSource, act: (stops: Stops) => Promise<T>): Promise<T> {
  const [load, clearing] = [new AbortController(), new AbortController()];
  // Every connection listens.
  setMaxListeners(0, load.signal);
  const stop = () => (load.signal.aborted ? clearing : load).abort();
  for (const name of endingSignals) signals.on(name, stop);
  try {
    return await act({ load: load.signal, clearing: clearing.signal });
  } finally {
    for (const name of endingSignals) signals.off(name, stop);
  }
}
