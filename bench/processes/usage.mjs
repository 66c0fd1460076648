import { readFileSync } from "node:fs";
import { monitorEventLoopDelay } from "node:perf_hooks";

/** What a process takes, as it tells of itself. */

/**
 * Milliseconds of CPU, user's and system's, since the process began: of all its threads, so that LMDB's commits, the
 * pool of libuv, the garbage collector and the compiler count.
 */
export function cpuMs() {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}

/** Memory that is no file's, in MB: only Linux tells. */
export function anonymousMb() {
  try {
    const [, kib] = /^Anonymous:\s+(\d+) kB/m.exec(readFileSync("/proc/self/smaps_rollup", "utf8")) ?? [];
    return (Number(kib) * 1024) / 1e6;
  } catch {
    return undefined;
  }
}

/** How late the event loop comes. It looks every millisecond, and that is what it shows at least. */
const delay = monitorEventLoopDelay({ resolution: 1 });

/** What every process of the bench answers of itself. */
export const usage = {
  cpu: cpuMs,
  memory: anonymousMb,
  watch: () => {
    delay.enable();
    delay.reset();
  },
  delay: () => {
    delay.disable();
    return { p50: delay.percentile(50) / 1e6, p99: delay.percentile(99) / 1e6, max: delay.max / 1e6 };
  },
};
