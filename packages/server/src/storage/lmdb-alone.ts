import { randomBytes } from "node:crypto";
import { linkSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { setTimeout } from "node:timers/promises";
import { PosternError } from "@postern/shared/errors";

/**
 * What may only happen while no other process has the store open: another file is put in its place, or its root key is
 * replaced. Two sides see to that, each of which says what it does before it looks what the other one does:
 *
 * - who wants to be alone puts a notice beside the file, and then looks who has it open, by LMDB's table of readers;
 * - who opens takes a place in that table, and then looks for the notice, and whether the file and its lock file are
 *   still those that it opened.
 *
 * So of two at the same moment at least one sees the other, and gives way. The table forgets who was killed, and a
 * notice counts only while the process that it names lives: this very one, not a later one of the same id. Process ids
 * are those of one machine or container: what another container has open is not seen here.
 */

const NOTICE = "-alone";

/** A notice is there for moments, or as long as a restore takes: so often, and so many milliseconds apart, it is looked at. */
const LOOKS = 8;
const BETWEEN_LOOKS = 25;

/**
 * Runs `work` while no other process has the store file open, or can open it.
 * @throws PosternError `store_in_use`, with the process ids of those that have; what `othersWithIt` and `work` throw
 */
export async function alone<T>(
  path: string,
  othersWithIt: () => Promise<readonly number[]>,
  work: () => Promise<T>,
): Promise<T> {
  const notice = putNotice(path);
  try {
    const others = await othersWithIt();
    if (others.length > 0) throw inUse(`${path} is open in process ${others.join(", ")}`);
    return await work();
  } finally {
    notice.remove();
  }
}

/** Which file is where: its device and inode, undefined where there is none. */
export function identityOf(path: string): string | undefined {
  const facts = statSync(path, { throwIfNoEntry: false });
  return facts && `${facts.dev}:${facts.ino}`;
}

export interface Opening {
  /** For who has opened the file, and has taken a place among its readers. @throws PosternError `store_in_use` */
  refuseIfAlone(): void;
}

/**
 * Begins to open a file: waits a moment for a notice to go.
 * @throws PosternError `store_in_use` when it does not
 */
export async function beginOpening(path: string): Promise<Opening> {
  for (let look = 1; isNoticed(path); look++) {
    if (look === LOOKS) throw refusal(path);
    await setTimeout(BETWEEN_LOOKS);
  }
  const files = [path, `${path}-lock`];
  const before = files.map(identityOf);
  return {
    refuseIfAlone: () => {
      const replaced = files.some((file, index) => before[index] !== undefined && identityOf(file) !== before[index]);
      if (replaced || isNoticed(path)) throw refusal(path);
    },
  };
}

function refusal(path: string): PosternError {
  return inUse(`${path} is being restored or rekeyed by another process`);
}

function inUse(detail: string): PosternError {
  return new PosternError("store_in_use", { detail });
}

/** What a notice says: who placed it, and something that no other notice says. */
interface Notice {
  readonly pid: number;
  /** When that process began, in ticks since the machine did, and which run of the machine that was; "" if unknown. */
  readonly began: string;
  readonly nonce: string;
}

/** Whole when it is seen: it is written under another name first. */
function putNotice(path: string): { remove(): void } {
  const place = `${path}${NOTICE}`;
  const own: Notice = { pid: process.pid, began: beginOf(process.pid), nonce: randomBytes(8).toString("hex") };
  const draft = `${place}.${own.nonce}`;
  try {
    writeFileSync(draft, `${own.pid} ${own.began} ${own.nonce}\n`, { mode: 0o600 });
    takeAwayStale(path, `${draft}.old`);
    linkSync(draft, place);
  } catch (cause) {
    if (cause instanceof PosternError) throw cause;
    if ((cause as NodeJS.ErrnoException).code === "EEXIST") throw refusal(path);
    throw new PosternError("store_unwritable", { detail: place, cause });
  } finally {
    rmSync(draft, { force: true });
  }
  return {
    remove: () => {
      if (noticeAt(place)?.nonce === own.nonce) rmSync(place, { force: true });
    },
  };
}

/** A notice whose process has ended is moved away first: of two who find it, one takes it, and neither the other's own. */
function takeAwayStale(path: string, aside: string): void {
  if (isNoticed(path)) throw refusal(path);
  try {
    renameSync(`${path}${NOTICE}`, aside);
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === "ENOENT") return;
    throw cause;
  }
  const taken = noticeAt(aside);
  if (taken !== undefined && isAlive(taken)) {
    // Somebody else was faster, and this is theirs: it goes back.
    renameSync(aside, `${path}${NOTICE}`);
    throw refusal(path);
  }
  rmSync(aside, { force: true });
}

function isNoticed(path: string): boolean {
  const notice = noticeAt(`${path}${NOTICE}`);
  return notice !== undefined && isAlive(notice);
}

function noticeAt(place: string): Notice | undefined {
  try {
    const [pid = "", began = "", nonce = ""] = readFileSync(place, "latin1").trimEnd().split(" ");
    return { pid: Number(pid), began, nonce };
  } catch {
    return undefined;
  }
}

function isAlive({ pid, began }: Notice): boolean {
  if (!Number.isSafeInteger(pid) || pid <= 0) return false;
  const now = beginOf(pid);
  if (began !== "" && now !== "" && began !== now) return false;
  try {
    process.kill(pid, 0);
    return true;
  } catch (thrown) {
    return (thrown as NodeJS.ErrnoException).code === "EPERM";
  }
}

/** Tells one process from a later one of the same id, as in a container, where each server is process 1. proc(5). */
function beginOf(pid: number): string {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
    const ticks = stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19];
    const boot = readFileSync("/proc/sys/kernel/random/boot_id", "latin1").trim();
    return `${boot}:${ticks}`;
  } catch {
    return "";
  }
}
