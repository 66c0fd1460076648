import { createPublicKey, type KeyObject, sign, verify } from "node:crypto";

/**
 * By a successor statement a server's identity key says which key takes its place. A client that pinned the old one
 * goes on with the new one, once the server has proved itself over that connection in a login.
 */
export interface SuccessorStatement {
  /** SubjectPublicKeyInfo in DER (RFC 5280 4.1), 91 bytes: the key that signs, and the one that takes its place. */
  readonly from: Buffer;
  readonly to: Buffer;
  /** 1 for a store's first identity, one more for each that followed it. */
  readonly sequence: number;
  /** Seconds since 1970. It tells people when; nothing is decided by it. */
  readonly time: number;
  /** 64 bytes: r | s, each 32 bytes big-endian. */
  readonly signature: Buffer;
}

/** An ECDSA P-256 key as SubjectPublicKeyInfo: 26 bytes that are always these, 0x04, X, Y. RFC 5480 2. */
export const SPKI_BYTES = 91;
export const SIGNATURE_BYTES = 64;

/** The identities that a client may have missed; one that missed more needs the fingerprint by another way. */
export const SUCCESSORS_MAX = 6;

/** What a client asks for in `hello` when it has pinned another identity. */
export const SUCCESSORS_FEATURE = "successors";

/** A certificate's signed part begins with 0x30 in DER, so the key's two uses cannot be taken for one another. */
const label = Buffer.from("postern/1 successor\0", "ascii");

/** label | sequence | time | from | to: 218 bytes, the two numbers as 8 bytes big-endian. */
function signedBytes({ from, to, sequence, time }: Omit<SuccessorStatement, "signature">): Buffer {
  const numbers = Buffer.alloc(16);
  numbers.writeBigUInt64BE(BigInt(sequence));
  numbers.writeBigUInt64BE(BigInt(time), 8);
  return Buffer.concat([label, numbers, from, to]);
}

/** signature = ECDSA-P256-SHA256(private key of `from`, label | sequence | time | from | to) */
export function signSuccessor(key: KeyObject, statement: Omit<SuccessorStatement, "signature">): SuccessorStatement {
  return { ...statement, signature: sign("sha256", signedBytes(statement), { key, dsaEncoding: "ieee-p1363" }) };
}

/** False for another signature, and for keys that are no points on P-256: whatever a server may send. */
export function verifySuccessor(statement: SuccessorStatement): boolean {
  const { from, to, signature } = statement;
  if (signature.length !== SIGNATURE_BYTES || !isP256(to)) return false;
  const key = p256Key(from);
  return key !== undefined && verify("sha256", signedBytes(statement), { key, dsaEncoding: "ieee-p1363" }, signature);
}

/** As it goes over the wire: bytes in lower-case hex. */
export interface WireSuccessor {
  readonly from: string;
  readonly to: string;
  readonly sequence: number;
  readonly time: number;
  readonly signature: string;
}

export function encodeSuccessor({ from, to, signature, sequence, time }: SuccessorStatement): WireSuccessor {
  return { from: from.toString("hex"), to: to.toString("hex"), sequence, time, signature: signature.toString("hex") };
}

/** Takes what the schema of `hello` has let through. */
export function decodeSuccessor({ from, to, signature, sequence, time }: WireSuccessor): SuccessorStatement {
  const bytes = (hex: string) => Buffer.from(hex, "hex");
  return { from: bytes(from), to: bytes(to), sequence, time, signature: bytes(signature) };
}

const isP256 = (spki: Buffer) => p256Key(spki) !== undefined;

/** One spelling alone: a key in another form would have another fingerprint. */
function p256Key(spki: Buffer): KeyObject | undefined {
  if (spki.length !== SPKI_BYTES) return undefined;
  try {
    const key = createPublicKey({ key: spki, format: "der", type: "spki" });
    const onP256 = key.asymmetricKeyDetails?.namedCurve === "prime256v1";
    return onP256 && spki.equals(key.export({ type: "spki", format: "der" })) ? key : undefined;
  } catch {
    return undefined;
  }
}
