import type { KeyId } from "@postern/shared/ids";
import { z } from "zod";
import type { SealedReadTransaction, SealedWriteTransaction } from "../barrier/barrier.js";
import { bytes, instant, recordCodec } from "./codec.js";
import { recordKey } from "./keys.js";

/** The Ed25519 keys that sign tokens: the first signs, all of them are published. */
const schema = z.strictObject({
  keys: z
    .array(
      z.strictObject({
        id: z.custom<KeyId>((value) => typeof value === "string"),
        /** PKCS #8, DER. */
        privateKey: bytes(),
        /** The 32 bytes of the public key (RFC 8032), so that publishing it does not touch the private one. */
        publicKey: bytes(32),
        createdAt: instant,
      }),
    )
    .min(1),
});
export type SigningKeys = z.infer<typeof schema>;

const codec = recordCodec(schema, { format: 1 });

export async function getSigningKeys(tx: SealedReadTransaction): Promise<SigningKeys | undefined> {
  const stored = await tx.get(recordKey("signingKey"));
  return stored && codec.decode(stored);
}

export async function putSigningKeys(tx: SealedWriteTransaction, keys: SigningKeys): Promise<void> {
  await tx.put(recordKey("signingKey"), codec.encode(keys));
}
