import { PosternError } from "@postern/shared/errors";
import { z } from "zod";
import type { SealedReadTransaction, SealedWriteTransaction } from "../barrier/barrier.js";
import {
  type AuditEntry,
  type ChainHead,
  type ChainVerdict,
  ChainVerifier,
  chainOrigin,
  commitment,
  entryHash,
  entryText,
  type PersonalField,
  parseEntry,
  personalFields,
} from "./audit-chain.js";
import { bytes, recordCodec } from "./codec.js";
import { idBytes, indexBytes, recordKey, recordRange } from "./keys.js";

/** What happened, before it has its place in the chain. */
export interface AuditEvent extends Pick<AuditEntry, "event" | "outcome" | "time"> {
  readonly reason?: string;
  readonly account?: string;
  readonly session?: string;
  readonly device?: string;
  readonly personal?: Partial<Record<PersonalField, string>>;
}

/** An entry as it is read back; a personal field is absent where the person was erased. */
export interface AuditRow extends AuditEntry {
  readonly personal: Partial<Record<PersonalField, string>>;
}

const headCodec = recordCodec(z.strictObject({ length: z.number().int().nonnegative(), hash: z.string() }), {
  format: 1,
});
const fieldsSchema = z.partialRecord(z.enum(personalFields), z.strictObject({ value: z.string(), salt: bytes(32) }));
type Fields = z.infer<typeof fieldsSchema>;
const fieldsCodec = recordCodec(fieldsSchema, { format: 1 });

/** Begins a node's chain. Its head is there from now on: a head that is missing later was taken away. */
export async function beginAudit(tx: SealedWriteTransaction, node: string): Promise<void> {
  await putAuditHead(tx, node, { length: 0, hash: chainOrigin(node) });
}

/**
 * Appends to the node's chain, in the caller's transaction: the state change and its record stand or fall together.
 * @throws PosternError `audit_damaged` when the head is not the chain's: nothing may be written over an entry
 */
export async function appendAudit(
  tx: SealedWriteTransaction,
  node: string,
  { personal = {}, ...event }: AuditEvent,
  random: (size: number) => Buffer,
): Promise<AuditEntry> {
  const head = await auditHead(tx, node);
  if ((await tx.get(auditKey("auditEntry", node, head.length))) !== undefined) throw beyondHead(head);
  const fields: Fields = {};
  const commitments: AuditEntry["commitments"] = {};
  for (const field of personalFields) {
    const value = personal[field];
    if (value === undefined) continue;
    const salt = random(32);
    fields[field] = { value, salt };
    commitments[field] = commitment(field, value, salt);
  }
  const entry: AuditEntry = { ...event, index: head.length, prev: head.hash, commitments };
  const text = entryText(entry);
  await tx.put(auditKey("auditEntry", node, entry.index), Buffer.from(text, "utf8"));
  if (Object.keys(fields).length > 0) {
    await tx.put(auditKey("auditFields", node, entry.index), fieldsCodec.encode(fields));
  }
  await putAuditHead(tx, node, { length: entry.index + 1, hash: entryHash(text) });
  return entry;
}

/** @throws PosternError `audit_damaged` when it is missing */
export async function auditHead(tx: SealedReadTransaction, node: string): Promise<ChainHead> {
  const stored = await tx.get(recordKey("auditHead", idBytes(node)));
  if (stored === undefined) throw new PosternError("audit_damaged", { detail: "the head of the chain is missing" });
  return headCodec.decode(stored);
}

function beyondHead({ length }: ChainHead): PosternError {
  return new PosternError("audit_damaged", { detail: `there are entries beyond the chain's end at ${length}` });
}

async function putAuditHead(tx: SealedWriteTransaction, node: string, head: ChainHead): Promise<void> {
  await tx.put(recordKey("auditHead", idBytes(node)), headCodec.encode(head));
}

/** An entry that does not open, or is none. */
export interface DamagedRow {
  readonly index: number;
  readonly damaged: true;
}

/** A page of the chain from `from` on. */
export async function readAudit(
  tx: SealedReadTransaction,
  node: string,
  { from, limit }: { from: number; limit: number },
): Promise<(AuditRow | DamagedRow)[]> {
  const rows: (AuditRow | DamagedRow)[] = [];
  for (let index = from; index < from + limit; index++) {
    const text = await entryTextAt(tx, node, index);
    const entry = text === undefined ? undefined : parseEntry(text);
    const fields = await fieldsAt(tx, node, index);
    const intact = entry !== undefined && fields !== "damaged";
    rows.push(intact ? { ...entry, personal: valuesOf(fields) } : { index, damaged: true });
  }
  return rows;
}

function valuesOf(fields: Fields): AuditRow["personal"] {
  return Object.fromEntries(Object.entries(fields).map(([field, { value }]) => [field, value]));
}

/**
 * Verifies the whole chain against its head, and every personal field that is still there against its commitment.
 * `page` runs a function on a snapshot, so that a long chain is not read in one breath.
 */
export async function verifyAudit(
  page: <T>(fn: (tx: SealedReadTransaction) => Promise<T>) => Promise<T>,
  node: string,
  pageSize = 512,
): Promise<ChainVerdict> {
  const head = await page((tx) => soundHead(tx, node));
  const verifier = new ChainVerifier(node);
  for (let from = 0; from < head.length; from += pageSize) {
    const to = Math.min(from + pageSize, head.length);
    const verdict = await page((tx) => verifyPage(tx, node, verifier, { from, to }));
    if (verdict !== undefined) return verdict;
  }
  return verifier.end(head);
}

/** The head, with nothing behind it: an older head that was put back would leave entries there. */
async function soundHead(tx: SealedReadTransaction, node: string): Promise<ChainHead> {
  const head = await auditHead(tx, node);
  const { to } = recordRange("auditEntry", idBytes(node));
  const behind = await orDamaged(() => tx.scan({ from: auditKey("auditEntry", node, head.length), to, limit: 1 }));
  if (behind === "damaged" || behind.length > 0) throw beyondHead(head);
  return head;
}

async function verifyPage(
  tx: SealedReadTransaction,
  node: string,
  verifier: ChainVerifier,
  { from, to }: { from: number; to: number },
): Promise<ChainVerdict | undefined> {
  for (let index = from; index < to; index++) {
    const text = await entryTextAt(tx, node, index);
    const verdict = verifier.next(text);
    if (verdict !== undefined) return verdict;
    if (!fieldsMatch(await fieldsAt(tx, node, index), text)) {
      return { ok: false, firstBad: index, why: "not what it committed to" };
    }
  }
  return undefined;
}

function fieldsMatch(fields: Fields | "damaged", text: string | undefined): boolean {
  if (fields === "damaged") return false;
  const commitments = text === undefined ? undefined : parseEntry(text)?.commitments;
  return personalFields.every((field) => {
    const stored = fields[field];
    return stored === undefined || commitments?.[field] === commitment(field, stored.value, stored.salt);
  });
}

/** The text of an entry; undefined where none is, and an empty text, which is no entry, where it does not open. */
async function entryTextAt(tx: SealedReadTransaction, node: string, index: number): Promise<string | undefined> {
  const stored = await orDamaged(() => tx.get(auditKey("auditEntry", node, index)));
  return stored === "damaged" ? "" : stored?.toString("utf8");
}

async function fieldsAt(tx: SealedReadTransaction, node: string, index: number): Promise<Fields | "damaged"> {
  return orDamaged(async () => {
    const stored = await tx.get(auditKey("auditFields", node, index));
    return stored === undefined ? {} : fieldsCodec.decode(stored);
  });
}

async function orDamaged<T>(read: () => Promise<T>): Promise<T | "damaged"> {
  try {
    return await read();
  } catch (thrown) {
    if (thrown instanceof PosternError && thrown.code === "store_damaged") return "damaged";
    throw thrown;
  }
}

function auditKey(kind: "auditEntry" | "auditFields", node: string, index: number): Buffer {
  return recordKey(kind, idBytes(node), indexBytes(index));
}
