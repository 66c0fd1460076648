import { PosternError } from "@postern/shared/errors";

/** Which page of a list: from behind an id on. */
export interface PageWish<Id extends string> {
  readonly after?: Id | undefined;
  readonly limit: number;
}

export interface Page<Id extends string, T> {
  readonly items: readonly T[];
  /** Those that do not open: they can be deleted, and nothing else. */
  readonly damaged: readonly Id[];
  /** What to go on behind; undefined when it was the last page. */
  readonly next?: Id;
}

/** A page of `limit`, of what was found by looking for one more. */
export function pageOf<Id extends string, T extends { readonly id: Id }>(
  { records, damaged }: { readonly records: readonly T[]; readonly damaged: readonly Id[] },
  limit: number,
): Page<Id, T> {
  const ids = [...records.map(({ id }) => id), ...damaged].sort();
  const last = ids[limit - 1];
  if (ids.length <= limit || last === undefined) return { items: records, damaged };
  return { items: records.filter(({ id }) => id <= last), damaged: damaged.filter((id) => id <= last), next: last };
}

/** The versions that a caller knows, and would have changed; undefined: any. */
export type Versions = readonly number[] | undefined;

/** Of what is damaged nobody knows the version. @throws PosternError `version_mismatch` */
export function requireVersion(record: { readonly version: number } | "damaged", versions: Versions): void {
  if (versions === undefined) return;
  if (record === "damaged" || !versions.includes(record.version)) throw new PosternError("version_mismatch");
}
