import { join } from "node:path";
import type { z } from "zod";
import { withFileLock } from "../file-lock.js";
import type { Paths } from "../paths.js";
import { readPrivateFile, writePrivateFile } from "../private-file.js";

const MAX_BYTES = 256 * 1024;

/** A file of what this machine alone has a use for, readable by its owner alone; processes change it one by one. */
export interface StateFile<T> {
  /** @throws PosternError `file_unreadable` when somebody else could have written it */
  read(paths: Paths): Promise<T>;
  /** @throws PosternError `file_unreadable`, `file_unwritable`; then nothing was changed */
  change(paths: Paths, edit: (kept: T) => T): Promise<void>;
  /** Finds out, before something is spent on what goes into it, whether it could be kept. Throws as `change`. */
  check(paths: Paths): Promise<void>;
}

/**
 * The file of this name. What is in it is worth nothing but a login: a content that is not understood is as good as
 * none, and is replaced by `empty` with the next change.
 */
export function stateFile<T>(name: string, schema: z.ZodType<T>, empty: T): StateFile<T> {
  const fileOf = (paths: Paths) => join(paths.state, name);
  const read = async (paths: Paths) => {
    const text = await readPrivateFile(fileOf(paths), MAX_BYTES);
    const parsed = schema.safeParse(text === undefined ? undefined : parseJson(text));
    return parsed.success ? parsed.data : empty;
  };
  return {
    read,
    change: (paths, edit) =>
      withFileLock(fileOf(paths), async () => {
        const changed = edit(await read(paths));
        await writePrivateFile(fileOf(paths), `${JSON.stringify(changed, null, 2)}\n`);
      }),
    check: (paths) => withFileLock(fileOf(paths), async () => void (await read(paths))),
  };
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
