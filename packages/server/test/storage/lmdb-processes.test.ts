import { randomInt } from "node:crypto";
import { describe, expect, it } from "vitest";
import { openLmdbStorage } from "../../src/storage/lmdb.js";
import type { Storage } from "../../src/storage/storage.js";
import { runChild, temporaryDirectory } from "./processes.js";

const bytes = (text: string) => Buffer.from(text, "latin1");
const numberOf = async (storage: Storage, key: string) => Number((await storage.read((tx) => tx.get(bytes(key)))) ?? 0);

describe("processes that share one LMDB file", () => {
  it("count exactly: two times 2,000 increments give 4,000, and a reader sees them come", async () => {
    const directory = await temporaryDirectory();
    const storage = await openLmdbStorage({ directory, create: true });
    const children = [runChild("increment", directory, "2000"), runChild("increment", directory, "2000")];
    const running = Promise.all(children.map((child) => child.ended));
    let seen = 0;
    let rises = 0;
    while (seen < 4000 && children.some((child) => child.process.exitCode === null)) {
      const now = await numberOf(storage, "counter");
      expect(now).toBeGreaterThanOrEqual(seen);
      if (now > seen) rises++;
      seen = now;
      await new Promise((resolve) => setImmediate(resolve));
    }
    for (const ended of await running) expect(ended).toMatchObject({ code: 0, told: ["done"] });
    expect(await numberOf(storage, "counter")).toBe(4000);
    expect(rises).toBeGreaterThan(1);
    await storage.close();
  });

  it("may begin in the same moment on a directory that does not exist yet", async () => {
    const directory = `${await temporaryDirectory()}/new`;
    const children = Array.from({ length: 3 }, () => runChild("increment", directory, "50"));
    for (const child of children) expect(await child.ended).toMatchObject({ code: 0, told: ["done"] });
    const storage = await openLmdbStorage({ directory, create: false });
    expect(await numberOf(storage, "counter")).toBe(150);
    await storage.close();
  });

  it("go on when one of them is killed inside of a transaction", async () => {
    const directory = await temporaryDirectory();
    const storage = await openLmdbStorage({ directory, create: true });
    const child = runChild("pairs", directory);
    await child.hasTold(20);
    child.process.kill("SIGKILL");
    const added = storage.transact((tx) => tx.put(bytes("mine"), bytes("1")));
    await expect(added).resolves.toBeUndefined();
    expect((await child.ended).signal).toBe("SIGKILL");
    expect(await numberOf(storage, "mine")).toBe(1);
    await storage.close();
  });
});

describe("kill -9", () => {
  it("loses nothing that was acknowledged, and leaves no half of a transaction", async () => {
    const directory = await temporaryDirectory();
    const kills = Array.from({ length: 16 }, () => randomInt(1, 120));
    console.info(`killed after so many acknowledgements: ${kills.join(" ")}`);
    for (const acknowledgements of kills) {
      const child = runChild("pairs", directory);
      await child.hasTold(1 + acknowledgements);
      child.process.kill("SIGKILL");
      const { signal, told, stderr } = await child.ended;
      expect({ signal, stderr }).toEqual({ signal: "SIGKILL", stderr: "" });
      expect(told.length).toBeGreaterThan(acknowledgements);
      await expectWholePairs(directory, Math.max(...told.slice(1).map(Number)));
    }
  });
});

async function expectWholePairs(directory: string, acknowledged: number) {
  const storage = await openLmdbStorage({ directory, create: false });
  const last = await numberOf(storage, "last");
  expect(last).toBeGreaterThanOrEqual(acknowledged);
  const [left, right] = await storage.read(async (tx) => [
    await tx.scan({ from: bytes("left/"), to: bytes("left0") }),
    await tx.scan({ from: bytes("right/"), to: bytes("right0") }),
  ]);
  expect([left.length, right.length]).toEqual([last, last]);
  const differing = left.filter(({ value }, index) => !right[index]?.value.equals(value));
  expect(differing).toEqual([]);
  await storage.close();
}
