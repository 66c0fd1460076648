import { setImmediate as turn } from "node:timers/promises";
import type { Barrier } from "../barrier/barrier.js";
import type { ReadPage } from "../records/audit-verify.js";

/** Entries that are read, or removed, in one go: logins wait no longer than that takes. */
export const AUDIT_PAGE = 128;

/** Reads a page at a time; in between everybody else has a turn, since a read itself never waits for anything. */
export function pagesOf(barrier: Barrier): ReadPage {
  return async (fn) => {
    const page = await barrier.read(fn);
    await turn();
    return page;
  };
}
