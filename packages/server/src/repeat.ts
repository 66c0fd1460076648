import type { Log } from "./log.js";
import { isOutage } from "./peer-error.js";

/** What a server does by itself again and again. */

export interface Repeated {
  /** Begins it no more, and waits for what is under way. */
  stop(): Promise<void>;
}

/** Runs a task now, and again every so many milliseconds. */
export function repeat(ms: number, task: () => Promise<void>): Repeated {
  return every(ms, task, true);
}

/** Runs a task every so many milliseconds, unless it is at it still: two runs never overlap. */
export function every(ms: number, task: () => Promise<void>, atOnce = false): Repeated {
  let running: Promise<void> | undefined;
  const run = () => {
    running ??= task().finally(() => {
      running = undefined;
    });
  };
  if (atOnce) run();
  const timer = setInterval(run, ms);
  timer.unref();
  return {
    stop: async () => {
      clearInterval(timer);
      await running;
    },
  };
}

export async function attempt(task: () => Promise<unknown>, log: Log): Promise<void> {
  try {
    await task();
  } catch (err) {
    // It is tried again; and that the database is away was said when that began.
    if (!isOutage(err)) log.error({ err }, "a part of the upkeep failed");
  }
}

/** Of failures in a row it logs the first alone: for what is tried every few seconds. */
export function attemptQuietly(task: () => Promise<unknown>, log: Log): () => Promise<void> {
  let failing = false;
  return async () => {
    try {
      await task();
      failing = false;
    } catch (err) {
      if (isOutage(err)) return;
      if (!failing) log.error({ err }, "a part of the upkeep fails");
      failing = true;
    }
  };
}
