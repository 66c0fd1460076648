import { SIGNATURE_BYTES, SPKI_BYTES } from "@postern/shared/successor";
import type { SealedReadTransaction, SealedWriteTransaction } from "../barrier/barrier.js";
import { recordCodec } from "./codec.js";
import { recordKey } from "./keys.js";
import { bytes, instant, list, ordinal, type ValueOf } from "./kinds.js";
import { optional, record } from "./record-kind.js";

/** An identity that another one has taken the place of. Its private key is gone. */
const formerIdentity = record({
  /** SubjectPublicKeyInfo, DER. */
  publicKey: bytes(SPKI_BYTES),
  /** 1 for the store's first one. */
  sequence: ordinal,
  createdAt: instant,
  endedAt: instant,
  /** Its signature over the successor statement that names the next one; none where it may have been stolen. */
  successorSignature: optional(bytes(SIGNATURE_BYTES)),
});
export type FormerIdentity = ValueOf<typeof formerIdentity>;

const leaf = record({ privateKey: bytes(), certificate: bytes() });

/** The identity key that clients pin, the leaf that it last signed for the TLS ports, and the identities before it. */
const schema = record({
  /** PKCS #8 and X.509, both DER. */
  privateKey: bytes(),
  certificate: bytes(),
  sequence: ordinal,
  leaf,
  /** The oldest first. */
  former: list(formerIdentity),
});
export type StoredIdentity = ValueOf<typeof schema>;

/** Format 1: an identity that was the first one. */
const former = {
  kind: record({ privateKey: bytes(), certificate: bytes(), leaf }),
  upgrade: (first: Pick<StoredIdentity, "privateKey" | "certificate" | "leaf">) => ({
    ...first,
    sequence: 1,
    former: [],
  }),
};

const codec = recordCodec(schema, { format: 2, former });

export async function getServerIdentity(tx: SealedReadTransaction): Promise<StoredIdentity | undefined> {
  const stored = await tx.get(recordKey("identity"));
  return stored && codec.decode(stored);
}

export async function putServerIdentity(tx: SealedWriteTransaction, identity: StoredIdentity): Promise<void> {
  await tx.put(recordKey("identity"), codec.encode(identity));
}
