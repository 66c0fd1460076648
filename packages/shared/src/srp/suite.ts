import { hash } from "node:crypto";
import * as client from "secure-remote-password/client.js";
import { type Group, group1024, group2048 } from "./group.js";

export type Hash = (...parts: readonly Uint8Array[]) => Buffer;

/** All that two halves must agree on before the first message: the facts of one flavour of SRP-6a, stated once. */
export interface Suite {
  readonly group: Group;
  /** H: the digest of its parts, one after another. */
  readonly hash: Hash;
  /** How g enters k = H(N | g): padded to the length of N as in RFC 5054 2.5.3, or in as few bytes as it needs. */
  readonly multiplierGenerator: "padded" | "minimal";
  /** x, as many bytes as the hash has. The password is what the protocol calls so: here, already stretched. */
  readonly derivePrivateKey: (salt: Uint8Array, identity: string, password: string) => Buffer;
}

function hasher(algorithm: "sha1" | "sha256"): Hash {
  return (...parts) => {
    const whole = Buffer.concat(parts);
    const digest = hash(algorithm, whole, "buffer");
    whole.fill(0);
    return digest;
  };
}

/** x = H(s | H(I | ":" | P))   (RFC 5054 2.4) */
function privateKeyBy(hash: Hash): Suite["derivePrivateKey"] {
  return (salt, identity, password) => hash(salt, hash(Buffer.from(`${identity}:${password}`, "utf8")));
}

/** x as secure-remote-password derives it: the same formula over SHA-256. */
function privateKeyByPackage(salt: Uint8Array, identity: string, password: string): Buffer {
  return Buffer.from(client.derivePrivateKey(Buffer.from(salt).toString("hex"), identity, password), "hex");
}

/** `postern/1`: on the wire what secure-remote-password 0.3.1 computes. Its k is H(N | 0x02). */
export const postern: Suite = {
  group: group2048,
  hash: hasher("sha256"),
  multiplierGenerator: "minimal",
  derivePrivateKey: privateKeyByPackage,
};

/** RFC 5054 to the letter, for its own vectors (appendix B: SHA-1 and 1024 bits) and those of others that follow it. */
export function rfc5054(group: Group = group1024, algorithm: "sha1" | "sha256" = "sha1"): Suite {
  const hash = hasher(algorithm);
  return { group, hash, multiplierGenerator: "padded", derivePrivateKey: privateKeyBy(hash) };
}
