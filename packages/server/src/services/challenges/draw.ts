import { createHmac } from "node:crypto";

/** Drawing evenly, from bytes that are even. */

/** The next byte. */
export type Bytes = () => number;

/** A whole number from 0 up to `bound` (at most 256, excluded): bytes that would favour some numbers are left out. */
export function below(bound: number, next: Bytes): number {
  const even = 256 - (256 % bound);
  for (;;) {
    const byte = next();
    if (byte < even) return byte % bound;
  }
}

/** The same things (256 at most) in any order, each as likely as any other. */
export function shuffled<T>(things: readonly T[], next: Bytes): T[] {
  const left = [...things];
  return things.flatMap(() => left.splice(below(left.length, next), 1));
}

const BLOCK_BYTES = 32;

/** Of a generator such as the system's. */
export const randomBytesOf = (random: (size: number) => Buffer): Bytes => inBlocks(() => random(BLOCK_BYTES));

/** Always the same ones: HMAC-SHA256(key; label | 0x00 | i), i = 0, 1, … in 4 bytes, one behind the other. */
export function keyedBytesOf(key: Buffer, label: string): Bytes {
  const counter = Buffer.alloc(4);
  let blocks = 0;
  return inBlocks(() => {
    counter.writeUInt32BE(blocks++);
    return createHmac("sha256", key).update(`${label}\0`).update(counter).digest();
  });
}

function inBlocks(draw: () => Buffer): Bytes {
  let block: Buffer = Buffer.alloc(0);
  let at = 0;
  return () => {
    if (at === block.length) {
      block = draw();
      at = 0;
    }
    return block.readUInt8(at++);
  };
}
