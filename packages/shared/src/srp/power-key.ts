import { createPrivateKey, createPublicKey, diffieHellman } from "node:crypto";
import type { Group } from "./group.js";

/**
 * base ^ exponent mod N by a private key that is the exponent and a public key that is the base: one OpenSSL derivation
 * between keys of a group that nothing tests for being one. 1 ms, most of it for making the keys.
 *
 * What is checked of base and exponent, `power` has checked. The bytes that this makes of the exponent are wiped;
 * OpenSSL clears its own when the key is collected.
 */
export function powerByKeys(group: Group, base: Uint8Array, exponent: Uint8Array): Buffer {
  const algorithm = sequence(DH_KEY_AGREEMENT, sequence(integer(group.primeBytes), integer(group.generatorBytes)));
  const secret = integer(exponent);
  const secretKey = sequence(VERSION, algorithm, element(OCTET_STRING, secret));
  try {
    const privateKey = createPrivateKey({ key: secretKey, format: "der", type: "pkcs8" });
    const publicDer = sequence(algorithm, element(BIT_STRING, NO_UNUSED_BITS, integer(base)));
    const publicKey = createPublicKey({ key: publicDer, format: "der", type: "spki" });
    return diffieHellman({ privateKey, publicKey });
  } finally {
    secret.fill(0);
    secretKey.fill(0);
  }
}

const INTEGER = 0x02;
const BIT_STRING = 0x03;
const OCTET_STRING = 0x04;
const SEQUENCE = 0x30;

const NO_UNUSED_BITS = Buffer.from([0]);
/** PrivateKeyInfo of RFC 5958: version 0. */
const VERSION = Buffer.from([INTEGER, 1, 0]);
/** The object identifier 1.2.840.113549.1.3.1 of PKCS #3, whose parameters are N and g. */
const DH_KEY_AGREEMENT = Buffer.from("06092a864886f70d010301", "hex");

function sequence(...parts: readonly Uint8Array[]): Buffer {
  return element(SEQUENCE, ...parts);
}

/** A DER element of up to 65535 bytes. What it was put together of stays the caller's, to wipe. */
function element(tag: number, ...parts: readonly Uint8Array[]): Buffer {
  const length = parts.reduce((sum, part) => sum + part.length, 0);
  const head = length < 0x80 ? [tag, length] : [tag, 0x82, length >> 8, length & 0xff];
  return Buffer.concat([Buffer.from(head), ...parts]);
}

/** A positive INTEGER, which DER wants without needless zeros in front; never zero here. */
function integer(bytes: Uint8Array): Buffer {
  const first = bytes.findIndex((byte) => byte !== 0);
  const digits = bytes.subarray(first);
  const sign = (digits[0] ?? 0) >= 0x80 ? [0] : [];
  return element(INTEGER, Buffer.from(sign), digits);
}
