import { PosternError } from "@postern/shared/errors";
import type { SealedReadTransaction, SealedWriteTransaction } from "../barrier/barrier.js";
import type { SealedRange } from "../barrier/storage-keys.js";
import { nextAfter } from "./keys.js";

/**
 * Reading records of which a damaged one counts as absent: sessions, devices, erasures, counters. Each is worth no
 * factor, and one that does not open must not keep its person out, nor the upkeep from all others. For letting somebody
 * in, accounts are not read so: what is damaged there is refused.
 */
export interface IntactScan<T> {
  readonly records: readonly { readonly key: Buffer; readonly value: T }[];
  /** The keys under which nothing opens. */
  readonly damaged: readonly Buffer[];
  /** The key to go on from; none when this was the last page. */
  readonly next: Buffer | undefined;
}

type Decode<T> = (bytes: Buffer) => T;

/** What a read gives, or that what stands there does not open. */
export async function orDamaged<T>(read: () => Promise<T>): Promise<T | "damaged"> {
  try {
    return await read();
  } catch (thrown) {
    if (thrown instanceof PosternError && thrown.code === "store_damaged") return "damaged";
    throw thrown;
  }
}

/** @throws PosternError `store_future` for a record of a later release: that is not damage */
export async function getIntact<T>(tx: SealedReadTransaction, key: Buffer, decode: Decode<T>): Promise<T | undefined> {
  const found = await orDamaged(async () => {
    const stored = await tx.get(key);
    return stored && decode(stored);
  });
  return found === "damaged" ? undefined : found;
}

/** One scan; where something in it does not open, one by one, so that only that counts as absent. @throws as `getIntact` */
export async function scanIntact<T>(
  tx: SealedReadTransaction,
  range: SealedRange,
  decode: Decode<T>,
): Promise<IntactScan<T>> {
  const entries = (await orDamaged(() => tx.scan(range))) as Awaited<ReturnType<typeof tx.scan>> | "damaged";
  const sealed = entries === "damaged" ? (await tx.keys(range)).map((key) => ({ key })) : entries;
  const records: { key: Buffer; value: T }[] = [];
  const damaged: Buffer[] = [];
  for (const entry of sealed) {
    const value = await orDamaged(async () => {
      const stored = "value" in entry ? entry.value : await tx.get(entry.key);
      return stored && decode(stored);
    });
    if (value === "damaged") damaged.push(entry.key);
    else if (value !== undefined) records.push({ key: entry.key, value });
  }
  const { limit } = range;
  return { records, damaged, next: limit === undefined ? undefined : nextAfter(sealed, limit) };
}

/** All intact records of a range; what is damaged is deleted. @throws as `getIntact` */
export async function scanAndTidy<T>(tx: SealedWriteTransaction, range: SealedRange, decode: Decode<T>): Promise<T[]> {
  const { records, damaged } = await scanIntact(tx, range, decode);
  for (const key of damaged) await tx.delete(key);
  return records.map(({ value }) => value);
}
