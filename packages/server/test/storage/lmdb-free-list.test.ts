import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { openLmdbStorage } from "../../src/storage/lmdb.js";
import { blocksOf, Pages } from "../../src/storage/lmdb-free-list.js";
import { HEADER_BYTES, PAGE_HEADER_BYTES, readMeta } from "../../src/storage/lmdb-header.js";
import { checkTrees } from "../../src/storage/lmdb-tree.js";
import { temporaryDirectory } from "./processes.js";

const PAGE = 4096;

/** Where a header has its two trees, their flags, the number of the last page, and that of its transaction. */
const at = { trees: 48, freeFlags: 52, mainFlags: 100, lastPage: 144, transaction: 152 } as const;

function listOf(...entries: number[]): Buffer {
  const list = Buffer.alloc(8 * (1 + entries.length));
  [entries.length, ...entries].forEach((entry, index) => {
    list.writeBigInt64LE(BigInt(entry), 8 * index);
  });
  return list;
}

/** A store that has been written to, as a rule until pages were freed. */
async function madeStore(rounds = 6) {
  const directory = await temporaryDirectory();
  const storage = await openLmdbStorage({ directory, create: true });
  for (let round = 0; round < rounds; round++) {
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

  it("and a tail of the file has none to lose once all of it has one", () => {
    const pages = new Pages(20);
    pages.place({ first: 17, count: 3 });
    expect(pages.hasAllFrom(17)).toBe(false);
    pages.place({ first: 20, count: 1 });
    expect([16, 17, 20, 21, 30].map((first) => pages.hasAllFrom(first))).toEqual([false, true, true, true, true]);
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

describe("a sound store is opened", () => {
  it("when the second commit of its life could not write its header, and left its trees in the first one", async () => {
    const { directory, file, content } = await madeStore(1);
    expect([0, PAGE].map((header) => content.readBigUInt64LE(header + at.transaction))).toEqual([0n, 1n]);
    content.copy(content, at.trees, PAGE + at.trees, PAGE + at.lastPage);
    expect(await outcome(directory, file, content)).toBe("ok");
  });

  it("but not when only the number of that commit is gone", async () => {
    const { directory, file, content } = await madeStore(2);
    expect([0, PAGE].map((header) => content.readBigUInt64LE(header + at.transaction))).toEqual([2n, 1n]);
    content.writeBigUInt64LE(0n, at.transaction);
    expect(await outcome(directory, file, content)).toBe("store_damaged");
  });
});

describe("a large file that ends before the last page of its header", () => {
  /** The store's file without its last page, and the pages read when its leaves are left out where they can be. */
  async function shortened(edit: (content: Buffer, free: number, missing: bigint) => void) {
    const { content } = await madeStore();
    const free = placesOfFreePages(content).find((place) => content.readBigInt64LE(place) > 0n);
    const { lastPage } = readMeta(content.subarray(0, HEADER_BYTES));
    for (const header of [0, PAGE]) content.writeBigUInt64LE(BigInt(lastPage + 1), header + at.lastPage);
    edit(content, free ?? 0, BigInt(lastPage + 1));
    const meta = readMeta(content.subarray(0, HEADER_BYTES));
    let read = 0;
    const readPage = (page: number, length = PAGE) => {
      read++;
      return content.subarray(page * PAGE, page * PAGE + length);
    };
    checkTrees({ meta, pages: lastPage + 1, readPage, leaves: false });
    return { read, leaves: meta.main.leafPages };
  }

  it("has its leaves left out when the missing pages are free ones", async () => {
    const { read, leaves } = await shortened((content, free, missing) => content.writeBigInt64LE(missing, free));
    expect(read).toBeLessThan(leaves);
  });

  it("has all pages looked at when they are not", async () => {
    const { read, leaves } = await shortened(() => {});
    expect(read).toBeGreaterThan(leaves);
  });
});
