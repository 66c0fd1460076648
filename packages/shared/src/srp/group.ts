import { toBytes, toInteger } from "./integer.js";

/**
 * A group of RFC 5054 appendix A: the integers modulo a safe prime N = 2q + 1, q prime, with the generator g.
 *
 * Every element other than 1 and N-1 therefore has the order q or 2q, both far above any exponent used here. That is
 * why a power of such an element is never 1 or N-1, and why no small subgroup exists to confine a value to.
 */
export interface Group {
  readonly name: string;
  /** The length of N, and of every padded element. */
  readonly bytes: number;
  readonly prime: bigint;
  readonly primeBytes: Buffer;
  readonly generator: bigint;
  /** g in as few bytes as it needs; PAD(g) is `pad(g, bytes)`. */
  readonly generatorBytes: Buffer;
  /** PAD(1) and PAD(N-1): what lies between them, and is neither, is a power's base. */
  readonly bounds: { readonly below: Buffer; readonly above: Buffer };
}

function group(name: string, generator: number, primeHex: string): Group {
  const primeBytes = Buffer.from(primeHex.replace(/\s/g, ""), "hex");
  const prime = toInteger(primeBytes);
  const bytes = primeBytes.length;
  return {
    name,
    bytes,
    prime,
    primeBytes,
    generator: BigInt(generator),
    generatorBytes: Buffer.from([generator]),
    bounds: { below: toBytes(1n, bytes), above: toBytes(prime - 1n, bytes) },
  };
}

/** The group of RFC 5054's own test vectors. Too small for use: it is here so that the vectors run on the same core. */
export const group1024 = group(
  "rfc5054-1024",
  2,
  `EEAF0AB9 ADB38DD6 9C33F80A FA8FC5E8 60726187 75FF3C0B 9EA2314C 9C256576
   D674DF74 96EA81D3 383B4813 D692C6E0 E0D5D8E2 50B98BE4 8E495C1D 6089DAD1
   5DC7D7B4 6154D6B6 CE8EF4AD 69B15D49 82559B29 7BCF1885 C529F566 660E57EC
   68EDBC3C 05726CC0 2FD4CBF4 976EAA9A FD5138FE 8376435B 9FC61D2F C0EB06E3`,
);

/** The group of protocol `postern/1`. Here g = 2 generates every residue, so any verifier in range is some g^x. */
export const group2048 = group(
  "rfc5054-2048",
  2,
  `AC6BDB41 324A9A9B F166DE5E 1389582F AF72B665 1987EE07 FC319294 3DB56050
   A37329CB B4A099ED 8193E075 7767A13D D52312AB 4B03310D CD7F48A9 DA04FD50
   E8083969 EDB767B0 CF609517 9A163AB3 661A05FB D5FAAAE8 2918A996 2F0B93B8
   55F97993 EC975EEA A80D740A DBF4FF74 7359D041 D5C33EA7 1D281E44 6B14773B
   CA97B43A 23FB8016 76BD207A 436C6481 F1D2B907 8717461A 5B9D32E6 88F87748
   544523B5 24B0D57D 5EA77A27 75D2ECFA 032CFBDB F52FB378 61602790 04E57AE6
   AF874E73 03CE5329 9CCC041C 7BC308D8 2A5698F3 A8D0C382 71AE35F8 E9DBFBB6
   94B5C803 D89F7AE4 35DE236D 525F5475 9B65E372 FCD68EF2 0FA7111F 9E4AFF73`,
);

/**
 * 1 < element < N-1, at exactly the group's width. Stricter than RFC 5054 2.5.4 (A % N != 0): multiples of N, values
 * that would be reduced silently, and the elements 1 and N-1, whose powers a stranger can guess, are all outside.
 */
export function inRange(group: Group, element: Uint8Array): boolean {
  if (element.length !== group.bytes) return false;
  const { below, above } = group.bounds;
  return Buffer.compare(element, below) > 0 && Buffer.compare(element, above) < 0;
}

/** PAD of RFC 5054 2.1: left-padded with zeros to the length of N. */
export function pad(group: Group, integer: bigint): Buffer {
  return toBytes(integer, group.bytes);
}
