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
    return damagedOr(thrown);
  }
}

function damagedOr(thrown: unknown): "damaged" {
  if (thrown instanceof PosternError && thrown.code === "store_damaged") return "damaged";
  throw thrown;
}

function decodedOrDamaged<T>(stored: Buffer, decode: Decode<T>): T | "damaged" {
  try {
    return decode(stored);
  } catch (thrown) {
    return damagedOr(thrown);
  }
}

/** @throws PosternError `store_future` for a record of a later release: that is not damage */
export async function getIntact<T>(tx: SealedReadTransaction, key: Buffer, decode: Decode<T>): Promise<T | undefined> {
  try {
    const stored = await tx.get(key);
    return stored && decode(stored);
  } catch (thrown) {
    damagedOr(thrown);
    return undefined;
  }
}

/** One scan; where something in it does not open, one by one, so that only that counts as absent. @throws as `getIntact` */
export async function scanIntact<T>(
  tx: SealedReadTransaction,
  range: SealedRange,
  decode: Decode<T>,
): Promise<IntactScan<T>> {
  let sealed: readonly { readonly key: Buffer; readonly value?: Buffer }[];
  try {
    sealed = await tx.scan(range);
  } catch (thrown) {
    damagedOr(thrown);
    sealed = (await tx.keys(range)).map((key) => ({ key }));
  }
  const records: { key: Buffer; value: T }[] = [];
  const damaged: Buffer[] = [];
  for (const entry of sealed) {
    const stored = entry.value ?? (await orDamaged(() => tx.get(entry.key)));
    if (stored === undefined) continue;
    const value = stored === "damaged" ? stored : decodedOrDamaged(stored, decode);
    if (value === "damaged") damaged.push(entry.key);
    else records.push({ key: entry.key, value });
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
