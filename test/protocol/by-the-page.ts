import { createHash, createHmac } from "node:crypto";
import { createRequire } from "node:module";
import { fencedBlocks, section } from "./page.js";

/**
 * The arithmetic of a client, and of a server, as docs/protocol.md states it, on node:crypto and BigInt: no product
 * code, so that the page and the programs check each other. N comes from the page itself. Slow and not in constant
 * time: for tests only.
 */

const [primeText = ""] = fencedBlocks(section("## The arithmetic"));
export const N = BigInt(`0x${primeText.replaceAll("\n", "")}`);
const g = 2n;

export const hash = (...parts: readonly Uint8Array[]) => createHash("sha256").update(Buffer.concat(parts)).digest();
export const number = (bytes: Uint8Array) => BigInt(`0x${Buffer.from(bytes).toString("hex")}`);
export const pad256 = (integer: bigint) => Buffer.from(integer.toString(16).padStart(512, "0"), "hex");
export const unhex = (hex: string) => Buffer.from(hex, "hex");

export function pow(base: bigint, exponent: bigint): bigint {
  let result = 1n;
  let square = base % N;
  for (let rest = exponent; rest > 0n; rest >>= 1n) {
    if (rest & 1n) result = (result * square) % N;
    square = (square * square) % N;
  }
  return result;
}

export const k = hash(pad256(N), Buffer.of(2));

export interface Start {
  readonly identity: string;
  readonly salt: string;
  readonly stretch: Stretch;
}

export interface Stretch {
  readonly generation: number;
  readonly memory_kib: number;
  readonly passes: number;
}

interface Argon2id {
  crypto_pwhash(out: Buffer, password: Buffer, salt: Buffer, passes: number, memory: number, algorithm: number): void;
  readonly crypto_pwhash_ALG_ARGON2ID13: number;
}
const fromShared = createRequire(new URL("../../packages/shared/package.json", import.meta.url));
const sodium: Argon2id = fromShared("sodium-native");

/** P, 64 digits of hex. */
export function stretched(password: string, { salt, stretch }: Start): string {
  const out = Buffer.alloc(32);
  const input = Buffer.from(password.normalize("NFC"), "utf8");
  const memory = stretch.memory_kib * 1024;
  const algorithm = sodium.crypto_pwhash_ALG_ARGON2ID13;
  sodium.crypto_pwhash(out, input, unhex(salt).subarray(0, 16), stretch.passes, memory, algorithm);
  return out.toString("hex");
}

export const innerHash = (identity: string, P: string) => hash(Buffer.from(`${identity}:${P}`, "utf8"));

export const privateKey = ({ identity, salt }: Start, P: string) => hash(unhex(salt), innerHash(identity, P));

export const power = (exponent: Uint8Array) => pad256(pow(g, number(exponent)));

export function serverPublic(v: Uint8Array, b: Uint8Array): Buffer {
  return pad256((number(k) * number(v) + pow(g, number(b))) % N);
}

export function serverSecret(values: { A: Buffer; v: Buffer; u: Buffer; b: Buffer }): Buffer {
  const { A, v, u, b } = values;
  return pad256(pow(number(A) * pow(number(v), number(u)), number(b)));
}

export function clientSecret(values: { B: Buffer; x: Buffer; u: Buffer; a: Buffer }): Buffer {
  const { B, x, u, a } = values;
  const difference = (number(B) - number(k) * pow(g, number(x))) % N;
  return pad256(pow(difference < 0n ? difference + N : difference, number(a) + number(u) * number(x)));
}

export const hashN = hash(pad256(N));
export const hashG = hash(Buffer.of(2));
export const hashNxorG = Buffer.from(hashN.map((byte, index) => byte ^ (hashG[index] ?? 0)));

export function clientProof({ identity, salt }: Start, { A, B, K }: { A: Buffer; B: Buffer; K: Buffer }): Buffer {
  return hash(hashNxorG, hash(Buffer.from(identity, "utf8")), unhex(salt), A, B, K);
}

export const serverProof = ({ A, M1, K }: { A: Buffer; M1: Buffer; K: Buffer }) => hash(A, M1, K);

export function mac(side: "client" | "server", K: Buffer, exporter: Uint8Array): Buffer {
  return createHmac("sha256", K).update(`postern/1 ${side} channel\0`, "ascii").update(exporter).digest();
}

/** Section "A lost password": `secret` in hex. */
export function resetMac(side: "client" | "server", secret: string, exporter: Uint8Array): Buffer {
  return createHmac("sha256", hash(unhex(secret)))
    .update(`postern/1 ${side} reset\0`)
    .update(exporter)
    .digest();
}

/** The parts of a session secret, and the session's MACs. */
export function sessionMac(side: "client" | "server", secret: string, exporter: Uint8Array): Buffer {
  const key = hash(unhex(secret.slice(-64)));
  return createHmac("sha256", key).update(`postern/1 ${side} session\0`).update(exporter).digest();
}

export const sessionIds = (secret: string) => ({
  account: `acc_${secret.slice(4, 36)}`,
  session: `ses_${secret.slice(36, 68)}`,
});

export function deviceMac(secret: Uint8Array, exporter: Uint8Array): Buffer {
  return createHmac("sha256", secret).update("postern/1 device\0", "ascii").update(exporter).digest();
}

/** What an authenticator is: its reply's fields, the secret as bytes. A HOTP one has no period. */
export interface Authenticator {
  readonly secret: Uint8Array;
  readonly algorithm: "SHA1" | "SHA256" | "SHA512";
  readonly digits: number;
  readonly period?: number;
}

/** RFC 4226; RFC 6238 with a time step for the counter. */
export function otp({ secret, algorithm, digits }: Authenticator, counter: number): string {
  const message = Buffer.alloc(8);
  message.writeBigUInt64BE(BigInt(counter));
  const digest = createHmac(algorithm, secret).update(message).digest();
  const truncated = digest.readUInt32BE((digest.at(-1) ?? 0) & 15) & 0x7fffffff;
  return String(truncated % 10 ** digits).padStart(digits, "0");
}

/** RFC 4648 section 6. */
const BASE32 = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

export function base32(bytes: Uint8Array): string {
  const bits = Array.from(bytes, (byte) => byte.toString(2).padStart(8, "0")).join("");
  return (bits.match(/.{1,5}/g) ?? []).map((five) => BASE32[Number.parseInt(five.padEnd(5, "0"), 2)]).join("");
}

export function fromBase32(text: string): Buffer {
  const bits = Array.from(text, (digit) => BASE32.indexOf(digit).toString(2).padStart(5, "0")).join("");
  return Buffer.from((bits.match(/.{8}/g) ?? []).map((byte) => Number.parseInt(byte, 2)));
}
