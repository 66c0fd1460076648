import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { openLmdbStorage } from "../../src/storage/lmdb.js";
import { blocksOf, Pages } from "../../src/storage/lmdb-free-list.js";
import { HEADER_BYTES, PAGE_HEADER_BYTES, readMeta } from "../../src/storage/lmdb-header.js";
import { temporaryDirectory } from "./processes.js";

const PAGE = 4096;

/** Where a header has the flags of its two trees, and the number of the last page. */
const at = { freeFlags: 52, mainFlags: 100, lastPage: 144 } as const;

function listOf(...entries: number[]): Buffer {
  const list = Buffer.alloc(8 * (1 + entries.length));
  [entries.length, ...entries].forEach((entry, index) => {
    list.writeBigInt64LE(BigInt(entry), 8 * index);
  });
  return list;
}

/** A store that has been written to until pages were freed. */
async function madeStore() {
  const directory = await temporaryDirectory();
  const storage = await openLmdbStorage({ directory, create: true });
  for (let round = 0; round < 6; round++) {
    await storage.transact(async (tx) => {
      for (let i = 0; i < 40; i++) await tx.put(Buffer.of(1, i), Buffer.alloc(900, round));
    });
  }
  await storage.close();
  const file = join(directory, "store.mdb");
  return { directory, file, content: await readFile(file) };
}

async function outcome(directory: string, file: string, content: Buffer): Promise<string> {
  await writeFile(file, content);
  return openLmdbStorage({ directory, create: false }).then(
    (storage) => storage.close().then(() => "ok"),
    (error: { code: string }) => error.code,
  );
}

/** Where the entries of the first list of the free tree stand, which is one leaf here. */
function placesOfFreePages(content: Buffer): number[] {
  const { free } = readMeta(content.subarray(0, HEADER_BYTES));
  expect(free.depth).toBe(1);
  const leaf = (free.root ?? 0) * PAGE + PAGE_HEADER_BYTES;
  const node = leaf + content.readUInt16LE(leaf);
  const list = node + 8 + content.readUInt16LE(node + 6);
  const count = Number(content.readBigUInt64LE(list));
  expect(count).toBeGreaterThan(2);
  return Array.from({ length: count }, (_, index) => list + 8 * (1 + index));
}

describe("a list of free pages", () => {
  it("has pages, blocks behind their negative length, and gaps", () => {
    expect(blocksOf(listOf(7, 0, -3, 20, 5))).toEqual([
      { first: 7, count: 1 },
      { first: 20, count: 3 },
      { first: 5, count: 1 },
    ]);
    expect(blocksOf(listOf())).toEqual([]);
    expect(blocksOf(Buffer.concat([listOf(7), Buffer.alloc(16, 0xff)]))).toEqual([{ first: 7, count: 1 }]);
  });

  it("is damaged when it is longer than its data, or ends with a length", () => {
    for (const list of [Buffer.alloc(4), listOf(7, 8).subarray(0, 16), listOf(7, -3)]) {
      expect(() => blocksOf(list)).toThrow(expect.objectContaining({ code: "store_damaged" }));
    }
  });
});

describe("a page has one place", () => {
  it.each([
    ["a header", { first: 1, count: 1 }],
    ["one that has a place", { first: 9, count: 2 }],
    ["one behind the last", { first: 19, count: 3 }],
    ["a block of none", { first: 12, count: 0 }],
    ["one before the first", { first: -1, count: 1 }],
  ])("not %s", (_, block) => {
    const pages = new Pages(20);
    pages.place({ first: 10, count: 5 });
    pages.place({ first: 18, count: 1 });
    expect(() => pages.place(block)).toThrow(expect.objectContaining({ code: "store_damaged" }));
    pages.place({ first: 19, count: 2 });
  });
});

describe("a store that LMDB would open, and then ruin or die of, is store_damaged", () => {
  it("with a page in use among the free ones, or a free one twice, or one that is not there", async () => {
    const { directory, file, content } = await madeStore();
    const { main } = readMeta(content.subarray(0, HEADER_BYTES));
    const [first = 0, second = 0] = placesOfFreePages(content);
    for (const page of [BigInt(main.root ?? 0), content.readBigInt64LE(second), 1n, 2n ** 40n, -(2n ** 62n)]) {
      const edited = Buffer.from(content);
      edited.writeBigInt64LE(page, first);
      expect([page, await outcome(directory, file, edited)]).toEqual([page, "store_damaged"]);
    }
    expect(await outcome(directory, file, content)).toBe("ok");
  });

  it("with any bit of its trees' kinds flipped, or a high one of its last page's number", async () => {
    const { directory, file, content } = await madeStore();
    const bits = (field: number, from: number, count: number) =>
      Array.from({ length: count }, (_, index) => ({ field, bit: from + index }));
    for (const { field, bit } of [
      ...bits(at.freeFlags, 0, 16),
      ...bits(at.mainFlags, 0, 16),
      ...bits(at.lastPage, 24, 40),
    ]) {
      const edited = Buffer.from(content);
      for (const header of [0, PAGE]) {
        const byte = header + field + (bit >> 3);
        edited.writeUInt8(edited.readUInt8(byte) ^ (1 << (bit & 7)), byte);
      }
      expect([field, bit, await outcome(directory, file, edited)]).toEqual([field, bit, "store_damaged"]);
    }
  });
});
