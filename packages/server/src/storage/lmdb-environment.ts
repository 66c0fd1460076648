import { readFileSync } from "node:fs";
import { constants } from "node:os";
import { PosternError } from "@postern/shared/errors";
import { open, type RootDatabase } from "lmdb";
import { identityOf } from "./lmdb-alone.js";
import { inspectLockFile, inspectStoreFile } from "./lmdb-file.js";
import { UnderWay } from "./under-way.js";

type Opened = RootDatabase<Buffer, Uint8Array>;
export type Snapshot = ReturnType<Opened["useReadTransaction"]>;

/** `getBinary` takes what `get` takes; the package's types do not say so. */
export type Database = Omit<Opened, "getBinary"> & {
  getBinary(key: Uint8Array, options?: { readonly transaction: Snapshot }): Buffer | undefined;
};

/** Address space, not memory: unused it costs nothing, while a map that has to grow makes every read slower. */
const MAP_BYTES = 64 * 2 ** 30;
const MIB = 2 ** 20;

/** Files open in this process, by device and inode. */
const openFiles = new Set<string>();

/**
 * One LMDB file, open in this process at most once: LMDB forbids more, as POSIX locks are the whole process's, and
 * closing any one of its descriptors gives them up.
 *
 * After a failed commit LMDB may be beyond use (when it was a header that could not be written, the next transaction
 * hangs for ever), so the file is closed, inspected and opened anew before anything else happens.
 */
export class LmdbEnvironment {
  readonly #path: string;
  readonly #mapSize: number;
  readonly #identity: string;
  readonly #readers = new UnderWay();
  #database: Database | undefined;
  #abandoned: Promise<void> | undefined;
  #reopening: Promise<Database> | undefined;
  #writing = false;

  private constructor(path: string, mapSize: number, database: Database) {
    this.#path = path;
    this.#mapSize = mapSize;
    this.#database = database;
    this.#identity = identityOf(path) ?? path;
    openFiles.add(this.#identity);
  }

  /** Errors: as `inspectStoreFile`, and `store_failed`. A file that is absent is made, for its owner only. */
  static async open(path: string, mapSize = mapSizeWithin(addressSpaceLeft())): Promise<LmdbEnvironment> {
    await inspectFiles(path);
    refuseSecond(path);
    return new LmdbEnvironment(path, mapSize, openDatabase(path, mapSize));
  }

  /**
   * Runs `work` in one write transaction; when this resolves it is durable. `work` must not throw: LMDB would commit
   * what came before. Errors: `store_failed`, and then nothing of it remains.
   */
  async commit(work: (database: Database) => Promise<void>): Promise<void> {
    const database = this.#database ?? (await this.#reopen());
    try {
      await database.transaction(() => {
        this.#writing = true;
        this.#refuseReplaced();
        return work(database);
      });
    } catch (error) {
      const cause = await commitCause(error);
      this.#abandon(database);
      throw storeFailed(this.#path, cause);
    } finally {
      this.#writing = false;
    }
  }

  /** From where a write transaction has begun until it is durable. */
  get writing(): boolean {
    return this.#writing;
  }

  /** Runs `use` on a snapshot of what is committed now, by any process. */
  async read<T>(use: (database: Database, snapshot: Snapshot) => Promise<T>): Promise<T> {
    const database = this.#database ?? (await this.#reopen());
    this.#refuseReplaced();
    const snapshot = this.#takeSnapshot(database);
    this.#readers.begin();
    try {
      return await use(database, snapshot);
    } finally {
      this.#readers.end();
      snapshot.done();
    }
  }

  /** Has a place among the file's readers from now on, for other processes to see. */
  takePlace(): void {
    if (this.#database !== undefined) this.#takeSnapshot(this.#database).done();
  }

  /** The ids of the other processes that have read from the file, and have it open. */
  otherProcesses(): number[] {
    const database = this.#database;
    if (database === undefined) throw storeFailed(this.#path, new Error("it is not open"));
    database.readerCheck();
    const pids = [...database.readerList().matchAll(/^ *(\d+) /gm)].map(([, pid]) => Number(pid));
    return [...new Set(pids)].filter((pid) => pid !== process.pid);
  }

  async close(): Promise<void> {
    await this.#abandoned;
    await this.#readers.ended();
    await this.#database?.close();
    this.#database = undefined;
    openFiles.delete(this.#identity);
  }

  /** lmdb-js keeps a snapshot for the rest of the turn; the reset makes it see commits since. */
  #takeSnapshot(database: Database): Snapshot {
    try {
      database.resetReadTxn();
      return database.useReadTransaction();
    } catch (cause) {
      throw storeFailed(this.#path, cause);
    }
  }

  /**
   * What is written to a file that has no name any more, or another one, is lost: so nothing is granted on it. Asked
   * inside of each transaction.
   */
  #refuseReplaced(): void {
    if (identityOf(this.#path) === this.#identity) return;
    throw new PosternError("store_failed", { detail: `${this.#path} was moved or replaced while it was open` });
  }

  #abandon(database: Database): void {
    this.#database = undefined;
    this.#abandoned = this.#readers
      .ended()
      .then(() => database.close())
      .catch(() => undefined);
  }

  /** Errors: those of the first opening. All who wait share one attempt; the next call makes another. */
  #reopen(): Promise<Database> {
    this.#reopening ??= this.#openAgain().finally(() => {
      this.#reopening = undefined;
    });
    return this.#reopening;
  }

  async #openAgain(): Promise<Database> {
    await this.#abandoned;
    this.#refuseReplaced();
    await inspectFiles(this.#path);
    this.#database = openDatabase(this.#path, this.#mapSize);
    return this.#database;
  }
}

export function storeFailed(detail: string, cause: unknown): PosternError {
  return cause instanceof PosternError ? cause : new PosternError("store_failed", { detail, cause });
}

/** Half of the address space that is left, within bounds: a map that does not fit kills the process. */
export function mapSizeWithin(bytesLeft: number): number {
  const half = Math.floor(bytesLeft / 2 / MIB) * MIB;
  return Math.min(MAP_BYTES, Math.max(MIB, half));
}

async function inspectFiles(path: string): Promise<void> {
  await inspectStoreFile(path);
  inspectLockFile(`${path}-lock`);
}

function openDatabase(path: string, mapSize: number): Database {
  try {
    return open({
      path,
      mapSize,
      noSubdir: true,
      encoding: "binary",
      keyEncoding: "binary",
      permissionsMode: 0o600,
      // A commit waits for the disk before anyone sees it, and a disk that fails then fails the commit.
      overlappingSync: false,
      // Batching is the pump's; lmdb-js's own leaves a promise behind that nobody can catch when a commit fails.
      eventTurnBatching: false,
      // What lmdb-js remembers of free pages between transactions it writes back in part, and now and then to the wrong
      // records: it then ends the process ("Freelist record not found"). Read anew each time, it is written as a whole.
      maxFreeSpaceToRetain: 0,
    } as Parameters<typeof open<Buffer, Uint8Array>>[0]);
  } catch (cause) {
    throw openFailed(path, cause);
  }
}

function openFailed(path: string, cause: unknown): PosternError {
  const { EACCES, EPERM, EROFS, ENOSPC, EDQUOT } = constants.errno;
  const code = (cause as { code?: unknown }).code;
  const unwritable = [EACCES, EPERM, EROFS, ENOSPC, EDQUOT].some((errno) => errno === code);
  return new PosternError(unwritable ? "store_unwritable" : "store_failed", { detail: path, cause });
}

function refuseSecond(path: string): void {
  const identity = identityOf(path);
  if (identity !== undefined && openFiles.has(identity)) {
    throw new PosternError("store_failed", { detail: `${path} is open already in this process` });
  }
}

/** lmdb-js tells the reason in a second promise, which would end the process if nobody listened to it. */
async function commitCause(error: unknown): Promise<unknown> {
  try {
    await (error as { commitError?: unknown }).commitError;
    return error;
  } catch (reason) {
    return reason;
  }
}

/** What `ulimit -v` leaves to this process, in bytes; only Linux tells. */
function addressSpaceLeft(): number {
  if (process.platform !== "linux") return Number.POSITIVE_INFINITY;
  const limit = /^Max address space +(\d+)/m.exec(readFileSync("/proc/self/limits", "utf8"))?.[1];
  const used = /^VmSize:\s+(\d+) kB/m.exec(readFileSync("/proc/self/status", "utf8"))?.[1];
  return limit === undefined ? Number.POSITIVE_INFINITY : Number(limit) - Number(used) * 1024;
}
