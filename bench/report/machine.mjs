import { readFileSync, statfsSync } from "node:fs";
import { cpus, loadavg, release, totalmem } from "node:os";

/** What the figures were taken on: they say nothing without it. */
export function machine() {
  const [{ model } = { model: "unknown" }] = cpus();
  return {
    cores: cpus().length,
    model,
    memory_gb: Number((totalmem() / 1e9).toFixed(1)),
    system: `${systemName()}, ${process.platform} ${release()}, ${process.arch}`,
    node: process.version,
    openssl: process.versions.openssl,
  };
}

/** How many processes wanted a core, on average of the last minute, beside how many there are. */
export const load = () => loadavg().map((value) => Number(value.toFixed(2)));

const TMPFS = 0x01021994;

/** A store in memory would be durable for nothing. */
export const inMemory = (directory) => process.platform === "linux" && statfsSync(directory).type === TMPFS;

function systemName() {
  try {
    return /^PRETTY_NAME="(.*)"$/m.exec(readFileSync("/etc/os-release", "utf8"))?.[1] ?? process.platform;
  } catch {
    return process.platform;
  }
}
