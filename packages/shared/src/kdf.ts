import { PosternError } from "./errors.js";
import { sodium } from "./sodium.js";

/** What Argon2id spends: memory in KiB, and passes over it. One lane always, libsodium has no other. */
export interface StretchParameters {
  readonly memory_kib: number;
  readonly passes: number;
}

/**
 * Parameters have a number each. A release that raises them adds an entry; it never changes one, because accounts name
 * the generation that their verifier was made with.
 */
export const stretchGenerations = {
  1: { memory_kib: 64 * 1024, passes: 3 },
  2: { memory_kib: 128 * 1024, passes: 3 },
  3: { memory_kib: 256 * 1024, passes: 3 },
} as const satisfies Record<number, StretchParameters>;

export type StretchGeneration = keyof typeof stretchGenerations;

/** What a new server begins with; its operator can raise it. */
export const firstStretchGeneration: StretchGeneration = 1;

/** Below it a false server could make verifiers cheap to guess (OWASP's least), above it hang the machine. */
export const stretchFloor: StretchParameters = { memory_kib: 19 * 1024, passes: 2 };
export const stretchCeiling: StretchParameters = { memory_kib: 1024 * 1024, passes: 10 };

export const STRETCHED_BYTES = 32;

/** @throws PosternError `stretch_refused` for anything but whole numbers from the floor to the ceiling */
export function checkStretch({ memory_kib, passes }: StretchParameters): void {
  const inside =
    isWithin(memory_kib, stretchFloor.memory_kib, stretchCeiling.memory_kib) &&
    isWithin(passes, stretchFloor.passes, stretchCeiling.passes);
  if (!inside) throw new PosternError("stretch_refused");
}

function isWithin(value: number, least: number, most: number): boolean {
  return Number.isInteger(value) && value >= least && value <= most;
}

export interface StretchInput {
  /** As the person typed it. */
  readonly password: string;
  /** The account's salt for SRP, of which the first 16 bytes are used. */
  readonly salt: Uint8Array;
  readonly parameters: StretchParameters;
}

/**
 * The password of SRP: hex(Argon2id v1.3(NFC(password) in UTF-8, salt[0..16], memory, passes, 1 lane, 32 bytes)), 64
 * digits of lower-case hex. Two keyboards that compose an accent differently give the same. RFC 9106.
 *
 * @throws PosternError `stretch_refused` for parameters that only a false server would send; `memory_short`
 */
export async function stretchPassword({ password, salt, parameters }: StretchInput): Promise<string> {
  checkStretch(parameters);
  const saltBytes = sodium.crypto_pwhash_SALTBYTES;
  if (salt.length < saltBytes) throw new PosternError("bug", { detail: "the salt is too short to stretch with" });
  const secret = Buffer.from(password.normalize("NFC"), "utf8");
  const stretched = Buffer.alloc(STRETCHED_BYTES);
  try {
    await sodium.crypto_pwhash_async(
      stretched,
      secret,
      salt.subarray(0, saltBytes),
      parameters.passes,
      parameters.memory_kib * 1024,
      sodium.crypto_pwhash_ALG_ARGON2ID13,
    );
    return stretched.toString("hex");
  } catch (cause) {
    throw new PosternError("memory_short", { cause });
  } finally {
    sodium.sodium_memzero(secret);
    sodium.sodium_memzero(stretched);
  }
}
