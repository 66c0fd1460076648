import { spawn } from "node:child_process";
import { closeSync, fstatSync, openSync, writeFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { buffer } from "node:stream/consumers";
import { describe, expect, it, onTestFinished } from "vitest";
import { SecureBuffer } from "../../src/barrier/secure-buffer.js";
import { handKey, takeKey } from "../../src/workers/key-pipe.js";
import { expectCode } from "../barrier/support.js";

async function descriptorOf(bytes: Uint8Array): Promise<number> {
  const folder = await mkdtemp(join(tmpdir(), "postern-key-"));
  onTestFinished(() => rm(folder, { recursive: true }));
  writeFileSync(join(folder, "pipe"), bytes);
  return openSync(join(folder, "pipe"), "r");
}

describe("the root key between two processes", () => {
  it("comes out of the pipe as it went in, and the key that was handed out is there still", async () => {
    const key = SecureBuffer.random(32, "noaccess");
    const cat = spawn("cat", { stdio: ["pipe", "pipe", "inherit"] });
    const [bytes] = await Promise.all([buffer(cat.stdout), handKey(cat.stdin, key)]);
    const fd = await descriptorOf(bytes);
    const taken = takeKey(fd);
    expect(taken.equals(key)).toBe(true);
    expect(() => fstatSync(fd)).toThrow("EBADF");
    taken.wipe();
    key.wipe();
  });

  it("is not made up where less comes through", async () => {
    const fd = await descriptorOf(Buffer.alloc(31, 1));
    expectCode(() => takeKey(fd), "bug");
    expect(() => closeSync(fd)).toThrow("EBADF");
  });
});
