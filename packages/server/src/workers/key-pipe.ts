import { closeSync, readSync } from "node:fs";
import type { Writable } from "node:stream";
import { PosternError } from "@postern/shared/errors";
import { KEY_BYTES } from "../barrier/aead.js";
import { SecureBuffer } from "../barrier/secure-buffer.js";

/** The descriptor by which a worker finds the pipe. */
export const KEY_FD = 3;

/**
 * Hands the root key to a worker: from locked memory into the pipe, whose two ends only the two processes have. It is
 * never in arguments, in the environment, in a message, or on the heap.
 */
export async function handKey(pipe: Writable, key: SecureBuffer): Promise<void> {
  // One that ended before it had read the key is seen to end.
  pipe.on("error", () => undefined);
  await key.useAsync((bytes) => new Promise<void>((resolve) => pipe.end(bytes, () => resolve())));
}

/** Takes the key out of the pipe, into locked memory. It waits for it: a worker can do nothing before. */
export function takeKey(fd: number = KEY_FD): SecureBuffer {
  try {
    return SecureBuffer.fill(KEY_BYTES, "noaccess", (bytes) => {
      for (let filled = 0; filled < bytes.length; ) {
        const read = readSync(fd, bytes, filled, bytes.length - filled, null);
        if (read === 0) throw new PosternError("bug", { detail: "no root key came through the pipe" });
        filled += read;
      }
    });
  } finally {
    closeSync(fd);
  }
}
