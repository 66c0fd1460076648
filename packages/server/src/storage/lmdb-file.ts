import { accessSync, closeSync, constants, fstatSync, openSync, readSync, type Stats, statSync } from "node:fs";
import { setTimeout } from "node:timers/promises";
import { PosternError } from "@postern/shared/errors";
import { HEADER_BYTES, type Meta, readMeta } from "./lmdb-header.js";
import { checkTrees } from "./lmdb-tree.js";

/**
 * Whether LMDB may be given a file. It maps the file and trusts it: a foreign, zeroed or cut one kills the process
 * (SIGSEGV), as does much that goes wrong while opening, and an empty one it makes into a new store in silence. So
 * all this is settled before, by reading.
 *
 * Not by a probe in a child process: that costs a start of Node, and survives only what the probe happens to touch.
 * Walking the pages finds the same and more (keys lost from the order, counts that do not add up) in some
 * milliseconds a megabyte, and names the page.
 */

/** Up to so many leaves (64 MiB of the usual pages) every page is looked at, above it only those above the leaves. */
const ALL_LEAVES = 16_384;

/**
 * Another process may commit while the pages are read, and then write over them: a verdict counts only when nobody
 * did. A file that changes all the time is in use by a process that found it sound.
 */
const ATTEMPTS = 5;

/** Another process may be making the file at this moment: so often, and so many milliseconds apart, it is looked at. */
const LOOKS = 8;
const BETWEEN_LOOKS = 25;

/**
 * Errors: `store_foreign` (not an LMDB file, not even a file), `store_damaged`, `store_future`, `store_unwritable`.
 * An empty file is damaged, also when a new store is wanted: only an accident leaves one. An absent one is sound.
 */
export async function inspectStoreFile(path: string): Promise<void> {
  for (let look = 1; statOf(path) !== undefined; look++) {
    requireAccess(path);
    try {
      inspectOnce(path);
      return;
    } catch (error) {
      if (look === LOOKS || !mayBeInTheMaking(path, error)) throw located(path, error);
      await setTimeout(BETWEEN_LOOKS);
    }
  }
}

function inspectOnce(path: string): void {
  const file = openSync(path, "r");
  try {
    if (fstatSync(file).size === 0) throw new PosternError("store_damaged", { detail: "it is empty" });
    inspect(file);
  } finally {
    closeSync(file);
  }
}

function mayBeInTheMaking(path: string, error: unknown): boolean {
  const isDamaged = error instanceof PosternError && error.code === "store_damaged";
  return isDamaged && (statOf(path)?.size ?? 0) < HEADER_BYTES;
}

/**
 * The lock file holds nothing to keep, but a thing of another kind in its place brings LMDB down. It is never opened
 * here: closing it would give up every lock that this process holds on it.
 */
export function inspectLockFile(path: string): void {
  if (statOf(path) !== undefined) requireAccess(path);
}

function inspect(file: number): void {
  for (let attempt = 1; attempt <= ATTEMPTS; attempt++) {
    const header = readAt(file, 0, HEADER_BYTES);
    try {
      inspectTrees(file, readMeta(header));
      return;
    } catch (error) {
      if (readAt(file, 0, HEADER_BYTES).equals(header)) throw error;
    }
  }
}

function inspectTrees(file: number, meta: Meta): void {
  const pages = Math.floor(fstatSync(file).size / meta.pageSize);
  checkTrees({
    meta,
    pages,
    readPage: (page, length = meta.pageSize) => readAt(file, page * meta.pageSize, length),
    leaves: meta.main.leafPages <= ALL_LEAVES,
  });
}

function readAt(file: number, position: number, length: number): Buffer {
  const buffer = Buffer.allocUnsafe(length);
  return buffer.subarray(0, readSync(file, buffer, 0, length, position));
}

function statOf(path: string): Stats | undefined {
  const facts = statSync(path, { throwIfNoEntry: false });
  if (facts !== undefined && !facts.isFile()) {
    throw new PosternError("store_foreign", { detail: `${path} is not a file` });
  }
  return facts;
}

function requireAccess(path: string): void {
  try {
    accessSync(path, constants.R_OK | constants.W_OK);
  } catch (cause) {
    throw new PosternError("store_unwritable", { detail: path, cause });
  }
}

function located(path: string, error: unknown): unknown {
  if (!(error instanceof PosternError)) return new PosternError("store_failed", { detail: path, cause: error });
  const detail = error.detail === undefined ? path : `${path}: ${error.detail}`;
  return new PosternError(error.code, { detail, cause: error });
}
