import { linkSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
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
 * notice counts only while the process that it names lives.
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
    rmSync(notice, { force: true });
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

/** Whole when it is seen: it is written under another name first. */
function putNotice(path: string): string {
  const notice = `${path}${NOTICE}`;
  if (isNoticed(path)) throw refusal(path);
  rmSync(notice, { force: true });
  const draft = `${notice}.${process.pid}`;
  try {
    writeFileSync(draft, `${process.pid}\n`, { mode: 0o600 });
    linkSync(draft, notice);
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === "EEXIST") throw refusal(path);
    throw new PosternError("store_unwritable", { detail: notice, cause });
  } finally {
    rmSync(draft, { force: true });
  }
  return notice;
}

function isNoticed(path: string): boolean {
  try {
    return isAlive(Number(readFileSync(`${path}${NOTICE}`, "latin1")));
  } catch {
    return false;
  }
}

function isAlive(pid: number): boolean {
  if (!Number.isSafeInteger(pid) || pid <= 0) return false;
  try {
    process.kill(pid, 0);
    return true;
  } catch (thrown) {
    return (thrown as NodeJS.ErrnoException).code === "EPERM";
  }
}
