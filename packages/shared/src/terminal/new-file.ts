import { randomBytes } from "node:crypto";
import { constants } from "node:fs";
import { link, lstat, open, rename, rm } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import type { Writable } from "node:stream";
import { PosternError } from "../errors.js";

const { O_RDONLY, O_WRONLY, O_CREAT, O_EXCL, O_NOFOLLOW } = constants;
const NEW_FILE = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW;

/** What takes the bytes of a file, one piece after another. */
export type Write = (piece: string | Uint8Array) => Promise<void>;

/**
 * Writes a new file that only its owner may read: mode 0600, durable when this resolves, and whole or not there at all.
 * A file that is there already is replaced only with `force`, and stays as it was until the new one is whole.
 * @throws PosternError `file_unwritable`; what `fill` throws, and then nothing was changed
 */
export async function fillNewFile<T>(path: string, force: boolean, fill: (write: Write) => Promise<T>): Promise<T> {
  const temporary = join(dirname(path), `.${basename(path)}.${randomBytes(8).toString("hex")}.tmp`);
  let value: T;
  try {
    const file = await unwritable(path, () => open(temporary, NEW_FILE, 0o600));
    try {
      value = await fill((piece) => unwritable(path, () => file.appendFile(piece)));
      await unwritable(path, () => file.sync());
    } finally {
      await file.close();
    }
    await putInPlace(temporary, path, force);
  } catch (thrown) {
    await rm(temporary, { force: true });
    throw thrown;
  }
  await unwritable(path, () => flushDirectory(dirname(path)));
  return value;
}

/** The same of what comes in pieces. */
export function writeNewFile(path: string, pieces: AsyncIterable<string>, force: boolean): Promise<void> {
  return fillNewFile(path, force, async (write) => {
    for await (const piece of pieces) await write(piece);
  });
}

/**
 * Whether there is a file that may be replaced; false where there is nothing. Asked before anything is written, too, so
 * that nobody types a password in vain. Anything that is not a file (a device, a link) is never replaced.
 * @throws PosternError `file_unwritable`
 */
export async function mayReplace(path: string, force: boolean): Promise<boolean> {
  const there = await lstat(path).catch(() => undefined);
  if (there === undefined) return false;
  if (!force) throw refused(path, "it exists already; --force replaces it");
  if (!there.isFile()) throw refused(path, "it is not a regular file");
  return true;
}

/** Of two that write there at once, one is refused: a link is made only where there is nothing. */
async function putInPlace(temporary: string, path: string, force: boolean): Promise<void> {
  if (await mayReplace(path, force)) {
    await unwritable(path, () => rename(temporary, path));
    return;
  }
  await unwritable(path, () => link(temporary, path));
  await rm(temporary, { force: true });
}

/** The rename is durable only with the directory. */
async function flushDirectory(path: string): Promise<void> {
  const directory = await open(path, O_RDONLY);
  try {
    await directory.sync();
  } finally {
    await directory.close();
  }
}

/** Writes to a stream no faster than it is read. A reader that went away ends it without a complaint. */
export async function writeToStream(stream: Writable, pieces: AsyncIterable<string>): Promise<void> {
  for await (const piece of pieces) {
    if (stream.destroyed || stream.errored) return;
    if (!stream.write(piece)) await drained(stream);
  }
}

/**
 * What writes to a stream of which all must arrive, no faster than it is read.
 * @throws PosternError `file_unwritable`, also when the reader went away
 */
export function writerTo(stream: Writable, name: string): Write {
  return (piece) =>
    unwritable(
      name,
      () =>
        new Promise<void>((resolve, reject) => {
          stream.write(piece, (error) => (error ? reject(error) : resolve()));
        }),
    );
}

function drained(stream: Writable): Promise<void> {
  return new Promise((resolve) => {
    const events = ["drain", "error", "close"] as const;
    const settle = () => {
      for (const event of events) stream.off(event, settle);
      resolve();
    };
    for (const event of events) stream.on(event, settle);
  });
}

async function unwritable<T>(path: string, write: () => Promise<T>): Promise<T> {
  try {
    return await write();
  } catch (cause) {
    const code = cause instanceof Error && "code" in cause ? String(cause.code) : "failed";
    throw new PosternError("file_unwritable", { detail: `${path}: ${code}`, cause });
  }
}

function refused(path: string, why: string): PosternError {
  return new PosternError("file_unwritable", { detail: `${path}: ${why}` });
}
