import { PosternError } from "@postern/shared/errors";
import { z } from "zod";
import type { SealedReadTransaction, SealedWriteTransaction } from "../barrier/barrier.js";
import { type AuditEntry, commitment, personalFields } from "./audit-chain.js";
import { bytes, recordCodec } from "./codec.js";
import { idBytes, indexBytes, recordKey } from "./keys.js";

/** What stands in the store for one entry: its text, and apart from it the personal fields with their salts. */

const fieldsSchema = z.partialRecord(z.enum(personalFields), z.strictObject({ value: z.string(), salt: bytes(32) }));
export type Fields = z.infer<typeof fieldsSchema>;
const fieldsCodec = recordCodec(fieldsSchema, { format: 1 });

export function entryKey(node: string, index: number): Buffer {
  return recordKey("auditEntry", idBytes(node), indexBytes(index));
}

function fieldsKey(node: string, index: number): Buffer {
  return recordKey("auditFields", idBytes(node), indexBytes(index));
}

export async function putEntry(
  tx: SealedWriteTransaction,
  node: string,
  index: number,
  { text, fields }: { text: string; fields: Fields },
): Promise<void> {
  await tx.put(entryKey(node, index), Buffer.from(text, "utf8"));
  if (Object.keys(fields).length > 0) await tx.put(fieldsKey(node, index), fieldsCodec.encode(fields));
}

/** The text of an entry; undefined where none is, and an empty text, which is no entry, where it does not open. */
export async function entryTextAt(tx: SealedReadTransaction, node: string, index: number): Promise<string | undefined> {
  const stored = await orDamaged(() => tx.get(entryKey(node, index)));
  return stored === "damaged" ? "" : stored?.toString("utf8");
}

/** The personal fields of an entry; none where there were none, or they were erased. */
export async function fieldsAt(tx: SealedReadTransaction, node: string, index: number): Promise<Fields | "damaged"> {
  return orDamaged(async () => {
    const stored = await tx.get(fieldsKey(node, index));
    return stored === undefined ? {} : fieldsCodec.decode(stored);
  });
}

/** Whether each field that is there is the one that the entry committed to. */
export function fieldsMatch(fields: Fields | "damaged", entry: AuditEntry | undefined): fields is Fields {
  if (fields === "damaged") return false;
  return personalFields.every((field) => {
    const stored = fields[field];
    return stored === undefined || entry?.commitments[field] === commitment(field, stored.value, stored.salt);
  });
}

export async function deleteFields(tx: SealedWriteTransaction, node: string, index: number): Promise<void> {
  await tx.delete(fieldsKey(node, index));
}

export async function deleteEntry(tx: SealedWriteTransaction, node: string, index: number): Promise<void> {
  await tx.delete(entryKey(node, index));
  await deleteFields(tx, node, index);
}

/** What a read gives, or that what stands there does not open. */
export async function orDamaged<T>(read: () => Promise<T>): Promise<T | "damaged"> {
  try {
    return await read();
  } catch (thrown) {
    if (thrown instanceof PosternError && thrown.code === "store_damaged") return "damaged";
    throw thrown;
  }
}
