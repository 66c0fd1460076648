import { PosternError } from "@postern/shared/errors";
import { z } from "zod";
import type { ReadTransaction } from "../storage/storage.js";
import { ARRIVAL_KEY, DEPARTURE_KEY } from "./storage-keys.js";

/**
 * Two notes decide which one of two storages is the store, and neither has it while there is doubt:
 *
 * - The arrival stands where a migration comes in, from before the first record until the header is put there, which
 *   takes it away. There is no header beside it: what is copied by half, or is whole and not yet the store, opens for
 *   nobody.
 * - The departure takes the place of the header and of the keyring where the store went away from, and has both within.
 *   So the records that stay there open for nobody, also for an older Postern, which misses the header and knows no more;
 *   and who had it open and was not seen, as in another container, writes no more: each transaction that does looks for
 *   the keyring first.
 *
 * The departure is written before the header arrives. At no moment do two open, which would take each code twice; for
 * the moment between the two commits none does, and who runs the migration again has the header arrive.
 *
 * Whoever can write a storage can write notes: they may keep it from opening, as without them.
 */

const place = z.string().max(8_192);
const run = z.string().regex(/^[0-9a-f]{32}$/);
/** Milliseconds since 1970, of which a date can be made (ECMA-262, 21.4.1.1). */
const time = z.number().int().min(0).max(8.64e15);

const arrivalSchema = z.strictObject({
  format: z.literal(1),
  /** Drawn for each migration that begins: what departs is held against what is arriving. */
  run,
  storeId: z.string().regex(/^[0-9a-f]{32}$/),
  /** SHA-256 of all that is copied, when it began: whoever goes on finds the same, or begins anew. */
  digest: z.string().regex(/^[0-9a-f]{64}$/),
  /** The place that it comes from, as it is shown. */
  from: place,
  time,
});
export type Arrival = Omit<z.infer<typeof arrivalSchema>, "format">;

const departureSchema = z.strictObject({
  format: z.literal(1),
  run,
  /** The place that the store has moved to, as it is shown. */
  to: place,
  time,
  header: z.base64().max(4_096),
  keyring: z.base64().max(48_000),
});
export interface Departure extends Omit<z.infer<typeof departureSchema>, "format" | "header" | "keyring"> {
  readonly header: Buffer;
  readonly keyring: Buffer;
}

export function encodeArrival(arrival: Arrival): Buffer {
  return Buffer.from(JSON.stringify({ format: 1, ...arrival }), "utf8");
}

export function encodeDeparture({ header, keyring, ...departure }: Departure): Buffer {
  const keys = { header: header.toString("base64"), keyring: keyring.toString("base64") };
  return Buffer.from(JSON.stringify({ format: 1, ...departure, ...keys }), "utf8");
}

/** @throws PosternError `store_damaged` */
export async function findArrival(tx: ReadTransaction): Promise<Arrival | undefined> {
  const bytes = await tx.get(ARRIVAL_KEY);
  return bytes && parseArrival(bytes);
}

/** @throws PosternError `store_damaged` */
export async function findDeparture(tx: ReadTransaction): Promise<Departure | undefined> {
  const bytes = await tx.get(DEPARTURE_KEY);
  return bytes && parseDeparture(bytes);
}

/** @throws PosternError `store_damaged` */
export function parseArrival(bytes: Buffer): Arrival {
  const { format, ...arrival } = parse(arrivalSchema, bytes);
  return arrival;
}

/** @throws PosternError `store_damaged` */
export function parseDeparture(bytes: Buffer): Departure {
  const { format, header, keyring, ...departure } = parse(departureSchema, bytes);
  return { ...departure, header: Buffer.from(header, "base64"), keyring: Buffer.from(keyring, "base64") };
}

/** Why a storage with a note does not open: undefined when it has none. */
export async function refusalOf(tx: ReadTransaction): Promise<PosternError | undefined> {
  const departure = await findDeparture(tx);
  if (departure !== undefined) return moved(departure);
  const arrival = await findArrival(tx);
  return arrival && unfinished(arrival);
}

export function unfinished({ from }: Arrival): PosternError {
  return new PosternError("store_unfinished", { detail: `from ${from}` });
}

export function moved(departure: Departure): PosternError {
  return new PosternError("store_moved", { detail: whereTo(departure) });
}

/** `to lmdb:/var/lib/postern, on 2026-11-30 12:18 UTC` */
export function whereTo({ to, time }: Departure): string {
  return `to ${to}, on ${new Date(time).toISOString().slice(0, 16).replace("T", " ")} UTC`;
}

/** The most that a note takes: what is longer is none. */
const MAX_NOTE_BYTES = 65_536;

function parse<T>(schema: z.ZodType<T>, bytes: Buffer): T {
  try {
    if (bytes.length <= MAX_NOTE_BYTES) return schema.parse(JSON.parse(bytes.toString("utf8")));
  } catch {
    // Not of this form; what it is instead says nothing to anybody.
  }
  throw new PosternError("store_damaged", { detail: "the note of a migration does not have its form" });
}
