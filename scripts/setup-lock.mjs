import { randomBytes } from "node:crypto";
import { mkdirSync, readdirSync, renameSync, rmdirSync, rmSync, unlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";

/**
 * The lock is a folder that holds one file, named for its owner: `<process id>-<random>`. It is made elsewhere and
 * renamed into place, which succeeds only where there is no folder or an empty one, so it is never seen without its
 * owner. A dead owner's file is unlinked by its full name, so nobody can take a living owner's lock away.
 *
 * Runs `work` while no other process does. Where this user may not write, it runs without a lock: then it can spoil
 * nothing either. `onWait(owner's process id)` is told once when another process has the lock.
 */
export async function withLock(folder, { onWait }, work) {
  const mine = `${process.pid}-${randomBytes(6).toString("hex")}`;
  try {
    for (let waiting = false; !take(folder, mine); ) {
      const owner = ownerOf(folder);
      if (owner === undefined || releaseIfDead(folder, owner)) continue;
      if (!waiting) onWait(processOf(owner));
      waiting = true;
      await delay(100);
    }
  } catch (error) {
    if (error.code !== "EACCES" && error.code !== "EPERM" && error.code !== "EROFS") throw error;
    return work();
  }
  try {
    return await work();
  } finally {
    release(folder, mine);
  }
}

function take(folder, mine) {
  const candidate = `${folder}.${mine}`;
  mkdirSync(candidate, { recursive: true });
  try {
    writeFileSync(join(candidate, mine), "");
    renameSync(candidate, folder);
    return true;
  } catch (error) {
    rmSync(candidate, { recursive: true, force: true });
    if (error.code === "ENOTEMPTY" || error.code === "EEXIST") return false;
    throw error;
  }
}

function ownerOf(folder) {
  return unlessGone(() => readdirSync(folder)[0]);
}

function processOf(owner) {
  return Number.parseInt(owner, 10);
}

function releaseIfDead(folder, owner) {
  if (isAlive(processOf(owner))) return false;
  unlessGone(() => unlinkSync(join(folder, owner)));
  return true;
}

/** Signal 0 only asks. A process of another user answers EPERM, and lives. Our own id is a former process's. */
function isAlive(id) {
  if (id === process.pid) return false;
  try {
    process.kill(id, 0);
    return true;
  } catch (error) {
    return error.code === "EPERM";
  }
}

/** Another process may put its own folder in place of the emptied one before it is removed: then it stays. */
function release(folder, mine) {
  unlessGone(() => unlinkSync(join(folder, mine)));
  unlessGone(() => rmdirSync(folder));
}

function unlessGone(act) {
  try {
    return act();
  } catch (error) {
    if (error.code === "ENOENT" || error.code === "ENOTEMPTY" || error.code === "EEXIST") return undefined;
    throw error;
  }
}
