import { z } from "zod";
import type { SealedReadTransaction, SealedWriteTransaction } from "../barrier/barrier.js";
import { bytes, recordCodec } from "./codec.js";
import { recordKey } from "./keys.js";

/** The identity key that clients pin, and the leaf that it last signed for the TLS ports. */
const schema = z.strictObject({
  /** PKCS #8 and X.509, both DER. */
  privateKey: bytes(),
  certificate: bytes(),
  leaf: z.strictObject({
    privateKey: bytes(),
    certificate: bytes(),
  }),
});
export type StoredIdentity = z.infer<typeof schema>;

const codec = recordCodec(schema, { format: 1 });

export async function getServerIdentity(tx: SealedReadTransaction): Promise<StoredIdentity | undefined> {
  const stored = await tx.get(recordKey("identity"));
  return stored && codec.decode(stored);
}

export async function putServerIdentity(tx: SealedWriteTransaction, identity: StoredIdentity): Promise<void> {
  await tx.put(recordKey("identity"), codec.encode(identity));
}
