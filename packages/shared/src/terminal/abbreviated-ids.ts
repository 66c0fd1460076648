import { PosternError } from "../errors.js";
import { type Id, type IdKind, isId } from "../ids.js";

/** Digits of an id that are shown at least. */
const SHORTEST = 8;

/** Each id's beginning that no other of them has, of one length for all. */
export function abbreviate(ids: readonly string[]): string[] {
  const prefix = (ids[0] ?? "").indexOf("_") + 1;
  let length = prefix + SHORTEST;
  while (length < 64 && new Set(ids.map((id) => id.slice(0, length))).size < new Set(ids).size) length += 1;
  return ids.map((id) => id.slice(0, length));
}

/**
 * The one of the ids that begins as it was typed.
 * @throws PosternError `id_unknown`, `usage` when several do
 */
export function resolveId<K extends IdKind>(kind: K, ids: readonly string[], typed: string): Id<K> {
  const found = typed === "" ? [] : ids.filter((id) => id.startsWith(typed));
  if (found.length > 1) throw new PosternError("usage", { detail: "several ids begin so: give more of it" });
  const [id] = found;
  if (id === undefined || !isId(kind, id)) throw new PosternError("id_unknown");
  return id;
}
