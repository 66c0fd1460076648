import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { openLmdbStorage } from "../../src/storage/lmdb.js";
import { replaceLmdbStore } from "../../src/storage/lmdb-replace.js";
import type { Storage } from "../../src/storage/storage.js";
import { codeOf, rejectsWith } from "../barrier/support.js";
import { runChild, temporaryDirectory } from "./processes.js";

const what = Buffer.from("what");
const mapSize = 2 ** 24;

async function makeStore(directory: string, text: string): Promise<void> {
  const storage = await openLmdbStorage({ directory, create: true, mapSize });
  await put(storage, text);
  await storage.close();
}

const put = (storage: Storage, text: string) => storage.transact((tx) => tx.put(what, Buffer.from(text)));

async function contentOf(directory: string): Promise<string | undefined> {
  const storage = await openLmdbStorage({ directory, create: false, mapSize });
  const value = await storage.read((tx) => tx.get(what));
  await storage.close();
  return value?.toString();
}

const replaceBy = (directory: string, text: string, replace = true) =>
  replaceLmdbStore({ directory, replace, time: Date.UTC(2026, 10, 21, 6, 20) }, (temporary) =>
    makeStore(temporary, text),
  );

/** Opens a file that was put aside, as an operator would. */
async function contentOfFile(file: string): Promise<string | undefined> {
  const directory = await temporaryDirectory();
  writeFileSync(join(directory, "store.mdb"), readFileSync(file));
  return contentOf(directory);
}

describe("replacing a store", () => {
  it("puts the new one in its place, keeps the old one under a dated name, and leaves nothing else", async () => {
    const directory = await temporaryDirectory();
    await makeStore(directory, "old");
    const { replaced } = await replaceBy(directory, "new");
    expect(replaced).toBe(join(directory, "store.mdb.replaced-2026-11-21T06-20-00Z"));
    expect(await contentOf(directory)).toBe("new");
    expect(await contentOfFile(replaced ?? "")).toBe("old");
    expect((await replaceBy(directory, "newer")).replaced).toBe(`${replaced}-2`);
    expect(await contentOf(directory)).toBe("newer");
    const names = ["", "-lock", ".replaced-2026-11-21T06-20-00Z", ".replaced-2026-11-21T06-20-00Z-2"];
    expect(readdirSync(directory).sort()).toEqual(names.map((name) => `store.mdb${name}`));
  });

  it("makes one where there is none, also a directory", async () => {
    const directory = join(await temporaryDirectory(), "data");
    expect((await replaceBy(directory, "new", false)).replaced).toBeUndefined();
    expect(await contentOf(directory)).toBe("new");
  });

  it("is refused where there is one and it may not be, and when the new one cannot be made; nothing changes", async () => {
    const directory = await temporaryDirectory();
    await makeStore(directory, "old");
    await rejectsWith(replaceBy(directory, "new", false), "store_exists");
    const failing = replaceLmdbStore({ directory, replace: true, time: 0 }, async (temporary) => {
      await makeStore(temporary, "half");
      throw new Error("it does not verify");
    });
    await expect(failing).rejects.toThrow("it does not verify");
    expect(await contentOf(directory)).toBe("old");
    expect(readdirSync(directory).sort()).toEqual(["store.mdb", "store.mdb-lock"]);
  });

  it("touches no file that is not sound: that has to be moved away by whoever knows what it is", async () => {
    const directory = await temporaryDirectory();
    const file = join(directory, "store.mdb");
    for (const [bytes, code] of [
      [Buffer.alloc(0), "store_damaged"],
      [Buffer.alloc(20_000, "something else"), "store_foreign"],
    ] as const) {
      writeFileSync(file, bytes);
      await rejectsWith(replaceBy(directory, "new"), code);
      expect(readFileSync(file)).toEqual(bytes);
    }
    await expect(
      (async () => {
        writeFileSync(file, Buffer.alloc(0));
        await replaceBy(directory, "new");
      })(),
    ).rejects.toThrow("move it elsewhere");
    renameSync(file, join(directory, "elsewhere"));
    await replaceBy(directory, "new", false);
    expect(await contentOf(directory)).toBe("new");
  });

  it("killed at any step, leaves the old one or the new one, whole, and the next one goes through", async () => {
    const base = await temporaryDirectory();
    const outcomes: (string | undefined)[] = [];
    for (let step = 1; ; step++) {
      const directory = join(base, String(step));
      mkdirSync(directory);
      await makeStore(directory, "old");
      const { signal, told } = await runChild("replacing", directory, String(step)).ended;
      const content = await contentOf(directory);
      outcomes.push(content);
      await replaceBy(directory, "newer");
      expect(await contentOf(directory)).toBe("newer");
      const kept = readdirSync(directory).filter((name) => name.includes("replaced"));
      const contents = await Promise.all(kept.map((name) => contentOfFile(join(directory, name))));
      expect(contents.sort()).toEqual(content === "old" ? ["old"] : ["new", "old"]);
      expect(readdirSync(directory).filter((name) => name.startsWith("."))).toEqual([]);
      if (signal === null) {
        expect(told).toEqual([{ steps: step - 1, replaced: expect.stringContaining("1970-01-01") }]);
        break;
      }
      expect(signal).toBe("SIGKILL");
    }
    expect(outcomes.length).toBeGreaterThan(8);
    expect(outcomes).toEqual([...outcomes.filter((one) => one === "old"), ...outcomes.filter((one) => one === "new")]);
  });
});

describe("being alone with a store", () => {
  it("is refused while another process has it open, with its id; not once that is killed", async () => {
    const directory = await temporaryDirectory();
    await makeStore(directory, "old");
    const holder = runChild("holding", directory);
    await holder.hasTold(1);
    await rejectsWith(replaceBy(directory, "new"), "store_in_use");
    await expect(replaceBy(directory, "new")).rejects.toThrow(String(holder.process.pid));
    const own = await openLmdbStorage({ directory, create: false, mapSize });
    await rejectsWith(
      own.alone(async () => "never"),
      "store_in_use",
    );
    holder.process.kill("SIGKILL");
    await holder.ended;
    expect(await own.alone(async () => "alone")).toBe("alone");
    await own.close();
    await replaceBy(directory, "new");
    expect(await contentOf(directory)).toBe("new");
  });

  it("keeps everybody else from opening it, and from being alone with it, until it has ended or was killed", async () => {
    const directory = await temporaryDirectory();
    await makeStore(directory, "old");
    const restorer = runChild("replacing", directory, "wait");
    await restorer.hasTold(1);
    expect(await codeOf(contentOf(directory))).toBe("store_in_use");
    expect(await codeOf(replaceBy(directory, "mine"))).toBe("store_in_use");
    restorer.process.kill("SIGKILL");
    await restorer.ended;
    expect(await contentOf(directory)).toBe("old");
    await replaceBy(directory, "mine");
    expect(await contentOf(directory)).toBe("mine");
  });

  it("is not kept from anybody by the notice of a process that has ended, though another has its id by now", async () => {
    const directory = await temporaryDirectory();
    await makeStore(directory, "old");
    const notice = join(directory, "store.mdb-alone");
    writeFileSync(notice, `${process.pid} another-run-of-the-machine:1 00\n`);
    expect(await contentOf(directory)).toBe("old");
    await replaceBy(directory, "new");
    expect(await contentOf(directory)).toBe("new");
    expect(existsSync(notice)).toBe(false);
  });

  it("ends without taking away what another one has put there meanwhile", async () => {
    const directory = await temporaryDirectory();
    const storage = await openLmdbStorage({ directory, create: true, mapSize });
    const notice = join(directory, "store.mdb-alone");
    await storage.alone(async () => writeFileSync(notice, "1 another 00\n"));
    expect(existsSync(notice)).toBe(true);
    await storage.close();
  });

  it("leaves no notice when what it was for fails", async () => {
    const directory = await temporaryDirectory();
    const storage = await openLmdbStorage({ directory, create: true, mapSize });
    await expect(storage.alone(() => Promise.reject(new Error("no")))).rejects.toThrow("no");
    expect(existsSync(join(directory, "store.mdb-alone"))).toBe(false);
    await storage.close();
  });
});

describe("a file that was moved, or replaced, while it is open", () => {
  it("takes no more transactions: what they wrote would be lost", async () => {
    const directory = await temporaryDirectory();
    const storage = await openLmdbStorage({ directory, create: true, mapSize });
    await put(storage, "one");
    const file = join(directory, "store.mdb");
    renameSync(file, join(directory, "elsewhere"));
    await rejectsWith(put(storage, "two"), "store_failed");
    await rejectsWith(put(storage, "two"), "store_failed");
    await rejectsWith(
      storage.read(async () => "what was there"),
      "store_failed",
    );
    expect(existsSync(file)).toBe(false);
    await makeStore(directory, "another");
    await rejectsWith(put(storage, "two"), "store_failed");
    await storage.close();
    expect(await contentOf(directory)).toBe("another");
    expect(await contentOfFile(join(directory, "elsewhere"))).toBe("one");
  });
});
