import type { KeyId } from "@postern/shared/ids";
import type { SealedReadTransaction, SealedWriteTransaction } from "../barrier/barrier.js";
import { recordCodec } from "./codec.js";
import { recordKey } from "./keys.js";
import { bytes, instant, list, text, type ValueOf } from "./kinds.js";
import { damaged } from "./messagepack/reader.js";
import { optional, record } from "./record-kind.js";

const made = {
  id: text<KeyId>(),
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
const schema = record({
  /** Signs once `signsFrom` has come, and at once where there is no `ending` one. */
  newest: record({ ...made, signsFrom, privateKey }),
  /** The one before, which signs until then. */
  ending: optional(record({ ...made, signsFrom, privateKey, ...ends })),
  /** Sign no more, and have nothing left to sign with; oldest first. */
  retired: list(record({ ...made, signsFrom, ...ends })),
});
export type SigningKeys = ValueOf<typeof schema>;
export type SigningKey = SigningKeys["newest"];
export type PublishedKey = Omit<SigningKey, "privateKey">;

/** Format 1: a list whose first key signs. No release made a store with more than that one. */
const former = {
  kind: record({ keys: list(record({ ...made, privateKey }), 1, 1) }),
  upgrade({ keys: [key] }: { keys: Omit<SigningKey, "signsFrom">[] }): SigningKeys {
    if (key === undefined) throw damaged();
    return { newest: { ...key, signsFrom: key.createdAt }, retired: [] };
  },
};

const codec = recordCodec(schema, { format: 2, former });

export async function getSigningKeys(tx: SealedReadTransaction): Promise<SigningKeys | undefined> {
  const stored = await tx.get(recordKey("signingKey"));
  return stored && codec.decode(stored);
}

export async function putSigningKeys(tx: SealedWriteTransaction, keys: SigningKeys): Promise<void> {
  await tx.put(recordKey("signingKey"), codec.encode(keys));
}
