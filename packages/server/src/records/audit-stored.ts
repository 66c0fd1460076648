import type { SealedReadTransaction, SealedWriteTransaction } from "../barrier/barrier.js";
import { type AuditEntry, commitment, type PersonalField, personalFields } from "./audit-chain.js";
import { holding, paddedCodec, recordCodec } from "./codec.js";
import { orDamaged } from "./intact.js";
import { idBytes, indexBytes, recordKey } from "./keys.js";
import { bytes, text, type ValueOf } from "./kinds.js";
import { optional, record } from "./record-kind.js";

/**
 * What stands in the store for one entry: its text, and apart from it the personal fields with their salts. Both are
 * padded: a refusal of a known name tells more than one of an unknown name, and its size would show in the file, and in
 * the time that it takes to write. Every refusal at a login fits into one block, with the longest client's name too: who
 * chooses that could else find the length at which a known name takes one block more.
 */
export const BLOCK = 640;

const field = optional(record({ value: text(), salt: bytes(32) }));
const fieldsSchema = record({ name: field, address: field, client: field, subject: field } satisfies Record<
  PersonalField,
  unknown
>);
export type Fields = ValueOf<typeof fieldsSchema>;

const padded = paddedCodec(fieldsSchema, BLOCK);

/** Format 1 had the fields as they are. */
const former = { kind: fieldsSchema, upgrade: (fields: Fields) => ({ padded: padded.encode(fields) }) };
const storedFields = recordCodec(record({ padded: bytes() }), { format: 2, former });

const encodeFields = (fields: Fields) =>
  holding(padded.encode(fields), (packed) => storedFields.encode({ padded: packed }));
const decodeFields = (stored: Buffer) => padded.decode(storedFields.decode(stored).padded);

/** Spaces at the end, where no entry has one. */
const padText = (text: string) => text.padEnd(Math.ceil(text.length / BLOCK) * BLOCK);

type Part = "auditEntry" | "auditFields";

function partKey(part: Part, node: string, index: number): Buffer {
  return recordKey(part, idBytes(node), indexBytes(index));
}

export function entryKey(node: string, index: number): Buffer {
  return partKey("auditEntry", node, index);
}

export async function putEntry(
  tx: SealedWriteTransaction,
  node: string,
  index: number,
  { text, fields }: { text: string; fields: Fields },
): Promise<void> {
  await tx.put(entryKey(node, index), Buffer.from(padText(text), "utf8"));
  if (Object.keys(fields).length > 0) await tx.put(partKey("auditFields", node, index), encodeFields(fields));
}

export async function deleteFields(tx: SealedWriteTransaction, node: string, index: number): Promise<void> {
  await tx.delete(partKey("auditFields", node, index));
}

export async function deleteEntry(tx: SealedWriteTransaction, node: string, index: number): Promise<void> {
  await tx.delete(entryKey(node, index));
  await deleteFields(tx, node, index);
}

/** The indices of a page: from `from` (included) up to `to` (excluded). */
export interface Span {
  readonly from: number;
  readonly to: number;
}

/** The texts of a page; undefined where there is none, and an empty text, which is no entry, where it does not open. */
export async function readTexts(tx: SealedReadTransaction, node: string, span: Span): Promise<(string | undefined)[]> {
  const stored = await readParts(tx, "auditEntry", node, span);
  return stored.map((value) => (value === "damaged" ? "" : value?.toString("utf8").trimEnd()));
}

/** The personal fields of a page's entries; none where there were none, or they were erased. */
export async function readFields(tx: SealedReadTransaction, node: string, span: Span): Promise<(Fields | "damaged")[]> {
  const stored = await readParts(tx, "auditFields", node, span);
  return Promise.all(
    stored.map((value) =>
      orDamaged(async () => (value === "damaged" || value === undefined ? (value ?? {}) : decodeFields(value))),
    ),
  );
}

/** One scan for the page. Where something in it does not open, one by one, so that only that is called damaged. */
async function readParts(
  tx: SealedReadTransaction,
  part: Part,
  node: string,
  { from, to }: Span,
): Promise<(Buffer | "damaged" | undefined)[]> {
  const indices = Array.from({ length: Math.max(0, to - from) }, (_, offset) => from + offset);
  const range = { from: partKey(part, node, from), to: partKey(part, node, to) };
  const scanned = await orDamaged(() => tx.scan(range));
  if (scanned !== "damaged") {
    const byIndex = new Map(scanned.map(({ key, value }) => [Number(key.readBigUInt64BE(key.length - 8)), value]));
    return indices.map((index) => byIndex.get(index));
  }
  const values: (Buffer | "damaged" | undefined)[] = [];
  for (const index of indices) values.push(await orDamaged(() => tx.get(partKey(part, node, index))));
  return values;
}

/** Whether each field that is there is the one that the entry committed to. */
export function fieldsMatch(fields: Fields | "damaged", entry: AuditEntry | undefined): fields is Fields {
  if (fields === "damaged") return false;
  return personalFields.every((field) => {
    const stored = fields[field];
    return stored === undefined || entry?.commitments[field] === commitment(field, stored.value, stored.salt);
  });
}
