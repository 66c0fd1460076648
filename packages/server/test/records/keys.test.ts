import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { nextAfter, prefixes, recordKey, recordRange } from "../../src/records/keys.js";
import { createMemoryStorage } from "../../src/storage/memory.js";

const keysOf = (entries: readonly { key: Buffer }[]) => entries.map(({ key }) => key.toString("hex"));

describe("a scan in pages", () => {
  it("goes on just behind its last key, and ends when a page is not full", () => {
    const entries = [{ key: Buffer.from("a") }, { key: Buffer.from("b") }];
    expect(nextAfter(entries, 2)).toEqual(Buffer.from("b\0"));
    expect(nextAfter(entries, 3)).toBeUndefined();
    expect(nextAfter([], 1)).toBeUndefined();
  });

  it("meets every key of its kind once, whatever the keys and the size of a page", async () => {
    const parts = fc.uniqueArray(fc.uint8Array({ minLength: 0, maxLength: 3 }), {
      selector: (part) => Buffer.from(part).toString("hex"),
    });
    await fc.assert(
      fc.asyncProperty(parts, fc.integer({ min: 1, max: 4 }), async (suffixes, limit) => {
        const storage = createMemoryStorage();
        const keys = suffixes.map((suffix) => recordKey("session", suffix));
        await storage.transact(async (tx) => {
          for (const key of [...keys, recordKey("account"), recordKey("strangerCounter")]) await tx.put(key, key);
        });
        const met: string[] = [];
        let after: Buffer | undefined = recordRange("session").from;
        while (after !== undefined) {
          const range = { ...recordRange("session"), from: after, limit };
          const entries = await storage.read((tx) => tx.scan(range));
          met.push(...keysOf(entries));
          after = nextAfter(entries, limit);
        }
        expect(met).toEqual(keysOf(keys.map((key) => ({ key }))).sort());
      }),
    );
  });
});

describe("the range of a record's kind", () => {
  it("ends behind parts of 0xff too, and holds nothing of the next kind", () => {
    const { from, to } = recordRange("session", Buffer.of(0xff, 0xff));
    expect(Buffer.compare(from, recordKey("session", Buffer.of(0xff, 0xff)))).toBe(0);
    expect(Buffer.compare(recordKey("session", Buffer.of(0xff, 0xff, 0xff)), to)).toBe(-1);
    expect(Buffer.compare(to, recordKey("strangerCounter"))).toBeLessThanOrEqual(0);
  });
});

it("no two kinds of record stand under one byte, and the first and last of them are free", () => {
  const bytes = Object.values(prefixes);
  expect(new Set(bytes).size).toBe(bytes.length);
  for (const byte of bytes) expect(byte > 0 && byte < 0xff).toBe(true);
});
