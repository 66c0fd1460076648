import type { Group } from "./group.js";
import { power } from "./power.js";

/** Fresh random bytes of a length, in a buffer that becomes the caller's own: `randomBytes` outside of tests. */
export type RandomBytes = (size: number) => Buffer;

export const EPHEMERAL_BYTES = 32;

/** a or b: 255 fresh random bits below a top bit that is always set, because a power's time tells its length. */
export function drawSecret(random: RandomBytes): Buffer {
  const secret = random(EPHEMERAL_BYTES);
  secret.writeUInt8(secret.readUInt8(0) | 0x80, 0);
  return secret;
}

/** g^exponent mod N */
export function generatorPower(group: Group, exponent: Uint8Array): Buffer {
  const base = Buffer.alloc(group.bytes);
  group.generatorBytes.copy(base, group.bytes - group.generatorBytes.length);
  return power(group, base, exponent);
}
