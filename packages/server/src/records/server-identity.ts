import { SIGNATURE_BYTES, SPKI_BYTES } from "@postern/shared/successor";
import { z } from "zod";
import type { SealedReadTransaction, SealedWriteTransaction } from "../barrier/barrier.js";
import { bytes, instant, recordCodec } from "./codec.js";
import { recordKey } from "./keys.js";

/** An identity that another one has taken the place of. Its private key is gone. */
const formerIdentity = z.strictObject({
  /** SubjectPublicKeyInfo, DER. */
  publicKey: bytes(SPKI_BYTES),
  /** 1 for the store's first one. */
  sequence: z.number().int().positive(),
  createdAt: instant,
  endedAt: instant,
  /** Its signature over the successor statement that names the next one; none where it may have been stolen. */
  successorSignature: bytes(SIGNATURE_BYTES).optional(),
});
export type FormerIdentity = z.infer<typeof formerIdentity>;

const leaf = z.strictObject({ privateKey: bytes(), certificate: bytes() });

/** The identity key that clients pin, the leaf that it last signed for the TLS ports, and the identities before it. */
const schema = z.strictObject({
  /** PKCS #8 and X.509, both DER. */
  privateKey: bytes(),
  certificate: bytes(),
  sequence: z.number().int().positive(),
  leaf,
  /** The oldest first. */
  former: z.array(formerIdentity),
});
export type StoredIdentity = z.infer<typeof schema>;

/** Format 1: an identity that was the first one. */
const firstSchema = z.strictObject({ privateKey: bytes(), certificate: bytes(), leaf });

const codec = recordCodec(schema, {
  format: 2,
  upgrade: (fields) => {
    const first = firstSchema.safeParse(fields);
    return first.success ? { ...first.data, sequence: 1, former: [] } : undefined;
  },
});

export async function getServerIdentity(tx: SealedReadTransaction): Promise<StoredIdentity | undefined> {
  const stored = await tx.get(recordKey("identity"));
  return stored && codec.decode(stored);
}

export async function putServerIdentity(tx: SealedWriteTransaction, identity: StoredIdentity): Promise<void> {
  await tx.put(recordKey("identity"), codec.encode(identity));
}
