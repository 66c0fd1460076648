import { PosternError } from "@postern/shared/errors";
import pg from "pg";

/**
 * A store that has moved to another place says so in the comment of its table, which every session looks at when it
 * begins. A node that was cut off from the database while the store moved has its keys still, and would go on here, on
 * what is left: so it does not get in again. A file needs none of this, as who has it open is seen there until it ends.
 */

const MARK = "posternd: the store has moved ";

/** What marks a store's table; `where` is for people. */
export function markLeft(schema: string, where: string): string {
  return `COMMENT ON TABLE ${schema}.records IS ${pg.escapeLiteral(MARK + where)}`;
}

/** @throws PosternError `store_moved` for the comment of such a table */
export function refuseLeft(comment: unknown): void {
  if (typeof comment !== "string" || !comment.startsWith(MARK)) return;
  throw new PosternError("store_moved", { detail: comment.slice(MARK.length) });
}
