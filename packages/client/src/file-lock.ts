import { randomBytes } from "node:crypto";
import { readlink, symlink, unlink } from "node:fs/promises";
import { hostname } from "node:os";
import { dirname } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { PosternError } from "@postern/shared/errors";
import { makePrivateDirectory } from "./private-file.js";

const PAUSE_MS = 20;
const PATIENCE = 250;

/**
 * Runs `fn` while no other process of this user is inside `withFileLock` for the same file. Node has no `flock`: the
 * lock is a symbolic link `FILE.lock` that does not lead anywhere but says who holds it, since a link alone is made in
 * one step with its content. It stays behind when its holder is killed; then the next one breaks it. Tries `patience`
 * times, 20 ms apart, then throws `file_unwritable`.
 */
export async function withFileLock<T>(path: string, fn: () => Promise<T>, patience: number = PATIENCE): Promise<T> {
  const lock = `${path}.lock`;
  const holder = `${hostname()}:${process.pid}:${randomBytes(8).toString("hex")}`;
  try {
    await makePrivateDirectory(dirname(path));
    await acquire(lock, holder, patience);
  } catch (cause) {
    throw cause instanceof PosternError ? cause : new PosternError("file_unwritable", { detail: lock, cause });
  }
  try {
    return await fn();
  } finally {
    await release(lock, holder);
  }
}

async function acquire(lock: string, holder: string, patience: number): Promise<void> {
  for (let tries = 0; tries < patience; tries++) {
    if (await makeLink(lock, holder)) return;
    const other = await readLink(lock);
    if (other !== undefined && isGone(other)) await breakLock(lock, other, holder);
    else await pause(PAUSE_MS);
  }
  throw new PosternError("file_unwritable", { detail: `${lock} is held; remove it if no other postern runs` });
}

/** A person may have removed our lock by hand, and another process taken it since: that one stays. */
async function release(lock: string, holder: string): Promise<void> {
  if ((await readLink(lock)) === holder) await unlink(lock);
}

/**
 * Two who find the same lock stale must not both remove it: the second would remove the lock that the first has taken
 * since. So only the holder of `FILE.lock.break` removes another's lock, after it has looked again.
 */
async function breakLock(lock: string, stale: string, holder: string): Promise<void> {
  const permit = `${lock}.break`;
  if (!(await makeLink(permit, holder))) return pause(PAUSE_MS);
  try {
    await release(lock, stale);
  } finally {
    await unlink(permit);
  }
}

/** A holder on another machine (a shared home directory) cannot be asked after, so it counts as alive. */
function isGone(holder: string): boolean {
  const [host, pid] = holder.split(":");
  if (host !== hostname() || !/^[1-9][0-9]*$/.test(pid ?? "")) return false;
  try {
    process.kill(Number(pid), 0);
    return false;
  } catch (error) {
    return isCode(error, "ESRCH");
  }
}

async function makeLink(path: string, text: string): Promise<boolean> {
  try {
    await symlink(text, path);
    return true;
  } catch (error) {
    if (isCode(error, "EEXIST")) return false;
    throw error;
  }
}

async function readLink(path: string): Promise<string | undefined> {
  try {
    return await readlink(path);
  } catch (error) {
    if (isCode(error, "ENOENT")) return undefined;
    throw error;
  }
}

function isCode(error: unknown, code: string): boolean {
  return error instanceof Error && "code" in error && error.code === code;
}
