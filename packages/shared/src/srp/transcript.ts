import { pad } from "./group.js";
import type { Suite } from "./suite.js";

/** What both halves hash. A and B have the width of the group, the salt is as long as the server made it. */
export interface Transcript {
  readonly identity: string;
  readonly salt: Uint8Array;
  /** A */
  readonly clientPublic: Uint8Array;
  /** B */
  readonly serverPublic: Uint8Array;
}

const multiplierBytes = ofEachSuite(({ group, hash, multiplierGenerator }) =>
  hash(group.primeBytes, multiplierGenerator === "padded" ? pad(group, group.generator) : group.generatorBytes),
);

/** k = H(N | g), with g padded as RFC 5054 2.5.3 wants it or minimal, as the suite says. The bytes are the caller's own. */
export function multiplier(suite: Suite): Buffer {
  return Buffer.from(multiplierBytes(suite));
}

/** H(N) xor H(g) */
const groupHash = ofEachSuite(({ group, hash }) => {
  const generatorHash = hash(group.generatorBytes);
  return hash(group.primeBytes).map((byte, index) => byte ^ (generatorHash[index] ?? 0));
});

/** u = H(PAD(A) | PAD(B))   (RFC 5054 2.5.4) */
export function scrambler(suite: Suite, { clientPublic, serverPublic }: Transcript): Buffer {
  return suite.hash(clientPublic, serverPublic);
}

/** K = H(PAD(S)) */
export function sessionKey(suite: Suite, premaster: Uint8Array): Buffer {
  return suite.hash(premaster);
}

/** M1 = H((H(N) xor H(g)) | H(I) | s | PAD(A) | PAD(B) | K)   (the form of RFC 2945 section 3) */
export function clientProof(suite: Suite, transcript: Transcript, key: Uint8Array): Buffer {
  const { identity, salt, clientPublic, serverPublic } = transcript;
  const identityHash = suite.hash(Buffer.from(identity, "utf8"));
  return suite.hash(groupHash(suite), identityHash, salt, clientPublic, serverPublic, key);
}

/** M2 = H(PAD(A) | M1 | K)   (RFC 2945 section 3) */
export function serverProof(suite: Suite, clientPublic: Uint8Array, m1: Uint8Array, key: Uint8Array): Buffer {
  return suite.hash(clientPublic, m1, key);
}

/** What depends on the suite alone is computed once for each. */
export function ofEachSuite<T>(compute: (suite: Suite) => T): (suite: Suite) => T {
  const known = new WeakMap<Suite, { readonly value: T }>();
  return (suite) => {
    const found = known.get(suite) ?? { value: compute(suite) };
    known.set(suite, found);
    return found.value;
  };
}
