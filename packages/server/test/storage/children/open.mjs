import { writeSync } from "node:fs";
import { openLmdbStorage } from "../../../dist/storage/lmdb.js";

/** The built storage, as a process of its own opens it. */
export const open = (directory, create = true) => openLmdbStorage({ directory, create });

export const bytes = (text) => Buffer.from(String(text), "latin1");

/** One JSON line on stdout, out before the next statement runs: what was told stays told after a kill. */
export const tell = (value) => writeSync(1, `${JSON.stringify(value)}\n`);

/** Resolves to "ok" or to the stable code of the failure. */
export const outcome = (promise) =>
  promise.then(
    () => "ok",
    (error) => error.code ?? String(error),
  );
