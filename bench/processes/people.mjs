import { createHmac } from "node:crypto";
import { group2048 } from "@postern/shared/srp/group";
import { toBytes, toInteger } from "@postern/shared/srp/integer";

/**
 * The persons of the bench: all that is known of one follows from a number, so that what seeds a store and what logs in
 * need not tell each other.
 *
 * The private key x of each is one of a few short ones, which makes the client's powers cheap and the server's no
 * cheaper: v = g^x is as large as any, and the server's exponents are its own b, and u. A server that is measured shares
 * its two cores with its clients.
 */

const { prime, generator } = group2048;

function power(base, exponent) {
  let result = 1n;
  let square = base;
  for (let rest = exponent; rest > 0n; rest >>= 1n) {
    if (rest & 1n) result = (result * square) % prime;
    square = (square * square) % prime;
  }
  return result;
}

/** Pairs of an exponent and its power of g; an exponent of 12 bits and more is reduced by N, and so fills all digits. */
const pairs = (from, count) =>
  Array.from({ length: count }, (_, index) => {
    const exponent = BigInt(from + index);
    return { exponent, power: toBytes(power(generator, exponent), group2048.bytes) };
  });

const keys = pairs(0xa000, 64);

/** Of the client's A and a: a client of the bench takes one after the other, again and again. */
export const ephemerals = pairs(0xc000, 64);

const of = (number, purpose) => createHmac("sha256", "bench").update(`${purpose} ${number}`).digest();

export function person(number) {
  const { exponent, power: verifier } = keys[of(number, "key")[0] % keys.length];
  return { name: `person-${number}`, privateKey: exponent, verifier, secret: of(number, "secret").subarray(0, 20) };
}

/** k * v mod N, which the client takes from B. */
export const blindingOf = (multiplier, verifier) => (toInteger(multiplier) * toInteger(verifier)) % prime;
