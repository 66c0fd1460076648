import { PosternError } from "@postern/shared/errors";
import type { NodeId } from "@postern/shared/ids";
import type { SealedReadTransaction, SealedWriteTransaction } from "../barrier/barrier.js";
import { firstKept } from "./audit-anchor.js";
import {
  type AuditEntry,
  type ChainHead,
  chainOrigin,
  commitment,
  entryHash,
  entryText,
  type PersonalField,
  parseEntry,
  personalFields,
} from "./audit-chain.js";
import { entryKey, type Fields, putEntry, readFields, readTexts, type Span } from "./audit-stored.js";
import { recordCodec } from "./codec.js";
import { scanIntact } from "./intact.js";
import { idBytes, recordKey, recordRange } from "./keys.js";
import { count, text } from "./kinds.js";
import { record } from "./record-kind.js";

/** What happened, before it has its place in the chain. */
export interface AuditEvent extends Pick<AuditEntry, "event" | "outcome" | "time"> {
  readonly reason?: string;
  readonly account?: string;
  readonly session?: string;
  /** `dev_…`, where the person came from a device that proved itself. */
  readonly device?: string;
  /** `app_…`, where an application asked for it. */
  readonly application?: string;
  /** `chl_…`, the page that it is about. */
  readonly challenge?: string;
  readonly personal?: Partial<Record<PersonalField, string>>;
}

/** An entry as it is read back; a personal field is absent where the person was erased. */
export interface AuditRow extends AuditEntry {
  readonly personal: Partial<Record<PersonalField, string>>;
}

const headCodec = recordCodec(record({ length: count, hash: text() }), {
  format: 1,
});

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
  if ((await tx.get(entryKey(node, head.length))) !== undefined) throw beyondHead(head);
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
  await putEntry(tx, node, entry.index, { text, fields });
  await putAuditHead(tx, node, { length: entry.index + 1, hash: entryHash(text) });
  return entry;
}

/** How long each chain is, by its node's id: for reading, not for judging. */
export async function chainLengths(tx: SealedReadTransaction): Promise<ReadonlyMap<NodeId, number>> {
  const { records } = await scanIntact(tx, recordRange("auditHead"), headCodec.decode);
  return new Map(records.map(({ key, value }) => [`nod_${key.toString("hex", 1)}`, value.length]));
}

/** @throws PosternError `audit_damaged` when it is missing */
export async function auditHead(tx: SealedReadTransaction, node: string): Promise<ChainHead> {
  const stored = await tx.get(recordKey("auditHead", idBytes(node)));
  if (stored === undefined) throw new PosternError("audit_damaged", { detail: "the head of the chain is missing" });
  return headCodec.decode(stored);
}

export function beyondHead({ length }: ChainHead): PosternError {
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

/** A page of the chain; what retention has removed is left out. */
export async function readAudit(
  tx: SealedReadTransaction,
  node: string,
  { from, to }: Span,
): Promise<(AuditRow | DamagedRow)[]> {
  const kept = { from: Math.max(from, await firstKept(tx, node)), to };
  const texts = await readTexts(tx, node, kept);
  const fields = await readFields(tx, node, kept);
  return texts.map((text, offset) => {
    const entry = text === undefined ? undefined : parseEntry(text);
    const personal = fields[offset] ?? "damaged";
    const intact = entry !== undefined && personal !== "damaged";
    return intact ? { ...entry, personal: valuesOf(personal) } : { index: kept.from + offset, damaged: true };
  });
}

function valuesOf(fields: Fields): AuditRow["personal"] {
  const values: AuditRow["personal"] = {};
  for (const field of personalFields) {
    const known = fields[field];
    if (known !== undefined) values[field] = known.value;
  }
  return values;
}
