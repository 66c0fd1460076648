/**
 * Big-endian bytes and integers. Bytes have a fixed width everywhere, because every hash of SRP is over padded values
 * and a trimmed zero would make one login in 256 fail.
 */

export function toInteger(bytes: Uint8Array): bigint {
  return BigInt(`0x0${Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("hex")}`);
}

/** `integer` must be below 256 ** size. */
export function toBytes(integer: bigint, size: number): Buffer {
  return Buffer.from(integer.toString(16).padStart(size * 2, "0"), "hex");
}

/** The residue in 0 .. modulus - 1, for negative integers too. */
export function mod(integer: bigint, modulus: bigint): bigint {
  const rest = integer % modulus;
  return rest < 0n ? rest + modulus : rest;
}
