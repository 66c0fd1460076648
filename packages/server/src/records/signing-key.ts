import type { KeyId } from "@postern/shared/ids";
import { z } from "zod";
import type { SealedReadTransaction, SealedWriteTransaction } from "../barrier/barrier.js";
import { bytes, instant, recordCodec } from "./codec.js";
import { recordKey } from "./keys.js";

const made = {
  id: z.custom<KeyId>((value) => typeof value === "string"),
  /** The 32 bytes of the public key (RFC 8032), so that publishing it does not touch the private one. */
  publicKey: bytes(32),
  createdAt: instant,
};
/** PKCS #8, DER. */
const privateKey = bytes();
const signsFrom = instant;
const ends = {
  signsUntil: instant,
  /** From then on it is published no more. */
  retiresAt: instant,
};

/**
 * The Ed25519 keys that sign tokens. All of them are published. There always is a newest one, and it has its private
 * part: no time that a clock may show leaves a store without a key to sign with.
 */
const schema = z.strictObject({
  /** Signs once `signsFrom` has come, and at once where there is no `ending` one. */
  newest: z.strictObject({ ...made, signsFrom, privateKey }),
  /** The one before, which signs until then. */
  ending: z.strictObject({ ...made, signsFrom, privateKey, ...ends }).optional(),
  /** Sign no more, and have nothing left to sign with; oldest first. */
  retired: z.array(z.strictObject({ ...made, signsFrom, ...ends })),
});
export type SigningKeys = z.infer<typeof schema>;
export type SigningKey = SigningKeys["newest"];
export type PublishedKey = Omit<SigningKey, "privateKey">;

/** Format 1: a list whose first key signs. No release made a store with more than that one. */
const formerSchema = z.strictObject({ keys: z.tuple([z.strictObject({ ...made, privateKey })]) });

const codec = recordCodec(schema, {
  format: 2,
  upgrade: (fields) => {
    const former = formerSchema.safeParse(fields);
    if (!former.success) return undefined;
    const [key] = former.data.keys;
    return { newest: { ...key, signsFrom: key.createdAt }, retired: [] };
  },
});

export async function getSigningKeys(tx: SealedReadTransaction): Promise<SigningKeys | undefined> {
  const stored = await tx.get(recordKey("signingKey"));
  return stored && codec.decode(stored);
}

export async function putSigningKeys(tx: SealedWriteTransaction, keys: SigningKeys): Promise<void> {
  await tx.put(recordKey("signingKey"), codec.encode(keys));
}
