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

/** Appends to the node's chain, in the caller's transaction: the state change and its record stand or fall together. */
export async function appendAudit(
  tx: SealedWriteTransaction,
  node: string,
  { personal = {}, ...event }: AuditEvent,
  random: (size: number) => Buffer,
): Promise<AuditEntry> {
  const head = await auditHead(tx, node);
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

export async function auditHead(tx: SealedReadTransaction, node: string): Promise<ChainHead> {
  const stored = await tx.get(recordKey("auditHead", idBytes(node)));
  return stored ? headCodec.decode(stored) : { length: 0, hash: chainOrigin(node) };
}

async function putAuditHead(tx: SealedWriteTransaction, node: string, head: ChainHead): Promise<void> {
  await tx.put(recordKey("auditHead", idBytes(node)), headCodec.encode(head));
}

/** A page of the chain from `from` on. A row whose text is not an entry is left out: verifying says which it is. */
export async function readAudit(
  tx: SealedReadTransaction,
  node: string,
  { from, limit }: { from: number; limit: number },
): Promise<AuditRow[]> {
  const rows: AuditRow[] = [];
  for (const { text, index } of await entryTexts(tx, node, from, limit)) {
    const entry = parseEntry(text);
    if (entry !== undefined) rows.push({ ...entry, personal: await personalOf(tx, node, index) });
  }
  return rows;
}

async function personalOf(tx: SealedReadTransaction, node: string, index: number): Promise<AuditRow["personal"]> {
  const stored = await tx.get(auditKey("auditFields", node, index));
  if (stored === undefined) return {};
  const fields = Object.entries(fieldsCodec.decode(stored));
  return Object.fromEntries(fields.map(([field, { value }]) => [field, value]));
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
  const head = await page((tx) => auditHead(tx, node));
  const verifier = new ChainVerifier(node);
  for (let from = 0; from < head.length; from += pageSize) {
    const limit = Math.min(pageSize, head.length - from);
    const verdict = await page((tx) => verifyPage(tx, node, verifier, from, limit));
    if (verdict !== undefined) return verdict;
  }
  return verifier.end(head);
}

async function verifyPage(
  tx: SealedReadTransaction,
  node: string,
  verifier: ChainVerifier,
  from: number,
  limit: number,
): Promise<ChainVerdict | undefined> {
  const texts = new Map((await entryTexts(tx, node, from, limit)).map(({ index, text }) => [index, text]));
  for (let index = from; index < from + limit; index++) {
    const text = texts.get(index);
    const verdict = verifier.next(text);
    if (verdict !== undefined) return verdict;
    if (text !== undefined && !(await fieldsMatch(tx, node, index, parseEntry(text)))) {
      return { ok: false, firstBad: index, why: "a personal field is not the one committed to" };
    }
  }
  return undefined;
}

async function fieldsMatch(
  tx: SealedReadTransaction,
  node: string,
  index: number,
  entry: AuditEntry | undefined,
): Promise<boolean> {
  const stored = await tx.get(auditKey("auditFields", node, index));
  if (stored === undefined) return true;
  return Object.entries(fieldsCodec.decode(stored)).every(
    ([field, { value, salt }]) =>
      entry?.commitments[field as PersonalField] === commitment(field as PersonalField, value, salt),
  );
}

async function entryTexts(
  tx: SealedReadTransaction,
  node: string,
  from: number,
  limit: number,
): Promise<{ index: number; text: string }[]> {
  const { to } = recordRange("auditEntry", idBytes(node));
  const entries = await tx.scan({ from: auditKey("auditEntry", node, from), to, limit });
  return entries.map(({ key, value }) => ({
    index: Number(key.readBigUInt64BE(key.length - 8)),
    text: value.toString("utf8"),
  }));
}

function auditKey(kind: "auditEntry" | "auditFields", node: string, index: number): Buffer {
  return recordKey(kind, idBytes(node), indexBytes(index));
}
