import { PosternError } from "@postern/shared/errors";
import { z } from "zod";
import { type ChainHead, hash } from "./audit-chain.js";
import type { AuditKey } from "./audit-key.js";
import { type AuditPublicKey, formatPublicKey, isSignedBy, parsePublicKey, signText } from "./audit-signature.js";
import { instant } from "./codec.js";

/**
 * A checkpoint says how long every chain of a store was at a time, and what its last entry hashed to, signed by the
 * audit key. Kept outside of the store, it shows later whether a chain was cut off or rewritten. It is one line of
 * JSON in one form only: members in this order, no white space. What is signed is the line without its signature.
 */
const count = z.number().int().nonnegative();
export const storeId = z.string().regex(/^[0-9a-f]{32}$/);
export const nodeId = z.string().regex(/^nod_[0-9a-f]{32}$/);
export const publicKey = z.custom<AuditPublicKey>(
  (text) => typeof text === "string" && parsePublicKey(text) !== undefined,
);

const schema = z.strictObject({
  format: z.literal("postern-audit-checkpoint"),
  version: z.literal(1),
  store: storeId,
  /** Milliseconds since 1970. */
  time: instant,
  key: publicKey,
  chains: z
    .array(z.strictObject({ node: nodeId, length: count, hash }))
    .min(1)
    .refine((chains) => chains.every(({ node }, at) => at === 0 || node > (chains[at - 1]?.node ?? ""))),
  signature: z.string(),
});
export type Checkpoint = z.infer<typeof schema>;

/** What a checkpoint says, in the order of the nodes' ids. */
export type Claims = Pick<Checkpoint, "store" | "time" | "chains">;

export function signCheckpoint(key: AuditKey, claims: Claims): Checkpoint {
  const unsigned = unsignedOf({ ...claims, key: formatPublicKey(key.publicKey) });
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
  return new Map(checkpoint.chains.map(({ node, ...head }) => [node, head]));
}

export function damaged(detail: string): PosternError {
  return new PosternError("audit_damaged", { detail });
}

function unsignedOf({ store, time, key, chains }: Claims & { readonly key: AuditPublicKey }) {
  const heads = chains.map(({ node, length, hash }) => ({ node, length, hash }));
  return { format: "postern-audit-checkpoint", version: 1, store, time, key, chains: heads } as const;
}
