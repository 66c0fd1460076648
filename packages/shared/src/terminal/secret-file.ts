import { type FileHandle, open } from "node:fs/promises";
import { dirname } from "node:path";
import { PosternError } from "../errors.js";
import { decodeSecret } from "./secret-bytes.js";
import type { StdinLines } from "./stdin-lines.js";

/** The longest secret in bytes of UTF-8: the longest password (password-policy.ts). */
export const MAX_SECRET_BYTES = 1024;

/** What is read of a file at most, before its length is judged. */
const MAX_READ_BYTES = 64 * 1024;

const READABLE_BY_OTHERS = 0o044;
const LF = 0x0a;
const CR = 0x0d;

export interface SecretFile {
  readonly secret: string;
  /** What is wrong with how the secret is kept. It is used nevertheless. */
  readonly warning?: string;
}

export interface SecretSources {
  /** Standard input, for `-`; undefined when that is a terminal. */
  readonly stdin: StdinLines | undefined;
  /** For CREDENTIALS_DIRECTORY, which systemd guards by more than the mode shows. */
  readonly env: NodeJS.ProcessEnv;
  /** In bytes of UTF-8, for what is longer than a password: 64 KiB at most. */
  readonly max?: number;
}

/**
 * The secret of `--password-file FILE` (the file without one trailing LF or CRLF) or `--password-file -` (the next
 * line of standard input). FILE may also be a FIFO or a process substitution; it is read once.
 *
 * @throws `file_unreadable`; `secret_file_invalid` when it is empty, longer than 1024 bytes (or `max`) or not UTF-8;
 * `input_needed` when standard input has no line left; `usage` when it is a terminal, which would show the secret.
 */
export async function readSecretFile(path: string, sources: SecretSources): Promise<SecretFile> {
  const { stdin, env, max = MAX_SECRET_BYTES } = sources;
  return path === "-" ? { secret: await secretOfStdin(stdin, max) } : secretOfFile(path, env, max);
}

/**
 * Secrets of a file, or with `-` of all of standard input, one a line; empty lines stay, so that they can be counted. At
 * most 64 KiB.
 * @throws as `readSecretFile`
 */
export async function readSecretLines(path: string, { stdin, env }: SecretSources): Promise<SecretFile> {
  if (path !== "-") return secretOfFile(path, env, MAX_READ_BYTES - 1);
  const lines: string[] = [];
  let length = 0;
  for (;;) {
    const line = await openStdin(stdin).nextOrNone();
    if (line === undefined) break;
    length += Buffer.byteLength(line) + 1;
    if (length > MAX_READ_BYTES) throw new PosternError("secret_file_invalid", { detail: "standard input" });
    lines.push(line);
  }
  if (lines.length === 0) throw new PosternError("input_needed", { detail: "standard input is at its end" });
  return { secret: lines.join("\n") };
}

async function secretOfFile(path: string, env: NodeJS.ProcessEnv, max: number): Promise<SecretFile> {
  const handle = await open(path, "r").catch((cause: unknown) => {
    throw new PosternError("file_unreadable", { detail: path, cause });
  });
  try {
    const guarded = env.CREDENTIALS_DIRECTORY === dirname(path);
    const warning = guarded ? undefined : await warningFor(handle, path);
    const secret = await secretOf(handle, path, max);
    return warning === undefined ? { secret } : { secret, warning };
  } finally {
    await handle.close();
  }
}

function openStdin(stdin: StdinLines | undefined): StdinLines {
  if (stdin !== undefined) return stdin;
  throw new PosternError("usage", { detail: "- reads a secret from a pipe or file, and standard input is a terminal" });
}

async function secretOfStdin(stdin: StdinLines | undefined, max: number): Promise<string> {
  const secret = await openStdin(stdin).next();
  if (secret === "" || Buffer.byteLength(secret) > max) {
    throw new PosternError("secret_file_invalid", { detail: "standard input" });
  }
  return secret;
}

async function warningFor(handle: FileHandle, path: string): Promise<string | undefined> {
  const stat = await handle.stat();
  if (!stat.isFile() || (stat.mode & READABLE_BY_OTHERS) === 0) return undefined;
  return `${path} can be read by others than its owner: chmod 600 it`;
}

async function secretOf(handle: FileHandle, path: string, max: number): Promise<string> {
  const buffer = Buffer.alloc(MAX_READ_BYTES);
  try {
    const bytes = withoutLineEnd(buffer.subarray(0, await fill(handle, buffer, path)));
    const secret = decodeSecret(bytes, { max, from: path });
    // Judged as text: a byte order mark is bytes, and no secret.
    if (secret === "") throw new PosternError("secret_file_invalid", { detail: path });
    return secret;
  } finally {
    buffer.fill(0);
  }
}

/** Reads until the buffer is full or the file ends; a pipe gives its bytes in pieces. Returns how many there were. */
async function fill(handle: FileHandle, buffer: Buffer, path: string): Promise<number> {
  let length = 0;
  for (;;) {
    const { bytesRead } = await handle.read(buffer, length, buffer.length - length, null).catch((cause: unknown) => {
      throw new PosternError("file_unreadable", { detail: path, cause });
    });
    length += bytesRead;
    if (bytesRead === 0 || length === buffer.length) return length;
  }
}

function withoutLineEnd(bytes: Buffer): Buffer {
  if (bytes.at(-1) !== LF) return bytes;
  return bytes.subarray(0, bytes.at(-2) === CR ? -2 : -1);
}
