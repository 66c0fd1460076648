import { createRequire } from "node:module";
import * as client from "secure-remote-password/client.js";
import * as server from "secure-remote-password/server.js";

/** The package's own number: it remembers how many digits it was given. */
export interface PackageInteger {
  toHex(): string;
  add(other: PackageInteger): PackageInteger;
  multiply(other: PackageInteger): PackageInteger;
  subtract(other: PackageInteger): PackageInteger;
  xor(other: PackageInteger): PackageInteger;
  mod(modulus: PackageInteger): PackageInteger;
  modPow(exponent: PackageInteger, modulus: PackageInteger): PackageInteger;
}

interface JsbnInteger {
  toString(radix: number): string;
  modPow(exponent: JsbnInteger, modulus: JsbnInteger): JsbnInteger;
}

interface Jsbn {
  readonly BigInteger: { new (text: string, radix: number): JsbnInteger; readonly prototype: JsbnInteger };
}

const require = createRequire(import.meta.url);
const inPackage = createRequire(require.resolve("secure-remote-password/client.js"));

export const params = require("secure-remote-password/lib/params.js") as {
  readonly N: PackageInteger;
  readonly g: PackageInteger;
  readonly k: PackageInteger;
  H(...parts: (PackageInteger | string)[]): PackageInteger;
};

export const fromHex = (
  require("secure-remote-password/lib/srp-integer.js") as { fromHex(hex: string): PackageInteger }
).fromHex;

export { client, server };

/** base ^ exponent mod modulus, digit by binary digit over BigInt: slow, plain, and neither OpenSSL nor jsbn. */
export function bigintPower(base: bigint, exponent: bigint, modulus: bigint): bigint {
  const positive = ((base % modulus) + modulus) % modulus;
  let result = 1n;
  for (const digit of exponent.toString(2)) {
    result = (result * result) % modulus;
    if (digit === "1") result = (result * positive) % modulus;
  }
  return result;
}

/**
 * Runs `body` with the package's powers computed by `bigintPower`, some ten times as fast as its own; everything else
 * stays the package's. Other tests compare the package with nothing replaced.
 */
export function withFastPowers(body: () => void): void {
  const { BigInteger } = inPackage("jsbn") as Jsbn;
  const original = BigInteger.prototype.modPow;
  const read = (value: JsbnInteger): bigint => {
    const hex = value.toString(16);
    return hex.startsWith("-") ? -BigInt(`0x${hex.slice(1)}`) : BigInt(`0x${hex}`);
  };
  BigInteger.prototype.modPow = function fast(this: JsbnInteger, exponent, modulus) {
    return new BigInteger(bigintPower(read(this), read(exponent), read(modulus)).toString(16), 16);
  };
  try {
    body();
  } finally {
    BigInteger.prototype.modPow = original;
  }
}
