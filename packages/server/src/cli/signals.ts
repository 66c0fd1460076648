import { isatty } from "node:tty";
import type { Log } from "../log.js";

/** Something that a running server reads anew when it is told to. */
export interface ReloadTask {
  /** For the log: what is read anew. No path, no secret. */
  readonly what: string;
  /** What it throws is logged, and leaves the server as it was. */
  readonly run: () => Promise<void> | void;
}

export interface SignalOptions {
  /** What SIGHUP has done, one after another; one that fails stops no other. */
  readonly reload: readonly ReloadTask[];
  readonly log: Log;
  /** Stand in for the system in tests. */
  readonly source?: Pick<NodeJS.EventEmitter, "on" | "once">;
  readonly onTerminal?: () => boolean;
}

/** Somebody asked for it, or the terminal that the server was started on is gone. */
export type Stop = "asked" | "hung-up";

/**
 * The one place that hears signals: resolves at SIGINT or SIGTERM, and runs the reload tasks at each SIGHUP until then.
 * A terminal that was closed sends SIGHUP too: then there is nobody left who could press Ctrl-C, and the server ends.
 */
export function untilStopped(options: SignalOptions): Promise<Stop> {
  const { source = process, onTerminal = () => isatty(0) } = options;
  const startedOnTerminal = onTerminal();
  return new Promise((resolve) => {
    let stopped = false;
    const stop = (how: Stop) => {
      stopped = true;
      resolve(how);
    };
    const reload = reloading(options);
    for (const signal of ["SIGINT", "SIGTERM"] as const) source.once(signal, () => stop("asked"));
    // Heard to the end: a SIGHUP while the server stops in order must not cut that short.
    source.on("SIGHUP", () => {
      if (startedOnTerminal && !onTerminal()) stop("hung-up");
      else if (!stopped) void reload();
    });
  });
}

/** Ends the process as the hang-up would have at once. To exit by itself, Node restores the terminal first, and aborts. */
export function endByHangUp(): void {
  process.removeAllListeners("SIGHUP");
  process.kill(process.pid, "SIGHUP");
}

/** Resolves at the next SIGINT or SIGTERM; none of those that follow ends the process by itself. */
export function untilStoppedAgain(source: Pick<NodeJS.EventEmitter, "on"> = process): Promise<void> {
  return new Promise((resolve) => {
    for (const signal of ["SIGINT", "SIGTERM"] as const) source.on(signal, () => resolve());
  });
}

const endingSignals = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

/** Where a signal ends the process in the midst of `work`, as it would have by itself, `ended` has the last word. */
export async function endedBySignal<T>(
  ended: () => void,
  work: () => Promise<T>,
  source: Pick<NodeJS.Process, "on" | "off" | "kill" | "pid"> = process,
): Promise<T> {
  const end = (signal: NodeJS.Signals) => {
    ended();
    leave();
    source.kill(source.pid, signal);
  };
  const leave = () => {
    for (const name of endingSignals) source.off(name, end);
  };
  for (const name of endingSignals) source.on(name, end);
  try {
    return await work();
  } finally {
    leave();
  }
}

/** Runs all tasks; asked again meanwhile, once more when they are done: what was asked for last is what holds. */
export function reloading({ reload, log }: Pick<SignalOptions, "reload" | "log">): () => Promise<void> {
  let running = false;
  let again = false;
  return async () => {
    again = true;
    if (running) return;
    running = true;
    while (again) {
      again = false;
      for (const task of reload) await attempt(task, log);
    }
    running = false;
  };
}

async function attempt({ what, run }: ReloadTask, log: Log): Promise<void> {
  try {
    await run();
    log.info({ what }, "reloaded");
  } catch (err) {
    log.error({ what, err }, "could not be reloaded; what was in force stays");
  }
}
