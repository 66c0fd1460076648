import { randomBytes } from "node:crypto";
import { type ErrorCode, PosternError } from "@postern/shared/errors";
import { Packr } from "msgpackr";
import { expect, onTestFinished } from "vitest";
import { type Barrier, createBarrier, type SealedReadTransaction } from "../../src/barrier/barrier.js";
import { createMemoryStorage } from "../../src/storage/memory.js";
import type { Storage } from "../../src/storage/storage.js";
import { cheap, codeOf, password } from "../barrier/support.js";

/** As the records are packed, without the records' own code. */
const packr = new Packr({ useRecords: false, mapsAsObjects: true });
export const pack = (value: unknown): Buffer => Buffer.from(packr.pack(value));

export interface Records {
  readonly storage: Storage;
  readonly barrier: Barrier;
}

export async function newRecords(): Promise<Records> {
  const storage = createMemoryStorage();
  const barrier = await createBarrier(storage, password, cheap);
  onTestFinished(() => barrier.close());
  return { storage, barrier };
}

/** Puts what no record code wrote, sealed as if it had. */
export function putRaw({ barrier }: Records, key: Buffer, value: Buffer): Promise<void> {
  return barrier.transact((tx) => tx.put(key, value));
}

/** The size that a record has on the disk. */
export function sealedSize({ storage }: Records, key: Buffer): Promise<number> {
  return storage.read(async (tx) => (await tx.get(stored(key)))?.length ?? 0);
}

/** Where the barrier keeps a record: callers' keys stand behind one byte. */
const stored = (key: Buffer) => Buffer.concat([Buffer.of(1), key]);

/** Flips one bit of every byte of a sealed record in turn, and has `check` look each time; then it is as it was. */
export async function atEveryFlip({ storage }: Records, key: Buffer, check: () => Promise<void>): Promise<void> {
  const good = await storage.read((tx) => tx.get(stored(key)));
  if (good === undefined) throw new Error("nothing stands there");
  const put = (value: Buffer) => storage.transact((tx) => tx.put(stored(key), value));
  for (let at = 0; at < good.length; at++) {
    const flipped = Buffer.from(good);
    flipped.writeUInt8(flipped.readUInt8(at) ^ (1 << (at % 8)), at);
    await put(flipped);
    await check();
  }
  await put(good);
}

/** The same, where `read` must say `store_damaged` each time. */
export async function refusesEveryFlip(records: Records, key: Buffer, read: () => Promise<unknown>): Promise<void> {
  const codes = new Set<string>();
  await atEveryFlip(records, key, async () => {
    codes.add(await codeOf(read()));
  });
  expect([...codes]).toEqual(["store_damaged"]);
  await expect(read()).resolves.toBeDefined();
}

/**
 * Flips every bit of a record's plaintext in turn, which no seal lets through: what `read` makes of it is either
 * refused, or handed to `judge`. Anything that is thrown and is no refusal comes out. The zeros at the end are padding.
 */
export async function everyPlainFlip<T>(
  { barrier }: Records,
  { key, plain, read }: { key: Buffer; plain: Buffer; read: (tx: SealedReadTransaction) => Promise<T> },
  judge: (record: T) => void,
): Promise<void> {
  const refusals: readonly ErrorCode[] = ["store_damaged", "store_future"];
  const end = plain.findLastIndex((byte) => byte !== 0) + 1;
  await barrier.transact(async (tx) => {
    for (let bit = 0; bit < end * 8; bit++) {
      const flipped = Buffer.from(plain);
      flipped.writeUInt8(flipped.readUInt8(bit >> 3) ^ (1 << (bit & 7)), bit >> 3);
      await tx.put(key, flipped);
      const outcome = await read(tx).then(
        (record) => ({ record }),
        (error: unknown) => ({ error }),
      );
      if ("record" in outcome) judge(outcome.record);
      else if (!(outcome.error instanceof PosternError && refusals.includes(outcome.error.code))) throw outcome.error;
    }
  });
}

export const untouched = { failures: 0, lastFailure: 0, blockedUntil: 0 };

export const NOW = 1_800_000_000_000;

export const some = (bytes: number) => randomBytes(bytes);
