import { randomBytes, timingSafeEqual } from "node:crypto";
import { PosternError } from "../errors.js";
import { drawSecret, generatorPower, type RandomBytes } from "./ephemeral.js";
import { inRange, pad } from "./group.js";
import { mod, toInteger } from "./integer.js";
import { type Proof, type PublicValue, type Salt, toVerifier, type Verifier } from "./parse.js";
import { isZero, power } from "./power.js";
import { postern, type Suite } from "./suite.js";
import {
  clientProof,
  multiplier,
  ofEachSuite,
  scrambler,
  serverProof,
  sessionKey,
  type Transcript,
} from "./transcript.js";

/**
 * The server's half of SRP-6a. The one secret of a login is b; it is wiped once S is derived.
 *
 * Powers run on OpenSSL in constant time. Sums, products and residues run on BigInt: their time depends on lengths,
 * which are fixed here, and beyond that by some nanoseconds of carries in one operation, where a power would repeat
 * them for every bit of a secret exponent. What they touch is moreover blinded anew each time, by g^b or by A.
 */

const multiplierInteger = ofEachSuite((suite) => toInteger(multiplier(suite)));

/** B = (k*v + g^b) mod N   (RFC 5054 2.5.3) */
export function serverPublicValue(suite: Suite, verifier: Uint8Array, b: Uint8Array): Buffer {
  const { group } = suite;
  const blinded = multiplierInteger(suite) * toInteger(verifier) + toInteger(generatorPower(group, b));
  return pad(group, mod(blinded, group.prime));
}

export interface ServerInputs {
  readonly clientPublic: Uint8Array;
  readonly verifier: Uint8Array;
  readonly u: Uint8Array;
  readonly b: Uint8Array;
}

/**
 * S = (A * v^u)^b mod N, padded   (RFC 5054 2.6)
 *
 * @throws PosternError `ephemeral_invalid` when u = 0, where S would not depend on the verifier, and when A * v^u is 1
 * or N-1, where it would not depend on b: no A that was fixed before B can aim at that
 */
export function serverPremaster({ group }: Suite, { clientPublic, verifier, u, b }: ServerInputs): Buffer {
  if (isZero(u)) throw new PosternError("ephemeral_invalid");
  const base = pad(group, mod(toInteger(clientPublic) * toInteger(power(group, verifier, u)), group.prime));
  if (!inRange(group, base)) throw new PosternError("ephemeral_invalid");
  return power(group, base, b);
}

/** How many bytes `verifierFromBytes` wants: 128 bits more than N has, so that the residue has no bias. */
export const VERIFIER_SEED_BYTES = 272;

/**
 * The verifier of a name that nobody has, from bytes that a key expands for that name: 2 + seed mod (N-3), the range
 * of every other verifier. No power is taken, so that unknown names cost no time that known ones do not.
 */
export function verifierFromBytes(seed: Uint8Array): Verifier {
  if (seed.length !== VERIFIER_SEED_BYTES) throw new PosternError("bug", { detail: "a verifier seed has 272 bytes" });
  const { group } = postern;
  return toVerifier(pad(group, 2n + mod(toInteger(seed), group.prime - 3n)));
}

/** Between the client's name and A, and its proof. */
export interface ServerEphemeral {
  readonly clientPublic: PublicValue;
  readonly verifier: Verifier;
  /** b, 32 bytes. `serverSession` wipes it; a login that ends before is wiped by `discard`. */
  readonly secret: Buffer;
  /** B, as it goes on the wire. */
  readonly publicHex: string;
}

/** B is made for an A that is already fixed: a client that chose A after B could choose u with it. */
export function serverEphemeral(
  { clientPublic, verifier }: { readonly clientPublic: PublicValue; readonly verifier: Verifier },
  random: RandomBytes = randomBytes,
  suite: Suite = postern,
): ServerEphemeral {
  for (;;) {
    const secret = drawSecret(random);
    const serverPublic = serverPublicValue(suite, verifier, secret);
    // RFC 5054 2.5.3: a client aborts at B % N = 0, and ours at 1 and N-1.
    if (inRange(suite.group, serverPublic)) {
      return { clientPublic, verifier, secret, publicHex: serverPublic.toString("hex") };
    }
  }
}

export function discard({ secret }: { readonly secret: Buffer }): void {
  secret.fill(0);
}

export type ClientVerdict =
  | { readonly proved: false }
  | {
      readonly proved: true;
      /** K, 32 bytes, the caller's to wipe. */
      readonly key: Buffer;
      /** M2, as it goes on the wire. */
      readonly proofHex: string;
    };

/** Awaits the client's M1. K and M2 cannot be had from it, only from a verdict on a proof that is right. */
export class ServerSession {
  readonly #key: Buffer;
  readonly #expected: Buffer;
  readonly #proof: Buffer;
  #open = true;

  constructor(key: Buffer, expected: Buffer, proof: Buffer) {
    this.#key = key;
    this.#expected = expected;
    this.#proof = proof;
  }

  /**
   * Compares M1 in constant time. One proof a session: another guess of the password needs another B.
   *
   * @throws PosternError `out_of_order` at the second call
   */
  verifyClientProof(proof: Proof): ClientVerdict {
    if (!this.#open) throw new PosternError("out_of_order");
    const proved = timingSafeEqual(this.#expected, proof);
    const verdict: ClientVerdict = proved
      ? { proved, key: Buffer.from(this.#key), proofHex: this.#proof.toString("hex") }
      : { proved };
    this.discard();
    return verdict;
  }

  /** Wipes it, also when no proof comes. */
  discard(): void {
    this.#open = false;
    for (const secret of [this.#key, this.#expected, this.#proof]) secret.fill(0);
  }
}

/**
 * S, K, and the proofs of both sides; wipes b and S. For a name that nobody has it is called likewise, with a verifier
 * of `verifierFromBytes`.
 *
 * @throws PosternError `ephemeral_invalid` when u = 0   (RFC 5054 2.5.4)
 */
export function serverSession(
  { identity, salt, ephemeral }: { identity: string; salt: Salt; ephemeral: ServerEphemeral },
  suite: Suite = postern,
): ServerSession {
  const { clientPublic, verifier, secret: b, publicHex } = ephemeral;
  const transcript: Transcript = { identity, salt, clientPublic, serverPublic: Buffer.from(publicHex, "hex") };
  try {
    const premaster = serverPremaster(suite, { clientPublic, verifier, u: scrambler(suite, transcript), b });
    const key = sessionKey(suite, premaster);
    premaster.fill(0);
    const expected = clientProof(suite, transcript, key);
    return new ServerSession(key, expected, serverProof(suite, clientPublic, expected, key));
  } finally {
    discard(ephemeral);
  }
}
