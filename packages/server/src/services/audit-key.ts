import { PosternError } from "@postern/shared/errors";
import type { Barrier, SealedWriteTransaction } from "../barrier/barrier.js";
import { hasAnchors } from "../records/audit-anchor.js";
import { type AuditKey, getAuditKey, putAuditKey } from "../records/audit-key.js";
import { appendAudit } from "../records/audit-log.js";
import { type AuditPublicKey, formatPublicKey, newKeyPair } from "../records/audit-signature.js";
import type { ServiceContext } from "./context.js";

/** What the work on the audit log needs of a server's or a command's context. */
export type AuditContext = Pick<ServiceContext, "barrier" | "node" | "now" | "random">;

/** Makes the key, when the store is made. */
export async function createAuditKey(
  tx: SealedWriteTransaction,
  { now }: Pick<AuditContext, "now">,
): Promise<AuditKey> {
  const key = { ...newKeyPair(), createdAt: now() };
  await putAuditKey(tx, key);
  return key;
}

/**
 * The key; a store that was made before there were any gets its own now, and the log tells of it.
 * @throws PosternError `audit_damaged` when it is gone from a store where it has signed an anchor
 */
export async function ensureAuditKey(tx: SealedWriteTransaction, context: AuditContext): Promise<AuditKey> {
  const stored = await getAuditKey(tx);
  if (stored !== undefined) return stored;
  if (await hasAnchors(tx)) throw new PosternError("audit_damaged", { detail: "the store's audit key is missing" });
  const event = { event: "audit.key", outcome: "done", time: context.now() } as const;
  await appendAudit(tx, context.node, event, context.random);
  return createAuditKey(tx, context);
}

/** The same outside of a transaction; it writes only where there is none. */
export async function auditKeyOf(context: AuditContext): Promise<AuditKey> {
  const stored = await context.barrier.read((tx) => getAuditKey(tx));
  return stored ?? context.barrier.transact((tx) => ensureAuditKey(tx, context));
}

/** The public half as the store has it now; undefined where there is none. Writes nothing. */
export async function storedPublicKey(barrier: Barrier): Promise<AuditPublicKey | undefined> {
  const stored = await barrier.read((tx) => getAuditKey(tx));
  return stored && formatPublicKey(stored.publicKey);
}
