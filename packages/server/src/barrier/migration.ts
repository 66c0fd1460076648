import { createHash } from "node:crypto";
import { PosternError } from "@postern/shared/errors";
import type { Entry, KeyRange, ReadTransaction, Storage, WriteTransaction } from "../storage/storage.js";
import type { KeyringStore } from "./keyring-store.js";
import {
  type Arrival,
  type Departure,
  encodeArrival,
  encodeDeparture,
  moved,
  parseDeparture,
} from "./migration-notes.js";
import { openRecord, SealedReads, type SealedReadTransaction } from "./sealed-transaction.js";
import { ARRIVAL_KEY, DEPARTURE_KEY, HEADER_KEY, isRecordKey, KEYRING_KEY, migrated } from "./storage-keys.js";
import { getHeader, standingOf } from "./stored-header.js";

/**
 * A store moves from one storage to another with its keys: everything is copied as it stands, sealed, in the order of
 * its keys, so that what has arrived is always the first part of what is there. Which of the two opens is decided by
 * two notes (`migration-notes.ts`).
 */

/** Entries that are read at once, and put in one transaction. */
const PAGE = 512;

type OnRecords = (records: number) => void;

/** What there is to be moved. */
export interface Survey {
  /** SHA-256, 64 hex digits. */
  readonly digest: string;
  readonly entries: number;
  /** How many of them are not behind the key that was asked for. */
  readonly before: number;
}

/**
 * Reads everything once, and opens every record: what does not open is not moved.
 * @throws PosternError `store_damaged` naming the key of a record that does not open
 */
export function survey(
  storage: Storage,
  keyrings: KeyringStore,
  { last, onRecords }: { readonly last: Buffer | undefined; readonly onRecords?: OnRecords | undefined },
): Promise<Survey> {
  return storage.read(async (tx) => {
    const hash = createHash("sha256");
    let entries = 0;
    let before = 0;
    await keyrings.current(tx);
    for await (const page of pagesOf(tx, migrated)) {
      for (const entry of page) {
        if (isRecordKey(entry.key)) (await openRecord(tx, keyrings, entry)).fill(0);
        for (const bytes of [entry.key, entry.value]) hash.update(lengthOf(bytes)).update(bytes);
        if (last !== undefined && Buffer.compare(entry.key, last) <= 0) before++;
      }
      entries += page.length;
      onRecords?.(entries);
    }
    return { digest: hash.digest("hex"), entries, before };
  });
}

/** How many entries have arrived in a storage. */
export function countArrived(storage: Storage): Promise<number> {
  return storage.read(async (tx) => {
    let entries = 0;
    for await (const page of pagesOf(tx, migrated)) entries += page.length;
    return entries;
  });
}

/** The last key that has arrived in a storage. */
export async function lastArrived(storage: Storage): Promise<Buffer | undefined> {
  const [entry] = await storage.read((tx) => tx.scan({ ...migrated, limit: 1, reverse: true }));
  return entry?.key;
}

/**
 * Notes in a storage what is going to arrive there. Where that very thing was on its way already, it goes on, as the
 * run that it was; where it is another state of the same store, what there is of it is removed.
 * @throws PosternError `store_exists`, `store_moved`; `store_unfinished` when another store is on its way to there
 */
export async function beginArrival(
  target: Storage,
  wanted: Arrival,
): Promise<{ readonly run: string; readonly begun: "new" | "resumed" | "anew" }> {
  const standing = await target.read(standingOf);
  if (standing.is === "store") throw new PosternError("store_exists");
  if (standing.is === "departed") throw moved(standing.departure);
  if (standing.is === "arriving" && standing.arrival.storeId !== wanted.storeId) {
    throw new PosternError("store_unfinished", { detail: `of another store, from ${standing.arrival.from}` });
  }
  if (standing.is === "arriving" && standing.arrival.digest === wanted.digest) {
    return { run: standing.arrival.run, begun: "resumed" };
  }
  await removeArrived(target);
  await target.transact(async (tx) => {
    refuseOther(await standingOf(tx), standing.is);
    await tx.put(ARRIVAL_KEY, encodeArrival(wanted));
  });
  return { run: wanted.run, begun: standing.is === "arriving" ? "anew" : "new" };
}

/** From the end: cut anywhere, what is left is still the first part of what it was. Nothing else is touched. */
export async function removeArrived(target: Storage): Promise<void> {
  for (let left = true; left; ) {
    left = await target.transact(async (tx) => {
      if ((await standingOf(tx)).is !== "arriving") return false;
      const page = await tx.scan({ ...migrated, limit: PAGE, reverse: true });
      for (const { key } of page) await tx.delete(key);
      return page.length > 0;
    });
  }
}

/** Copies what is behind the last key that has arrived, a page a transaction. Gives how many entries that were. */
export function copyRest(
  source: Storage,
  target: Storage,
  { page: size = PAGE, onRecords }: { readonly page?: number | undefined; readonly onRecords?: OnRecords } = {},
): Promise<number> {
  return source.read(async (from) => {
    const last = await lastArrived(target);
    const rest = last === undefined ? migrated : { ...migrated, from: behind(last) };
    let copied = 0;
    for await (const page of pagesOf(from, rest, size)) {
      await target.transact(async (tx) => {
        refuseOther(await standingOf(tx), "arriving");
        for (const { key, value } of page) await tx.put(key, value);
      });
      copied += page.length;
      onRecords?.(copied);
    }
    return copied;
  });
}

/**
 * Reads everything on both sides, and compares it byte for byte. Gives the number of entries.
 * @throws PosternError `migration_differs`, naming the first key
 */
export function compare(source: Storage, target: Storage, onRecords?: OnRecords): Promise<number> {
  return source.read((ours) =>
    target.read(async (theirs) => {
      const others = pagesOf(theirs, migrated);
      let entries = 0;
      for await (const page of pagesOf(ours, migrated)) {
        const other = await others.next();
        comparePages(page, other.done === true ? [] : other.value);
        entries += page.length;
        onRecords?.(entries);
      }
      const more = await others.next();
      if (more.done !== true) comparePages([], more.value);
      return entries;
    }),
  );
}

function comparePages(ours: readonly Entry[], theirs: readonly Entry[]): void {
  for (let at = 0; at < Math.max(ours.length, theirs.length); at++) {
    const [one, other] = [ours[at], theirs[at]];
    const equal = one !== undefined && other?.key.equals(one.key) && other.value.equals(one.value);
    if (equal) continue;
    const key = (one ?? other)?.key.toString("hex") ?? "";
    throw new PosternError("migration_differs", { detail: `first at key ${key}` });
  }
}

export interface Departing {
  readonly run: string;
  readonly to: string;
  readonly time: number;
  /** Looks whether this is still what was copied, and throws where it is not. */
  readonly unchanged: (tx: SealedReadTransaction) => Promise<void>;
}

/** From then on the store opens here no more, and who had it open writes no more. */
export async function depart(
  storage: Storage,
  keyrings: KeyringStore,
  { unchanged, ...departing }: Departing,
): Promise<void> {
  await storage.transact(async (tx) => {
    const header = await getHeader(tx);
    const { sealed: keyring } = await keyrings.currentSealed(tx);
    await unchanged(new SealedReads(tx, keyrings));
    const note = encodeDeparture({ ...departing, header, keyring });
    // What could not be read again would be lost.
    parseDeparture(note);
    await tx.put(DEPARTURE_KEY, note);
    await tx.delete(HEADER_KEY);
    await tx.delete(KEYRING_KEY);
  });
}

/**
 * The last step: what has departed from a storage opens in another one.
 * @throws PosternError `store_exists` and its kin where something else is on its way to there
 */
export async function arrive(
  target: Storage,
  { run, header }: Departure,
  also: (tx: WriteTransaction) => Promise<void>,
): Promise<void> {
  await target.transact(async (tx) => {
    const standing = await standingOf(tx);
    refuseOther(standing, "arriving");
    if (standing.is !== "arriving" || standing.arrival.run !== run) {
      throw new PosternError("store_unfinished", { detail: "it is another migration by now" });
    }
    await also(tx);
    await tx.put(HEADER_KEY, header);
    await tx.delete(ARRIVAL_KEY);
  });
}

function refuseOther({ is }: { readonly is: string }, expected: string): void {
  if (is === expected) return;
  throw new PosternError(is === "store" ? "store_exists" : "store_failed", { detail: "somebody else was at it" });
}

/** Everything of a range, a page at a time. */
async function* pagesOf(tx: ReadTransaction, range: KeyRange, size = PAGE): AsyncGenerator<Entry[], void> {
  for (let from: Uint8Array | undefined = range.from; from !== undefined; ) {
    const page = await tx.scan({ ...range, from, limit: size });
    if (page.length > 0) yield page;
    const last = page.length < size ? undefined : page.at(-1);
    from = last && behind(last.key);
  }
}

const behind = (key: Buffer) => Buffer.concat([key, Buffer.of(0)]);

function lengthOf(bytes: Buffer): Buffer {
  const length = Buffer.alloc(4);
  length.writeUInt32BE(bytes.length);
  return length;
}
