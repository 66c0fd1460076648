import { execFile } from "node:child_process";
import { randomBytes } from "node:crypto";
import { readFile } from "node:fs/promises";
import { freemem } from "node:os";
import { shownSize } from "../shown.js";
import { type Finding, fail, ok, warn } from "./finding.js";

/**
 * What a server needs of the machine. Each `judge…` is a rule over figures, and each `look…` takes them from the system;
 * a figure that this system does not tell is undefined.
 */

const MIB = 2 ** 20;

/** The Node versions that Postern is tested on. */
const tested = [20, 22, 24];

export function judgeNode(version: string): Finding {
  const [major = 0, minor = 0] = version.replace(/^v/, "").split(".").map(Number);
  if (major < 20 || (major === 20 && minor < 19)) {
    return fail("node", `Node.js ${version} is too old`, "install Node.js 20.19 or newer");
  }
  if (tested.includes(major)) return ok("node", `Node.js ${version}`);
  return warn("node", `Node.js ${version} is not among those tested`, `use one of ${tested.join(", ")}`);
}

/** Opening the store takes 256 MiB (Argon2id) for a moment, beside what the program itself takes. */
const ARGON2_BYTES = 256 * MIB;
const PROGRAM_BYTES = 64 * MIB;

export function judgeMemory(available: number): Finding {
  const what = `${shownSize(available)} of memory available`;
  const todo = "free some: opening the store takes 256 MiB for a moment";
  if (available < ARGON2_BYTES) return fail("memory", what, todo);
  return available < ARGON2_BYTES + PROGRAM_BYTES ? warn("memory", what, todo) : ok("memory", what);
}

export async function lookAtMemory(): Promise<Finding> {
  const meminfo = await textOf("/proc/meminfo");
  const kib = /^MemAvailable:\s+(\d+) kB/m.exec(meminfo ?? "")?.[1];
  const onMachine = kib === undefined ? freemem() : Number(kib) * 1024;
  // A container may have less than its machine.
  const constrained = process.constrainedMemory();
  const within = constrained > 0 ? Math.max(0, constrained - process.memoryUsage().rss) : Number.POSITIVE_INFINITY;
  return judgeMemory(Math.min(onMachine, within));
}

/** The limits of a process, soft and hard; Infinity where there is none. */
export interface ProcessLimits {
  readonly lockedMemory: number;
  readonly openFiles: number;
}

/** All connections of both ports, with those that wait for a PROXY header, and what else is open. */
const FILES_NEEDED = 8_900;

/** The keys in sodium's memory: some pages each, between guard pages that are not locked. */
const LOCKED_NEEDED = 256 * 1024;

export function judgeLimits({ lockedMemory, openFiles }: ProcessLimits): Finding[] {
  const files = Number.isFinite(openFiles) ? `${openFiles} open files allowed` : "open files not limited";
  const locked = Number.isFinite(lockedMemory)
    ? `${shownKib(lockedMemory)} of locked memory allowed`
    : "locked memory not limited";
  return [
    openFiles < FILES_NEEDED
      ? warn("open-files", files, `allow ${FILES_NEEDED}: ulimit -Hn, or LimitNOFILE= of the service`)
      : ok("open-files", files),
    lockedMemory < LOCKED_NEEDED
      ? warn("locked-memory", locked, "keys may be swapped out: raise ulimit -l, or LimitMEMLOCK= of the service")
      : ok("locked-memory", locked),
  ];
}

const shownKib = (bytes: number) => `${Math.round(bytes / 1024)} KiB`;

/** Only Linux tells. They are those of this shell: a service may have others. */
export async function lookAtLimits(): Promise<Finding[]> {
  const text = await textOf("/proc/self/limits");
  if (text === undefined) return [];
  const limit = (name: string, column: 1 | 2) => {
    const found = new RegExp(`^${name}\\s+(\\S+)\\s+(\\S+)`, "m").exec(text)?.[column];
    return found === undefined || found === "unlimited" ? Number.POSITIVE_INFINITY : Number(found);
  };
  // Node raises the soft limit of files to the hard one by itself.
  return judgeLimits({ lockedMemory: limit("Max locked memory", 1), openFiles: limit("Max open files", 2) });
}

export function judgeEntropy(available: number | undefined): Finding {
  if (available !== undefined && available < 128) {
    return warn("entropy", `the kernel has ${available} bits`, "wait, or give the machine a source of randomness");
  }
  return ok("entropy", "the random generator answers");
}

export async function lookAtEntropy(): Promise<Finding> {
  randomBytes(32);
  const text = await textOf("/proc/sys/kernel/random/entropy_avail");
  return judgeEntropy(text === undefined ? undefined : Number(text));
}

/** What was last written, and by which clock: nothing may lie ahead of now. Milliseconds since 1970. */
export interface ClockFacts {
  readonly now: number;
  readonly lastEntry: number | undefined;
  /** Whether the clock is kept by NTP; undefined where nobody says. */
  readonly synchronized: boolean | undefined;
}

const SLACK_MS = 5 * 60_000;

/** This release was not there before. */
const RELEASED = Date.UTC(2026, 0, 1);

export function judgeClock({ now, lastEntry, synchronized }: ClockFacts): Finding {
  const todo = "set the clock, and keep it by NTP: codes are right to within 30 seconds";
  if (now < RELEASED) return fail("clock", "the clock shows a year that has passed", todo);
  if (lastEntry !== undefined && lastEntry - now > SLACK_MS) {
    const minutes = Math.round((lastEntry - now) / 60_000);
    return fail("clock", `the last audit entry lies ${minutes} minutes ahead of the clock`, todo);
  }
  if (synchronized === false) return warn("clock", "the clock is not kept by NTP", todo);
  return ok("clock", synchronized === true ? "plausible, and kept by NTP" : "plausible; whether by NTP, nobody says");
}

/** systemd's word for it, without a network; undefined where there is none. */
export function isSynchronized(): Promise<boolean | undefined> {
  return new Promise((resolve) => {
    const args = ["show", "--property=NTPSynchronized", "--value"];
    execFile("timedatectl", args, { timeout: 2_000 }, (error, stdout) => {
      const answer = { yes: true, no: false }[stdout.trim()];
      resolve(error === null ? answer : undefined);
    });
  });
}

function textOf(path: string): Promise<string | undefined> {
  return readFile(path, "utf8").catch(() => undefined);
}
