import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import type { Entry } from "../../src/storage/storage.js";
import { open, storageOf } from "./support.js";

/** Made by golden-store.py from the documented layouts, with none of this code. */
const file = new URL("./golden-store.json", import.meta.url);
const golden: Record<string, string> = JSON.parse(readFileSync(file, "utf8"));
const hex = (text: string) => Buffer.from(text, "hex");
const entries: Entry[] = Object.entries(golden).map(([key, value]) => ({ key: hex(key), value: hex(value) }));

describe("a store of format 1, made by other means", () => {
  it("opens, in whichever term a record is sealed", async () => {
    const barrier = await open(await storageOf(entries), Buffer.from("zo\u00eb"));
    expect(barrier.storeId).toBe("a0a1a2a3a4a5a6a7a8a9aaabacadaeaf");
    await barrier.read(async (tx) => {
      expect(await tx.get(Buffer.from("color"))).toEqual(Buffer.from("green"));
      expect(await tx.get(Buffer.from("empty"))).toEqual(Buffer.alloc(0));
    });
    expect(await barrier.countTerms()).toEqual(
      new Map([
        [7, 1],
        [1, 1],
      ]),
    );
  });

  it("goes on with the term after its newest", async () => {
    const barrier = await open(await storageOf(entries), Buffer.from("zo\u00eb"));
    expect(await barrier.addTerm()).toBe(8);
    expect(await barrier.reseal({})).toMatchObject({ resealed: 2, cursor: undefined });
    expect(await barrier.dropUnusedTerms()).toEqual([1, 7]);
  });
});
