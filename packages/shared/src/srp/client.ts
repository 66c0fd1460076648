import { randomBytes, timingSafeEqual } from "node:crypto";
import { PosternError } from "../errors.js";
import { drawSecret, generatorPower, type RandomBytes } from "./ephemeral.js";
import { inRange, pad } from "./group.js";
import { mod, toInteger } from "./integer.js";
import { type PublicValue, parseProof, type Salt } from "./parse.js";
import { isZero, power } from "./power.js";
import { postern, type Suite } from "./suite.js";
import { clientProof, multiplier, scrambler, serverProof, sessionKey, type Transcript } from "./transcript.js";

/**
 * The client's half of SRP-6a. Its secrets are x, which comes from the password, and a; both are wiped after use.
 *
 * Powers run on OpenSSL in constant time. Sums, products and residues run on BigInt, as on the server: their time
 * depends on lengths, which are fixed here, and by nanoseconds on carries. The one of them that meets an unblinded
 * secret, k * g^x mod N, runs once a login, behind the 100 ms of Argon2id that the same machine just spent.
 */

/** What x is made of. */
export interface Credentials {
  /** As the server's reply spells it, which is the same for every way to type the name. */
  readonly identity: string;
  readonly salt: Salt;
  /** The stretched password in hex (`stretchPassword`): never what the person typed. */
  readonly password: string;
}

/** v = g^x mod N   (RFC 5054 2.4) */
export function verifierOf({ group }: Suite, x: Uint8Array): Buffer {
  return generatorPower(group, x);
}

/** A = g^a mod N   (RFC 5054 2.5.4) */
export function clientPublicValue({ group }: Suite, a: Uint8Array): Buffer {
  return generatorPower(group, a);
}

export interface ClientInputs {
  readonly serverPublic: Uint8Array;
  readonly u: Uint8Array;
  readonly x: Uint8Array;
  readonly a: Uint8Array;
}

/**
 * S = (B - k * g^x)^(a + u*x) mod N, padded   (RFC 5054 2.6)
 *
 * Computed as base^a * (base^u)^x, with base = B - k * g^x mod N. So every exponent is 32 bytes that came out of the
 * generator or a hash: a + u*x would vary in length with x, and would leave a multiple of x in memory as a BigInt,
 * which nothing can wipe. The additional power costs a millisecond.
 *
 * @throws PosternError `server_not_proved` when u = 0, where S would not depend on the password, and when base is 0, 1
 * or N-1, which no server that drew b of 32 bytes can send
 */
export function clientPremaster(suite: Suite, { serverPublic, u, x, a }: ClientInputs): Buffer {
  const { group } = suite;
  if (isZero(u)) throw new PosternError("server_not_proved");
  const blinding = toInteger(multiplier(suite)) * toInteger(verifierOf(suite, x));
  const base = pad(group, mod(toInteger(serverPublic) - blinding, group.prime));
  if (!inRange(group, base)) throw new PosternError("server_not_proved");
  const ephemeralPart = power(group, base, a);
  const passwordPart = power(group, power(group, base, u), x);
  const premaster = pad(group, mod(toInteger(ephemeralPart) * toInteger(passwordPart), group.prime));
  ephemeralPart.fill(0);
  passwordPart.fill(0);
  return premaster;
}

/** x = H(s | H(I | ":" | P)), 32 bytes, the caller's to wipe   (RFC 5054 2.4) */
export function derivePrivateKey({ identity, salt, password }: Credentials, suite: Suite = postern): Buffer {
  return suite.derivePrivateKey(salt, identity, password);
}

/** What a registration sends: v, 512 digits of hex. */
export function deriveVerifier(credentials: Credentials, suite: Suite = postern): string {
  const x = derivePrivateKey(credentials, suite);
  try {
    return verifierOf(suite, x).toString("hex");
  } finally {
    x.fill(0);
  }
}

export interface ClientEphemeral {
  /** a, 32 bytes. `clientSession` wipes it. */
  readonly secret: Buffer;
  /** A, as it goes on the wire. */
  readonly publicHex: string;
}

export function clientEphemeral(random: RandomBytes = randomBytes, suite: Suite = postern): ClientEphemeral {
  const secret = drawSecret(random);
  return { secret, publicHex: clientPublicValue(suite, secret).toString("hex") };
}

/** Awaits the server's M2. */
export interface ClientSession {
  /** K, 32 bytes. Until `verifyServerProof` it serves for one thing, the client's channel MAC that goes with M1. */
  readonly key: Buffer;
  /** M1, as it goes on the wire. */
  readonly proofHex: string;
  /** The M2 that only a server with the verifier can send. */
  readonly expected: Buffer;
}

/**
 * S, K, and the proofs of both sides; wipes a, x and S.
 *
 * @throws PosternError `server_not_proved` when u = 0 or B - k * g^x is degenerate   (RFC 5054 2.5.3, 2.6)
 */
export function clientSession(
  {
    credentials,
    ephemeral,
    serverPublic,
  }: { readonly credentials: Credentials; readonly ephemeral: ClientEphemeral; readonly serverPublic: PublicValue },
  suite: Suite = postern,
): ClientSession {
  const { identity, salt } = credentials;
  const clientPublic = Buffer.from(ephemeral.publicHex, "hex");
  const transcript: Transcript = { identity, salt, clientPublic, serverPublic };
  const x = derivePrivateKey(credentials, suite);
  try {
    const u = scrambler(suite, transcript);
    const premaster = clientPremaster(suite, { serverPublic, u, x, a: ephemeral.secret });
    const key = sessionKey(suite, premaster);
    premaster.fill(0);
    const proof = clientProof(suite, transcript, key);
    return { key, proofHex: proof.toString("hex"), expected: serverProof(suite, clientPublic, proof, key) };
  } finally {
    x.fill(0);
    ephemeral.secret.fill(0);
  }
}

/**
 * Compares M2 in constant time. No code may be typed, let alone sent, before this and the server's channel MAC are
 * right; a wrong proof wipes K.
 *
 * @throws PosternError `server_not_proved`, also for what is not 64 digits of lower-case hex
 */
export function verifyServerProof({ key, expected }: ClientSession, proofHex: unknown): void {
  try {
    if (!timingSafeEqual(expected, parseProof(proofHex, "server_not_proved"))) {
      throw new PosternError("server_not_proved");
    }
  } catch (refusal) {
    key.fill(0);
    throw refusal;
  }
}
