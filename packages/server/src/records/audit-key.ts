import type { SealedReadTransaction, SealedWriteTransaction } from "../barrier/barrier.js";
import { recordCodec } from "./codec.js";
import { recordKey } from "./keys.js";
import { bytes, instant, type ValueOf } from "./kinds.js";
import { record } from "./record-kind.js";

/** The Ed25519 key that signs the audit log's checkpoints and anchors. One for the store, for good. */
const schema = record({
  /** PKCS #8, DER. */
  privateKey: bytes(),
  /** The 32 bytes of the public key (RFC 8032). */
  publicKey: bytes(32),
  createdAt: instant,
});
export type AuditKey = ValueOf<typeof schema>;

const codec = recordCodec(schema, { format: 1 });

export async function getAuditKey(tx: SealedReadTransaction): Promise<AuditKey | undefined> {
  const stored = await tx.get(recordKey("auditKey"));
  return stored && codec.decode(stored);
}

export async function putAuditKey(tx: SealedWriteTransaction, key: AuditKey): Promise<void> {
  await tx.put(recordKey("auditKey"), codec.encode(key));
}
