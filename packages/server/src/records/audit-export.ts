import { z } from "zod";
import type { Anchor, ChainName } from "./audit-anchor.js";
import { type ChainStart, hash, personalFields } from "./audit-chain.js";
import { instant, nodeId, publicKey, storeId } from "./audit-checkpoint.js";
import type { AuditPublicKey } from "./audit-signature.js";
import type { Fields } from "./audit-stored.js";
import type { VerifiedRow } from "./audit-verify.js";

/**
 * The lines of an export: a header, every entry of every chain, and the checkpoint (audit-checkpoint.ts). Each is JSON
 * in one form only, of ASCII characters alone: no two programs can disagree about a byte of it, whatever Unicode they
 * know, and no value can begin or end a line, or reach a terminal.
 */

/** No line is longer, its line end not counted. */
export const MAX_LINE_BYTES = 2 ** 20;

const index = z.number().int().nonnegative();
const headerSchema = z.strictObject({
  format: z.literal("postern-audit-export"),
  version: z.literal(1),
  store: storeId,
  /** When the checkpoint was taken, with which the entries end. */
  time: instant,
  key: publicKey,
  /** In the order in which their entries follow. */
  chains: z
    .array(
      z.strictObject({
        node: nodeId,
        first: index,
        /** What the first entry points to. */
        prev: hash,
        /** How long the chain is: its last entry's index and one more. */
        length: index,
        /** Of the anchor that stands for the entries before `first`, where there were any. */
        anchor: z.strictObject({ time: instant, signature: z.string() }).optional(),
      }),
    )
    .min(1),
});
export type ExportHeader = z.infer<typeof headerSchema>;
export type ExportedChain = ExportHeader["chains"][number];

const salt = z.string().regex(/^[0-9a-f]{64}$/);
const rowSchema = z.strictObject({
  /** The text that is chained and hashed, as it stands in the store. */
  entry: z.string(),
  /** What the entry has commitments to; nothing of a person who was erased. */
  personal: z.partialRecord(z.enum(personalFields), z.strictObject({ value: z.string(), salt })).optional(),
});
type ExportedRow = z.infer<typeof rowSchema>;

export function newHeader(
  claims: { store: string; time: number; key: AuditPublicKey },
  chains: readonly ExportedChain[],
): ExportHeader {
  return { format: "postern-audit-export", version: 1, ...claims, chains: [...chains] };
}

export function exportedChain(
  node: string,
  { first, prev, anchor }: ChainStart & { readonly anchor: Anchor | undefined },
  length: number,
): ExportedChain {
  const signed = anchor && { time: anchor.time, signature: anchor.signature };
  return { node, first, prev, length, ...(signed && { anchor: signed }) };
}

/** The anchor of an exported chain, put together again. */
export function anchorOf({ first, prev, anchor }: ExportedChain): Anchor | undefined {
  return anchor && { first, prev, ...anchor };
}

export function chainNameOf({ store }: ExportHeader, { node }: ExportedChain): ChainName {
  return { store, node };
}

export function headerLine({ format, version, store, time, key, chains }: ExportHeader): string {
  const each = chains.map(({ node, first, prev, length, anchor }) => ({
    node,
    first,
    prev,
    length,
    anchor: anchor && { time: anchor.time, signature: anchor.signature },
  }));
  return asciiJson({ format, version, store, time, key, chains: each });
}

export function rowLine({ text, fields }: Pick<VerifiedRow, "text" | "fields">): string {
  const personal: NonNullable<ExportedRow["personal"]> = {};
  for (const field of personalFields) {
    const stored = fields[field];
    if (stored !== undefined) personal[field] = { value: stored.value, salt: stored.salt.toString("hex") };
  }
  return asciiJson({ entry: text, ...(Object.keys(personal).length > 0 && { personal }) });
}

/** The header of a line, or undefined where it is not one in its only form. */
export function parseHeader(line: Buffer): ExportHeader | undefined {
  const header = parseLine(headerSchema, line);
  return header !== undefined && headerLine(header) === line.toString("latin1") ? header : undefined;
}

/** The entry's text and the personal fields of a line, or undefined where it is not one in its only form. */
export function parseRow(line: Buffer): { text: string; fields: Fields } | undefined {
  const parsed = parseLine(rowSchema, line);
  if (parsed === undefined) return undefined;
  const fields: Fields = {};
  for (const field of personalFields) {
    const exported = parsed.personal?.[field];
    if (exported !== undefined) fields[field] = { value: exported.value, salt: Buffer.from(exported.salt, "hex") };
  }
  const row = { text: parsed.entry, fields };
  return rowLine(row) === line.toString("latin1") ? row : undefined;
}

function parseLine<T>(schema: z.ZodType<T>, line: Buffer): T | undefined {
  try {
    return schema.safeParse(JSON.parse(line.toString("latin1"))).data;
  } catch {
    return undefined;
  }
}

/** JSON with every character beyond printable ASCII as \uXXXX, a code unit each, in lower case. */
function asciiJson(value: object): string {
  return JSON.stringify(value).replace(/[^ -~]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`);
}
