import { randomBytes } from "node:crypto";
import { constants, type Stats } from "node:fs";
import { access, mkdir, open, rm, stat, statfs, writeFile } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { PosternError } from "@postern/shared/errors";

/**
 * File systems of which another machine, or a program in between, may hold the file: neither their locks nor their
 * memory maps keep what a shared store needs. By the magic numbers of statfs(2), as Linux gives them. FUSE is among
 * them, as sshfs and its like cannot be told from the local ones that would do.
 */
const networked = new Map<number, string>([
  [0x6969, "NFS"],
  [0x517b, "SMB"],
  [0xff534d42, "CIFS"],
  [0xfe534d42, "SMB 2"],
  [0x01021997, "9P"],
  [0x65735546, "FUSE"],
  [0x5346414f, "AFS"],
  [0x6b414653, "AFS"],
  [0x73757245, "Coda"],
  [0x00c36400, "Ceph"],
  [0x0bd00bd0, "Lustre"],
  [0x01161970, "GFS2"],
  [0x7461636f, "OCFS2"],
  [0x47504653, "GPFS"],
  [0x19830326, "BeeGFS"],
  [0x786f4256, "VirtualBox shared folder"],
]);

/** What the system says of the file system under a path: sizes in blocks of `bsize` bytes. */
export interface FileSystem {
  readonly type: number;
  readonly bsize: number;
  readonly bavail: number;
}

export interface DataDirectoryOptions {
  readonly directory: string;
  /** Makes the directory when it is missing, open to its owner only. */
  readonly create: boolean;
  /** Stands in for the system in tests. */
  readonly fileSystemOf?: ((path: string) => Promise<FileSystem>) | undefined;
}

export interface DataDirectory {
  readonly path: string;
  /** Bytes that may still be written here. */
  readonly free: number;
  /** What the operator should hear of; nothing here stops the start. */
  readonly warnings: readonly string[];
}

/**
 * The data directory, found fit to hold a store. Errors: `store_missing`, `store_foreign` (something else stands
 * there), `store_networked`, `store_unwritable`.
 */
export async function prepareDataDirectory(options: DataDirectoryOptions): Promise<DataDirectory> {
  const path = resolve(options.directory);
  const facts = (await statOf(path)) ?? (await makeDirectory(path, options.create));
  if (!facts.isDirectory()) throw new PosternError("store_foreign", { detail: `${path} is not a directory` });
  const fileSystem = await (options.fileSystemOf ?? statfs)(path).catch((cause) => refuse(path, cause));
  refuseNetworked(path, fileSystem.type);
  await access(path, constants.W_OK | constants.X_OK).catch((cause) => refuse(path, cause));
  return { path, free: fileSystem.bavail * fileSystem.bsize, warnings: warningsAbout(path, facts) };
}

/** Four pages: less than the commits of a start take, unless the file has room inside. */
const FIRST_BYTES = 16_384;

/**
 * Finds out whether there is room to write, by writing: a quota, or a limit of the process, shows in no figure. LMDB may
 * die of it in its very first commit (memory that it has freed is used on), which would leave the operator without a word.
 * @throws PosternError `store_failed` where there is none; nothing is left behind
 */
export async function findRoom(directory: string): Promise<void> {
  const path = join(directory, `.room-${randomBytes(6).toString("hex")}`);
  try {
    await writeFile(path, Buffer.alloc(FIRST_BYTES), { flag: "wx", mode: 0o600 });
  } catch (cause) {
    throw new PosternError("store_failed", { detail: `there is no room to write in ${directory}`, cause });
  } finally {
    await rm(path, { force: true });
  }
}

/** Makes the names in a directory durable: without it a power cut may lose a new file with all that was synced. */
export async function syncDirectory(path: string): Promise<void> {
  const handle = await open(path, "r").catch((cause) => refuse(path, cause));
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

function statOf(path: string): Promise<Stats | undefined> {
  return stat(path).catch((cause) => (cause.code === "ENOENT" ? undefined : refuse(path, cause)));
}

async function makeDirectory(path: string, create: boolean): Promise<Stats> {
  if (!create) throw new PosternError("store_missing", { detail: path });
  const made = await mkdir(path, { recursive: true, mode: 0o700 }).catch((cause) => refuse(path, cause));
  if (made !== undefined) await syncDirectory(dirname(made));
  return stat(path);
}

function refuseNetworked(path: string, type: number): void {
  const name = process.platform === "linux" ? networked.get(type >>> 0) : undefined;
  if (name !== undefined) throw new PosternError("store_networked", { detail: `${path} (${name})` });
}

function warningsAbout(path: string, facts: Stats): string[] {
  const warnings: string[] = [];
  if ((facts.mode & 0o077) !== 0) {
    warnings.push(`the data directory ${path} is open to other users of this machine; chmod 700 closes it`);
  }
  if (facts.uid !== process.geteuid?.()) {
    warnings.push(`the data directory ${path} belongs to another user, who may not be able to open new files in it`);
  }
  return warnings;
}

function refuse(path: string, cause: unknown): never {
  throw new PosternError("store_unwritable", { detail: path, cause });
}
