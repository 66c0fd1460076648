import { randomBytes } from "node:crypto";
import { linkSync, lstatSync, mkdirSync, readdirSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { PosternError } from "@postern/shared/errors";
import { prepareDataDirectory, syncDirectory } from "./data-directory.js";
import { FILE_NAME } from "./lmdb.js";
import { alone, identityOf } from "./lmdb-alone.js";
import { LmdbEnvironment } from "./lmdb-environment.js";

/** Where a store is made before it is put in place; what a cut has left of one goes with the next. */
const MAKING = ".restore-";

/** The second name of a store that is being replaced, until the other one is in its place. */
const LEAVING = `.${FILE_NAME}.leaving`;

export interface Replacement<T> {
  readonly value: T;
  /** Where the file is now that was there before; undefined when there was none. */
  readonly replaced: string | undefined;
}

/** Whether a file stands where a data directory's store does, whatever it is. */
export function hasStoreFile(directory: string): boolean {
  return lstatSync(join(directory, FILE_NAME), { throwIfNoEntry: false }) !== undefined;
}

/**
 * Makes a store by `make`, in a directory of its own, and puts its file in the place of the one that a data directory
 * has, which stays beside it under a dated name. Cut anywhere, the old one or the new one stands there, whole: a rename
 * puts the new one in place of the old one, which has another name by then. `make` closes what it opened.
 * @throws PosternError `store_in_use`; `store_damaged`, `store_foreign`, `store_future` for the file that is there: it is
 *   not touched; what `make` throws, and then nothing was changed
 */
export async function replaceLmdbStore<T>(
  { directory, replace, time }: { directory: string; replace: boolean; time: number },
  make: (temporary: string) => Promise<T>,
): Promise<Replacement<T>> {
  const { path } = await prepareDataDirectory({ directory, create: true });
  const file = join(path, FILE_NAME);
  return alone(
    file,
    () => othersWith(file),
    async () => {
      clearLeftovers(path);
      if (hasStoreFile(path) && !replace) throw new PosternError("store_exists", { detail: file });
      const temporary = join(path, `${MAKING}${randomBytes(8).toString("hex")}`);
      try {
        unwritable(path, () => mkdirSync(temporary, { mode: 0o700 }));
        const value = await make(temporary);
        await syncDirectory(temporary);
        return { value, replaced: await putInPlace(path, join(temporary, FILE_NAME), time) };
      } finally {
        rmSync(temporary, { recursive: true, force: true });
      }
    },
  );
}

/** The file that is there is not opened where it is not sound, so that nobody could say who else has it. */
async function othersWith(file: string): Promise<readonly number[]> {
  if (identityOf(file) === undefined) return [];
  const environment = await LmdbEnvironment.open(file).catch((thrown) => {
    if (!(thrown instanceof PosternError) || thrown.code !== "store_damaged") throw thrown;
    const detail = `${thrown.detail}; stop every process that has it open, move it elsewhere, and restore again`;
    throw new PosternError("store_damaged", { detail, cause: thrown });
  });
  try {
    return environment.otherProcesses();
  } finally {
    await environment.close();
  }
}

/**
 * The lock file goes with the old store: it counts that one's transactions, and somebody may still hold it who opened
 * the old file a moment ago and is about to be told so.
 */
async function putInPlace(directory: string, made: string, time: number): Promise<string | undefined> {
  const file = join(directory, FILE_NAME);
  const leaving = join(directory, LEAVING);
  const hadOne = hasStoreFile(directory);
  if (hadOne) unwritable(file, () => linkSync(file, leaving));
  await syncDirectory(directory);
  unwritable(file, () => renameSync(made, file));
  unwritable(file, () => renameSync(`${made}-lock`, `${file}-lock`));
  await syncDirectory(directory);
  if (!hadOne) return undefined;
  const replaced = freeName(`${file}.replaced-${new Date(time).toISOString().slice(0, 19).replaceAll(":", "-")}Z`);
  unwritable(file, () => renameSync(leaving, replaced));
  await syncDirectory(directory);
  return replaced;
}

/** What a cut has left: half of a store; or a second name, of a file that was not replaced yet or that was. */
function clearLeftovers(directory: string): void {
  for (const name of readdirSync(directory)) {
    if (name.startsWith(MAKING)) rmSync(join(directory, name), { recursive: true, force: true });
  }
  const leaving = identityOf(join(directory, LEAVING));
  if (leaving === undefined) return;
  if (leaving === identityOf(join(directory, FILE_NAME))) rmSync(join(directory, LEAVING));
  else renameSync(join(directory, LEAVING), freeName(join(directory, `${FILE_NAME}.replaced-before`)));
}

function freeName(wanted: string): string {
  for (let count = 1; ; count++) {
    const name = count === 1 ? wanted : `${wanted}-${count}`;
    if (lstatSync(name, { throwIfNoEntry: false }) === undefined) return name;
  }
}

function unwritable(detail: string, write: () => void): void {
  try {
    write();
  } catch (cause) {
    throw new PosternError("store_unwritable", { detail, cause });
  }
}
