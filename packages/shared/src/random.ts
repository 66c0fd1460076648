import { setImmediate } from "node:timers";
import { sodium } from "./sodium.js";

/**
 * Random bytes of the system. Each draw by itself is a system call, or a job of Node's with an object for each, which cost
 * a busy server 6 or 20 µs; a login takes fifteen. So a few are drawn at once, and handed out within the same turn
 * of the event loop: each once, and what is left is wiped behind it. None lies about for longer, in a process that is
 * copied or looked into later, than a secret that is being used.
 */
const POOL_BYTES = 1024;

const pool = Buffer.allocUnsafeSlow(POOL_BYTES).fill(0);
let used = POOL_BYTES;
let isToBeWiped = false;

/** Fills the buffer. */
export function fillRandom(target: Buffer): void {
  if (target.length > POOL_BYTES / 4) {
    sodium.randombytes_buf(target);
    return;
  }
  if (used + target.length > POOL_BYTES) refill();
  const end = used + target.length;
  pool.copy(target, 0, used, end);
  pool.fill(0, used, end);
  used = end;
}

/** So many bytes in memory of their own. */
export function drawRandom(size: number): Buffer {
  const drawn = Buffer.alloc(size);
  fillRandom(drawn);
  return drawn;
}

function refill(): void {
  sodium.randombytes_buf(pool);
  used = 0;
  if (isToBeWiped) return;
  isToBeWiped = true;
  // It holds the event loop, which else would wait for the next event first, for hours where nothing happens, and
  // hand out to that what is left. And it is Node's own, also where a test has put another one in its place.
  setImmediate(wipe);
}

function wipe(): void {
  pool.fill(0);
  used = POOL_BYTES;
  isToBeWiped = false;
}
