import { randomBytes } from "node:crypto";
import { constants, type Stats } from "node:fs";
import { type FileHandle, mkdir, open, rename, rm, stat } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { TextDecoder } from "node:util";
import { PosternError } from "@postern/shared/errors";

const { O_RDONLY, O_WRONLY, O_CREAT, O_EXCL, O_NOFOLLOW, O_NONBLOCK } = constants;

/**
 * Reads a text file that only its owner can have written; undefined when there is none. Throws `file_unreadable` when
 * it is anything but a regular file of at most `maxBytes` bytes of UTF-8, when somebody else could have written it,
 * or when somebody else could have put it there, or taken it away, for want of permissions on its directory.
 */
export async function readPrivateFile(path: string, maxBytes: number): Promise<string | undefined> {
  try {
    if (!(await directoryIsPrivate(dirname(path)))) return undefined;
    // Not following links keeps the answer about this file; not blocking keeps a FIFO from hanging the program.
    await using file = await openOrNone(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
    if (file === undefined) return undefined;
    const stats = await file.stat();
    if (!stats.isFile()) throw new Error("it is not a regular file");
    refuseForeign(stats);
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(await readAll(file, maxBytes));
  } catch (cause) {
    throw new PosternError("file_unreadable", { detail: `${path}: ${reasonOf(cause)}`, cause });
  }
}

/**
 * Replaces a file by one with this text that only its owner may read: mode 0600, its directory made with 0700. After
 * a crash at any moment there is the old file or the new one, whole; when the promise resolves it is the new one,
 * durably. Throws `file_unwritable`, and then the old file is unchanged unless only the last flush failed.
 */
export async function writePrivateFile(path: string, text: string): Promise<void> {
  const temporary = join(dirname(path), `.${basename(path)}.${randomBytes(8).toString("hex")}.tmp`);
  try {
    await makePrivateDirectory(dirname(path));
    try {
      await writeDurably(temporary, text);
      await rename(temporary, path);
    } catch (error) {
      await rm(temporary, { force: true });
      throw error;
    }
    await flushDirectory(dirname(path));
  } catch (cause) {
    throw new PosternError("file_unwritable", { detail: `${path}: ${reasonOf(cause)}`, cause });
  }
}

/** Makes a directory for private files if there is none; throws when somebody else may write into it. */
export async function makePrivateDirectory(path: string): Promise<void> {
  await mkdir(path, { recursive: true, mode: 0o700 });
  await directoryIsPrivate(path);
}

/**
 * Why a file or directory is not to be trusted, if so. Root may write everything anyway, so its files are as good as
 * ours. `me` is the effective user id, undefined where there are none.
 */
export function foreignHand({ uid, mode }: Pick<Stats, "uid" | "mode">, me: number | undefined): string | undefined {
  if (me === undefined) return undefined;
  if (uid !== me && uid !== 0) return "it belongs to another user";
  return (mode & 0o022) === 0 ? undefined : "other users may write to it (chmod go-w)";
}

/** False when there is no directory; throws when it is not private. */
async function directoryIsPrivate(path: string): Promise<boolean> {
  try {
    refuseForeign(await stat(path));
    return true;
  } catch (error) {
    if (codeOf(error) === "ENOENT") return false;
    throw new Error(`${path}: ${reasonOf(error)}`, { cause: error });
  }
}

function refuseForeign(stats: Stats): void {
  const reason = foreignHand(stats, process.geteuid?.());
  if (reason !== undefined) throw new Error(reason);
}

async function openOrNone(path: string, flags: number): Promise<FileHandle | undefined> {
  try {
    return await open(path, flags);
  } catch (error) {
    if (codeOf(error) === "ENOENT") return undefined;
    throw error;
  }
}

/** Reads one byte more than allowed at most, whatever size the file claims or grows to. */
async function readAll(file: FileHandle, maxBytes: number): Promise<Buffer> {
  const buffer = Buffer.alloc(maxBytes + 1);
  let length = 0;
  for (;;) {
    const { bytesRead } = await file.read(buffer, length, buffer.length - length, length);
    length += bytesRead;
    if (length > maxBytes) throw new Error("it is too long");
    if (bytesRead === 0) return buffer.subarray(0, length);
  }
}

async function writeDurably(path: string, text: string): Promise<void> {
  await using file = await open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0o600);
  await file.chmod(0o600);
  await file.writeFile(text);
  await file.sync();
}

/** The rename is durable only with the directory. */
async function flushDirectory(path: string): Promise<void> {
  await using directory = await open(path, O_RDONLY);
  await directory.sync();
}

function codeOf(error: unknown): unknown {
  return error instanceof Error && "code" in error ? error.code : undefined;
}

function reasonOf(error: unknown): string {
  const code = codeOf(error);
  if (typeof code === "string") return code;
  return error instanceof Error ? error.message : "failed";
}
