import { PosternError } from "@postern/shared/errors";
import { z } from "zod";
import { type ChainHead, type ChainStart, hash } from "./audit-chain.js";
import type { AuditKey } from "./audit-key.js";
import { type AuditPublicKey, formatPublicKey, isSignedBy, parsePublicKey, signText } from "./audit-signature.js";

/**
 * A checkpoint says where every chain of a store began at a time, how long it was, and what its last entry hashed to,
 * signed by the audit key. Version 1 did not say where it began. Kept outside of the store, it shows later whether a chain was cut off or rewritten. It is one line of
 * JSON in one form only: members in this order, no white space. What is signed is the line without its signature.
 */
const count = z.number().int().nonnegative();
/** Milliseconds since 1970. */
export const instant = count;
export const storeId = z.string().regex(/^[0-9a-f]{32}$/);
export const nodeId = z.string().regex(/^nod_[0-9a-f]{32}$/);
export const publicKey = z.custom<AuditPublicKey>(
  (text) => typeof text === "string" && parsePublicKey(text) !== undefined,
);

const chain = z.strictObject({
  node: nodeId,
  /** The index of the first entry that was kept, and what it points to. */
  first: count.optional(),
  prev: hash.optional(),
  length: count,
  hash,
});

const fields = z.strictObject({
  format: z.literal("postern-audit-checkpoint"),
  version: z.literal([1, 2]),
  store: storeId,
  time: instant,
  key: publicKey,
  chains: z
    .array(chain)
    .min(1)
    .refine((chains) => chains.every(({ node }, at) => at === 0 || node > (chains[at - 1]?.node ?? ""))),
  signature: z.string(),
});
const schema = fields.refine(({ version, chains }) =>
  chains.every(
    ({ first, prev }) => (first !== undefined) === (version === 2) && (prev !== undefined) === (version === 2),
  ),
);
export type Checkpoint = z.infer<typeof schema>;

/** What a checkpoint says, its chains in the order of the nodes' ids. */
export interface Claims extends Pick<Checkpoint, "store" | "time"> {
  readonly chains: readonly (ChainStart & ChainHead & { readonly node: string })[];
}

export function signCheckpoint(key: AuditKey, { store, time, chains }: Claims): Checkpoint {
  const unsigned = unsignedOf({ version: 2, store, time, key: formatPublicKey(key.publicKey), chains: [...chains] });
  return { ...unsigned, signature: signText(key.privateKey, JSON.stringify(unsigned)) };
}

export function isCheckpointSigned(checkpoint: Checkpoint): boolean {
  return isSignedBy(checkpoint.key, JSON.stringify(unsignedOf(checkpoint)), checkpoint.signature);
}

/** Without its line end. */
export function checkpointLine(checkpoint: Checkpoint): string {
  return JSON.stringify({ ...unsignedOf(checkpoint), signature: checkpoint.signature });
}

/** The checkpoint of a line, or undefined where it is not one in its only form. Its signature is not looked at. */
export function parseCheckpoint(line: string): Checkpoint | undefined {
  try {
    const parsed = schema.safeParse(JSON.parse(line));
    return parsed.success && checkpointLine(parsed.data) === line ? parsed.data : undefined;
  } catch {
    return undefined;
  }
}

/**
 * The head that a checkpoint has of each chain.
 * @throws PosternError `audit_damaged` when it is of another store, of another key, or not signed
 */
export function savedHeads(
  checkpoint: Checkpoint,
  { store, key }: { store: string; key: AuditPublicKey },
): ReadonlyMap<string, ChainHead> {
  if (checkpoint.store !== store) throw damaged("the checkpoint is of another store");
  if (checkpoint.key !== key) throw damaged("the checkpoint was signed by another key");
  if (!isCheckpointSigned(checkpoint)) throw damaged("the checkpoint's signature is wrong");
  return new Map(checkpoint.chains.map(({ node, length, hash }) => [node, { length, hash }]));
}

export function damaged(detail: string): PosternError {
  return new PosternError("audit_damaged", { detail });
}

function unsignedOf({ version, store, time, key, chains }: Omit<Checkpoint, "format" | "signature">) {
  const each = chains.map(({ node, first, prev, length, hash }) => ({ node, first, prev, length, hash }));
  return { format: "postern-audit-checkpoint", version, store, time, key, chains: each } as const;
}
