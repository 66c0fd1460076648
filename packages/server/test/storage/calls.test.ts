import { executionAsyncResource } from "node:async_hooks";
import { setImmediate as turn } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import { createMemoryStorage } from "../../src/storage/memory.js";

const nothing = async () => undefined;
const bug = expect.objectContaining({ code: "bug" });

describe("calls inside of a running fn", () => {
  it("are made of another storage, and not of the same by way of another", async () => {
    const [here, there] = [createMemoryStorage(), createMemoryStorage()];
    await here.transact(async () => {
      await there.transact(nothing);
      await expect(there.read(() => here.read(nothing))).rejects.toEqual(bug);
      await expect(here.transact(nothing)).rejects.toEqual(bug);
      await expect(here.close()).rejects.toEqual(bug);
    });
    await here.transact(nothing);
  });

  it("are refused no more once it has ended, to what goes on behind it", async () => {
    const [here, there] = [createMemoryStorage(), createMemoryStorage()];
    const behind: Promise<unknown>[] = [];
    await here.transact(() =>
      there.transact(async () => {
        behind.push(turn().then(() => Promise.all([here.transact(nothing), there.transact(nothing)])));
      }),
    );
    await expect(Promise.all(behind)).resolves.toHaveLength(1);
  });

  it("are known by one context for all storages, however many a process has opened and closed", async () => {
    const contexts = () => Object.getOwnPropertySymbols(executionAsyncResource()).length;
    const counts = new Set<number>();
    for (let opened = 0; opened < 20; opened++) {
      const storage = createMemoryStorage();
      await storage.transact(async () => void counts.add(contexts()));
      await storage.close();
    }
    expect(Math.max(...counts)).toBeLessThan(10);
  });
});
