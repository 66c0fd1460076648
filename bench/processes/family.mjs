import { readdirSync, readFileSync } from "node:fs";

/** What a process and its children take, as Linux tells it. */

/** Of a second, in which the kernel counts. */
const TICKS = 100;

/**
 * Milliseconds of CPU of a process with its children, those that have ended too; undefined where the system does not
 * tell.
 */
export function familyCpuMs(pid) {
  const own = familyOf(pid);
  const ticks = own?.reduce((sum, stat) => sum + stat.ticks + (stat.pid === pid ? stat.ended : 0), 0);
  return ticks && (ticks * 1000) / TICKS;
}

/** Milliseconds of CPU of a process alone. */
export function ownCpuMs(pid) {
  const [own] = familyOf(pid)?.filter((stat) => stat.pid === pid) ?? [];
  return own && (own.ticks * 1000) / TICKS;
}

function familyOf(pid) {
  if (process.platform !== "linux") return undefined;
  const processes = readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .map(statOf);
  return processes.filter((stat) => stat !== undefined && (stat.pid === pid || stat.parent === pid));
}

function statOf(name) {
  try {
    const stat = readFileSync(`/proc/${name}/stat`, "latin1");
    const fields = stat
      .slice(stat.lastIndexOf(")") + 2)
      .split(" ")
      .map(Number);
    return { pid: Number(name), parent: fields[1], ticks: fields[11] + fields[12], ended: fields[13] + fields[14] };
  } catch {
    return undefined;
  }
}
