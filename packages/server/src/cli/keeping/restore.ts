import { createReadStream } from "node:fs";
import { stat } from "node:fs/promises";
import { PosternError } from "@postern/shared/errors";
import { typedAs } from "@postern/shared/terminal/command-name";
import type { Output } from "@postern/shared/terminal/output";
import { showProgress } from "@postern/shared/terminal/progress";
import { say } from "@postern/shared/terminal/terminal-text";
import { unsealBackup } from "../../barrier/backup-reader.js";
import { findBackup, type OpenBackup, type SealedBackup } from "../../barrier/barrier.js";
import { type RestoredStore, restoreStore, type StorePlace, shownPlace, storeStands } from "../../store.js";
import { confirmByTyping } from "../people/confirm.js";
import { isoTime, shownTime } from "../shown.js";
import { locationOf, type StoreOptions, withAdminPassword } from "../unseal.js";

export interface RestoreOptions extends StoreOptions {
  readonly yes?: boolean;
}

/** What a person types to have a store replaced: no Enter too many does it. */
const WORD = "replace";

/**
 * Makes a backup the store of the data directory, or of the database. What it says of itself, and that a store may be replaced, is settled
 * before a password is asked for.
 * @throws PosternError `file_unreadable`, `backup_foreign`, `backup_future`, `backup_damaged`, `audit_damaged`;
 *   `input_needed`, `cancelled`; `admin_password_wrong`; `store_in_use`; `store_damaged` and its kin for what is there
 */
export async function restoreCommand(output: Output, file: string, options: RestoreOptions): Promise<void> {
  const place = locationOf(output, options);
  const size = await sizeOf(file);
  const sealed = await findBackup(bytesOf(file));
  const replace = await storeStands(place);
  output.note(say`${file} says that it is of ${shownTime(sealed.head.time)} UTC, store ${sealed.head.storeId}`);
  if (replace) await confirmReplacement(output, options, place);
  const backup = await unseal(output, options, sealed);
  const progress = showProgress("Restoring", output, { stream: process.stderr, env: process.env });
  try {
    const onBytes = (bytes: number) => progress.to(bytes, size);
    const restored = await restoreStore({ place, replace, backup, onBytes });
    progress.end();
    print(output, { file, place, time: backup.head.time }, restored);
  } finally {
    progress.end();
  }
}

async function confirmReplacement(output: Output, options: RestoreOptions, place: StorePlace): Promise<void> {
  const consequences = [
    say`There is a store in ${shownPlace(place)}`,
    say`What was done since the backup is undone: who registered is gone, old passwords`,
    say`count again. What is there now is kept beside it.`,
  ];
  await confirmByTyping(output, options, { consequences, question: `Type ${WORD} to replace it:`, word: WORD });
}

async function unseal(output: Output, options: RestoreOptions, sealed: SealedBackup): Promise<OpenBackup> {
  const said = {
    question: "Admin password of the backup",
    wrong: "That is not it. A backup opens with the admin password of the day it was made.",
  };
  try {
    return await withAdminPassword(output, options, (password) => unsealBackup(sealed, password), said);
  } catch (thrown) {
    if (!(thrown instanceof PosternError) || thrown.code !== "admin_password_wrong") throw thrown;
    const detail = "a backup opens with the admin password of the day it was made";
    throw new PosternError("admin_password_wrong", { detail, cause: thrown });
  }
}

interface Restored {
  readonly file: string;
  readonly place: StorePlace;
  readonly time: number;
}

function print(output: Output, { file, place, time }: Restored, store: RestoredStore): void {
  const { records, accounts, replaced } = store;
  const made = isoTime(time);
  output.result(
    { file, data: place.directory, database: place.database?.server.shown, time: made, records, accounts, replaced },
    say`Restored into ${shownPlace(place)}:`,
    say`  ${records} records, ${accounts} accounts, as of ${shownTime(time)} UTC.`,
    ...(replaced === undefined
      ? []
      : [say`${place.database === undefined ? "The file" : "The schema"} that was there is now`, say`  ${replaced}`]),
  );
  const postern = typedAs("postern", process.env);
  output.note(
    say``,
    say`Ended with it: all sessions, and all recovery codes. Everybody logs in again,`,
    say`and makes new ones: ${postern} recovery regenerate`,
    say`Invites and reset tokens are void too, and all API keys are revoked: any may`,
    say`have been since. What applications made is there; new keys for them:`,
    say`${typedAs("posternd", process.env)} apikey create --application ID`,
    say`A device that counts (HOTP) is asked for two codes in a row, once.`,
    say`The store opens with the admin password of that day.`,
  );
}

async function sizeOf(file: string): Promise<number> {
  const facts = await stat(file).catch((cause) => unreadable(file, cause));
  if (!facts.isFile()) throw new PosternError("file_unreadable", { detail: `${file}: it is not a regular file` });
  return facts.size;
}

async function* bytesOf(file: string): AsyncGenerator<Buffer> {
  try {
    yield* createReadStream(file, { highWaterMark: 2 ** 18 });
  } catch (cause) {
    unreadable(file, cause);
  }
}

function unreadable(file: string, cause: unknown): never {
  const code = cause instanceof Error && "code" in cause ? String(cause.code) : "failed";
  throw new PosternError("file_unreadable", { detail: `${file}: ${code}`, cause });
}
