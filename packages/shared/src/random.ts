import { sodium } from "./sodium.js";

/**
 * Random bytes of the system in memory of their own. As `randomBytes` of Node, without the job and the asynchronous
 * resource that it makes for each call: a server draws some fifteen times in a login.
 */
export function drawRandom(size: number): Buffer {
  const drawn = Buffer.allocUnsafeSlow(size);
  sodium.randombytes_buf(drawn);
  return drawn;
}
