import { execFileSync } from "node:child_process";
import { randomBytes, randomInt } from "node:crypto";
import { mkdirSync, statSync, symlinkSync, truncateSync, writeFileSync } from "node:fs";
import { readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { openLmdbStorage } from "../../src/storage/lmdb.js";
import type { Storage } from "../../src/storage/storage.js";
import { runChild, temporaryDirectory } from "./processes.js";

const bytes = (text: string) => Buffer.from(text, "latin1");
const everything = { from: Buffer.alloc(0), to: Buffer.alloc(512, 0xff) };
const TRANSACTION_ID = 152;

/** A store with some hundred entries, values on overflow pages, and pages that were freed and used again. */
async function madeStore() {
  const directory = await temporaryDirectory();
  const storage = await openLmdbStorage({ directory, create: true });
  for (let round = 0; round < 12; round++) await storage.transact((tx) => fill(tx, round));
  const entries = await storage.read((tx) => tx.scan(everything));
  await storage.close();
  return { directory, file: join(directory, "store.mdb"), entries: entries.length };
}

async function fill(tx: Parameters<Parameters<Storage["transact"]>[0]>[0], round: number) {
  for (let i = 0; i < 40; i++) {
    const key = bytes(`key${(round * 97 + i * 31) % 400}`);
    if ((i + round) % 4 === 0) await tx.delete(key);
    else await tx.put(key, Buffer.alloc(i % 10 === 0 ? 9000 : i * 20, i));
  }
}

function opening(directory: string, create = false): Promise<Storage> {
  return openLmdbStorage({ directory, create });
}

describe("what is not a store kills no process and is never overwritten", () => {
  const foreign: [string, (file: string) => void][] = [
    ["a text", (file) => writeFileSync(file, "not a store\n".repeat(2000))],
    ["a short text", (file) => writeFileSync(file, "hello")],
    ["random bytes", (file) => writeFileSync(file, randomBytes(100_000))],
    ["a directory", (file) => mkdirSync(file)],
    ["a FIFO", (file) => execFileSync("mkfifo", [file])],
    ["a device", (file) => symlinkSync("/dev/zero", file)],
  ];
  it.each(foreign)("%s is store_foreign", async (_, make) => {
    const directory = await temporaryDirectory();
    const file = join(directory, "store.mdb");
    make(file);
    const before = statSync(file);
    for (const create of [false, true]) {
      await expect(opening(directory, create)).rejects.toMatchObject({ code: "store_foreign" });
    }
    expect(statSync(file)).toMatchObject({ size: before.size, mtimeMs: before.mtimeMs });
  });

  it("a directory in place of the lock file is store_foreign", async () => {
    const directory = await temporaryDirectory();
    mkdirSync(join(directory, "store.mdb-lock"));
    await expect(opening(directory, true)).rejects.toMatchObject({ code: "store_foreign" });
  });

  it("garbage in the lock file does not matter when no process holds it", async () => {
    const { directory, entries } = await madeStore();
    writeFileSync(join(directory, "store.mdb-lock"), randomBytes(20_000));
    const storage = await opening(directory);
    expect(await storage.read((tx) => tx.scan(everything))).toHaveLength(entries);
    await storage.close();
  });

  it("a file of a newer format is store_future, of an older one store_foreign", async () => {
    for (const [version, code] of [
      [3, "store_future"],
      [1, "store_foreign"],
    ] as const) {
      const { directory, file } = await madeStore();
      const content = await readFile(file);
      for (const page of [0, 4096]) content.writeUInt32LE(version, page + 28);
      await writeFile(file, content);
      await expect(opening(directory)).rejects.toMatchObject({ code });
    }
  });
});

describe("a damaged store kills no process and is never made anew", () => {
  it("empty is store_damaged, also when a store may be created", async () => {
    const { directory, file } = await madeStore();
    truncateSync(file, 0);
    for (const create of [false, true]) {
      await expect(opening(directory, create)).rejects.toMatchObject({ code: "store_damaged" });
    }
    expect((await stat(file)).size).toBe(0);
  });

  it("all zero is store_damaged", async () => {
    const { directory, file } = await madeStore();
    await writeFile(file, Buffer.alloc((await stat(file)).size));
    await expect(opening(directory)).rejects.toMatchObject({ code: "store_damaged" });
  });

  it.each([
    ["first", 0],
    ["second", 4096],
  ])("with the %s header zeroed it is store_damaged", async (_, offset) => {
    const { directory, file } = await madeStore();
    const content = await readFile(file);
    content.fill(0, offset, offset + 4096);
    await writeFile(file, content);
    await expect(opening(directory)).rejects.toMatchObject({ code: "store_damaged" });
  });

  it("cut at any length is store_damaged", async () => {
    const { directory, file } = await madeStore();
    const whole = await readFile(file);
    const lengths = [1, 20, 100, 4096, 5000, 8192, 12_288, whole.length >> 1];
    for (const length of [...lengths, ...Array.from({ length: 10 }, () => randomInt(1, whole.length >> 1))]) {
      await writeFile(file, whole.subarray(0, length));
      await expect(opening(directory), `cut to ${length}`).rejects.toMatchObject({ code: "store_damaged" });
    }
  });

  it("with the last transaction's number changed it is store_damaged, not silently the state before", async () => {
    const { directory, file } = await madeStore();
    const content = await readFile(file);
    const newer = content.readBigUInt64LE(TRANSACTION_ID) > content.readBigUInt64LE(4096 + TRANSACTION_ID) ? 0 : 4096;
    content.writeBigUInt64LE(content.readBigUInt64LE(newer + TRANSACTION_ID) - 8n, newer + TRANSACTION_ID);
    await writeFile(file, content);
    await expect(opening(directory)).rejects.toMatchObject({ code: "store_damaged" });
  });

  it("with any bit flipped it is refused, or nothing is missing from it", async () => {
    const { directory, file, entries } = await madeStore();
    const { size } = await stat(file);
    const anywhere = Array.from({ length: 120 }, () => [randomInt(size), randomInt(8)]);
    const inPageHeaders = Array.from({ length: 180 }, () => [
      randomInt(size >> 12) * 4096 + randomInt(48),
      randomInt(8),
    ]);
    const flips = [...anywhere, ...inPageHeaders];
    const { code, signal, told } = await runChild("flipped", directory, JSON.stringify(flips)).ended;
    expect({ code, signal, last: told.length < flips.length ? flips[told.length] : undefined }).toEqual({
      code: 0,
      signal: null,
    });
    const outcomes = told as { opened: string; entries?: number; written?: string }[];
    const refused = outcomes.filter(({ opened }) => opened !== "ok");
    expect(refused.length).toBeGreaterThan(20);
    for (const { opened } of refused) expect(["store_damaged", "store_foreign", "store_future"]).toContain(opened);
    for (const outcome of outcomes) if (outcome.opened === "ok") expect(outcome.entries).toBe(entries);
  });
});

describe("a sound store", () => {
  it("may end before the last page that its header names, as LMDB leaves it when free pages stand there", async () => {
    const { directory, file, entries } = await madeStore();
    const content = await readFile(file);
    for (const page of [0, 4096]) content.writeBigUInt64LE(content.readBigUInt64LE(page + 144) + 5n, page + 144);
    await writeFile(file, content);
    const storage = await opening(directory);
    expect(await storage.read((tx) => tx.scan(everything))).toHaveLength(entries);
    await storage.close();
  });

  it("is taken as it is after any history of transactions", async () => {
    const directory = await temporaryDirectory();
    for (let round = 0; round < 60; round++) {
      const storage = await opening(directory, true);
      await storage.transact(async (tx) => {
        const keys = Array.from({ length: randomInt(60) }, () => bytes(`k${randomInt(300)}`));
        for (const key of keys) await tx.put(key, Buffer.alloc(randomInt(10) === 0 ? 20_000 : randomInt(1900)));
        const kept = Math.random();
        for (const key of keys) if (Math.random() > kept) await tx.delete(key);
      });
      await storage.close();
    }
    await (await opening(directory)).close();
  });

  it("can be opened while others write to it without pause", async () => {
    const directory = await temporaryDirectory();
    const writers = [runChild("increment", directory, "1500"), runChild("pairs", directory)];
    await writers[1]?.hasTold(1);
    const readers = Array.from({ length: 6 }, () => runChild("increment", directory, "1"));
    for (const reader of readers) expect(await reader.ended).toMatchObject({ code: 0, told: ["done"] });
    expect(await writers[0]?.ended).toMatchObject({ code: 0 });
  });
});
