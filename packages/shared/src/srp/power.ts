import { constants, createDiffieHellman, type DiffieHellman } from "node:crypto";
import { PosternError } from "../errors.js";
import { type Group, inRange } from "./group.js";
import { powerByKeys } from "./power-key.js";

/** Secret exponents (a, b, x) have 32 bytes, u at most as many. */
export const MAX_EXPONENT_BYTES = 32;

const SPENT = Buffer.from([1]);

const NOT_A_SAFE_PRIME = constants.DH_CHECK_P_NOT_PRIME | constants.DH_CHECK_P_NOT_SAFE_PRIME;

const engines = new Map<Group, DiffieHellman>();

/**
 * For who computes powers all day long: from now on `power` takes 0.3 ms in this process instead of 1, by one OpenSSL
 * Diffie-Hellman object for each group, for ever. Making one tests the prime, 0.2 s of a stalled process.
 */
export function warmPower(group: Group): void {
  if (engines.has(group)) return;
  const made = createDiffieHellman(group.primeBytes, group.generatorBytes);
  if ((made.verifyError & NOT_A_SAFE_PRIME) !== 0) {
    throw new PosternError("bug", { detail: "the modulus of a power is not a safe prime" });
  }
  engines.set(group, made);
}

/**
 * base ^ exponent mod N, at the group's width, left-padded with zeros.
 *
 * On OpenSSL, in either way: its time does not depend on the exponent's bits, only on its length in words of eight
 * bytes. So secret exponents have a fixed length: a and b have the top bit set, x is a hash of 32 bytes (one in 2^64 is
 * a word shorter). OpenSSL refuses a result of 1 or N-1, which Node 20 and 24 turn into a throw and Node 22 into an
 * empty buffer, whose hash would be a session key that everybody knows; it may also reduce a base above N. None of that
 * can occur behind these checks, because an element between 1 and N-1 has an order of at least q and 0 < exponent < q.
 *
 * @throws PosternError `bug` for a base outside 1 < base < N-1, an exponent of 0 or one above 32 bytes: callers check
 * what comes from a peer, with an error that fits. An exponent of 0 is also what is left of one that was wiped.
 */
export function power(group: Group, base: Uint8Array, exponent: Uint8Array): Buffer {
  const engine = engines.get(group);
  return engine === undefined ? powerOnce(group, base, exponent) : checked(powerOn(engine), group, base, exponent);
}

/** `power` as it is in a process that was not warmed. */
export function powerOnce(group: Group, base: Uint8Array, exponent: Uint8Array): Buffer {
  return checked(powerByKeys, group, base, exponent);
}

function checked(raise: typeof powerByKeys, group: Group, base: Uint8Array, exponent: Uint8Array): Buffer {
  if (!inRange(group, base)) throw new PosternError("bug", { detail: "the base of a power is out of range" });
  if (exponent.length > MAX_EXPONENT_BYTES || isZero(exponent)) {
    throw new PosternError("bug", { detail: "the exponent of a power is out of range" });
  }
  const result = raise(group, base, exponent);
  if (result.length !== group.bytes) throw new PosternError("bug", { detail: "a power has the wrong length" });
  return result;
}

/** The object is stateful, but every use is one synchronous call. */
function powerOn(engine: DiffieHellman): typeof powerByKeys {
  return (_group, base, exponent) => {
    engine.setPrivateKey(exponent);
    try {
      return engine.computeSecret(base);
    } finally {
      // OpenSSL clears the old exponent when it takes a new one; else the last secret would stay until the next power.
      engine.setPrivateKey(SPENT);
    }
  };
}

/** Looks at every byte, whatever they are; an empty one is zero. */
export function isZero(bytes: Uint8Array): boolean {
  let seen = 0;
  for (const byte of bytes) seen |= byte;
  return seen === 0;
}
