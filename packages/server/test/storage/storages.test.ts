import { describe, expect, it, onTestFinished } from "vitest";
import { randomOf } from "../../../../test/support/crash-random.js";
import { compareStorages } from "../../../../test/support/storages.js";
import { openLmdbStorage } from "../../src/storage/lmdb.js";
import { createMemoryStorage } from "../../src/storage/memory.js";
import type { ReadTransaction, Storage } from "../../src/storage/storage.js";
import { bytes, newStore, openOn } from "./postgres-support.js";
import { temporaryDirectory } from "./processes.js";

describe("LMDB, memory and PostgreSQL", () => {
  it("do not differ in 2,000 random operations, at once and one after another, by one node and by two", async () => {
    const lmdb = await openLmdbStorage({ directory: await temporaryDirectory(), create: true, mapSize: 2 ** 28 });
    onTestFinished(() => lmdb.close());
    const { url, storage } = await newStore();
    const stores = [
      { name: "memory", nodes: [createMemoryStorage()] },
      { name: "lmdb", nodes: [lmdb] },
      { name: "postgres", nodes: [storage, await openOn(url)] },
    ];
    await compareStorages(stores, randomOf(20_26), 2_000);
  });

  it("let no two transactions each decide by what the other one changes, on one node or on two", async () => {
    const { url, storage } = await newStore();
    const nodes = [storage, await openOn(url)];
    const oncall = (tx: ReadTransaction, pair: number) =>
      Promise.all(["x", "y"].map(async (side) => (await tx.get(bytes(`${side}${pair}`)))?.toString() !== "away"));
    const leave = (node: Storage, pair: number, side: number) =>
      node.transact(async (tx) => {
        const [x, y] = await oncall(tx, pair);
        if (x && y) await tx.put(bytes(`${"xy"[side]}${pair}`), bytes("away"));
      });
    const pairs = Array.from({ length: 30 }, (_, pair) => pair);
    await Promise.all(
      pairs.flatMap((pair) => [0, 1].map((side) => leave(nodes[(pair + side) % 2] as Storage, pair, side))),
    );
    for (const pair of pairs) {
      const left = await storage.read((tx) => oncall(tx, pair));
      expect(left.filter(Boolean)).toHaveLength(1);
    }
  });
});
