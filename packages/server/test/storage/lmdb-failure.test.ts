import { chmod, mkdir, readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { openLmdbStorage } from "../../src/storage/lmdb.js";
import { mapSizeWithin } from "../../src/storage/lmdb-environment.js";
import { Child, childPath, runChild, temporaryDirectory } from "./processes.js";

const bytes = (text: string) => Buffer.from(text, "latin1");
const GIB = 2 ** 30;

describe("opening", () => {
  it("refuses a directory or a file that is not there, unless it may make them", async () => {
    const directory = join(await temporaryDirectory(), "a", "b");
    await expect(openLmdbStorage({ directory, create: false })).rejects.toMatchObject({ code: "store_missing" });
    await mkdir(directory, { recursive: true });
    await expect(openLmdbStorage({ directory, create: false })).rejects.toMatchObject({ code: "store_missing" });
    expect(await readdir(directory)).toEqual([]);
  });

  it("makes directory and files for their owner only, whatever the umask", async () => {
    const directory = join(await temporaryDirectory(), "data");
    const storage = await openLmdbStorage({ directory, create: true });
    expect((await stat(directory)).mode & 0o777).toBe(0o700);
    for (const name of await readdir(directory)) expect((await stat(join(directory, name))).mode & 0o777).toBe(0o600);
    expect((await readdir(directory)).sort()).toEqual(["store.mdb", "store.mdb-lock"]);
    await storage.close();
  });

  it("finds again what was there before", async () => {
    const directory = await temporaryDirectory();
    const first = await openLmdbStorage({ directory, create: true });
    await first.transact((tx) => tx.put(bytes("a"), bytes("1")));
    await first.close();
    const second = await openLmdbStorage({ directory, create: true });
    expect(await second.read((tx) => tx.get(bytes("a")))).toEqual(bytes("1"));
    await second.close();
  });

  it("is refused a second time in one process, whose locks LMDB could not tell apart", async () => {
    const directory = await temporaryDirectory();
    const storage = await openLmdbStorage({ directory, create: true });
    await expect(openLmdbStorage({ directory, create: true })).rejects.toMatchObject({ code: "store_failed" });
    await storage.close();
    await (await openLmdbStorage({ directory, create: false })).close();
  });

  it("is store_unwritable for a directory or a file that may not be written", async () => {
    const directory = await temporaryDirectory();
    await chmod(directory, 0o555);
    expect((await runChild("unprivileged", directory, "true").ended).told).toEqual(["store_unwritable"]);
    await chmod(directory, 0o777);
    await (await openLmdbStorage({ directory, create: true })).close();
    for (const name of await readdir(directory)) await chmod(join(directory, name), 0o444);
    expect((await runChild("unprivileged", directory, "false").ended).told).toEqual(["store_unwritable"]);
  });

  it("is store_unwritable when the disk has no room to begin", async () => {
    const directory = await temporaryDirectory();
    const full = async () => ({ type: 0xef53, bsize: 4096, bavail: 10 });
    const opening = openLmdbStorage({ directory, create: true, fileSystemOf: full });
    await expect(opening).rejects.toMatchObject({ code: "store_unwritable" });
    expect(await readdir(directory)).toEqual([]);
  });

  it("tells what the operator should hear of", async () => {
    const directory = await temporaryDirectory();
    await chmod(directory, 0o755);
    const warnings: string[] = [];
    await (await openLmdbStorage({ directory, create: true, warn: (warning) => warnings.push(warning) })).close();
    expect(warnings).toEqual([expect.stringContaining("chmod 700")]);
  });
});

describe("the map", () => {
  it("is 64 GiB, or fits into what the process may use", () => {
    expect(mapSizeWithin(Number.POSITIVE_INFINITY)).toBe(64 * GIB);
    expect(mapSizeWithin(8 * GIB)).toBe(4 * GIB);
    expect(mapSizeWithin(-1)).toBe(2 ** 20);
  });

  it("lets a store open and fill under `ulimit -v`", async () => {
    const directory = await temporaryDirectory();
    const limited = `ulimit -v 6000000; exec "$0" "$@"`;
    const args = ["-c", limited, process.execPath, childPath("increment"), directory, "20"];
    expect(await new Child("bash", args).ended).toMatchObject({ code: 0, told: ["done"] });
  });

  it("grows when it was too small", async () => {
    const directory = await temporaryDirectory();
    const storage = await openLmdbStorage({ directory, create: true, mapSize: 2 ** 20 });
    for (let i = 0; i < 40; i++) await storage.transact((tx) => tx.put(bytes(`k${i}`), Buffer.alloc(100_000, i)));
    for (let i = 0; i < 40; i++) {
      expect((await storage.read((tx) => tx.get(bytes(`k${i}`))))?.equals(Buffer.alloc(100_000, i))).toBe(true);
    }
    await storage.close();
  });
});

describe("a disk that takes no more", () => {
  it("fails every call of the batch with store_failed, loses nothing before, and goes on when there is room", async () => {
    const directory = await temporaryDirectory();
    const limited = `ulimit -f 2000; exec "$0" "$@"`;
    const child = new Child("bash", ["-c", limited, process.execPath, childPath("limited"), directory]);
    const { code, told } = await child.ended;
    expect(code).toBe(0);
    expect(told).toHaveLength(1);
    const [report] = told as [{ stored: number; finally: number }];
    expect(report.stored).toBeGreaterThan(10);
    expect(report).toMatchObject({
      alone: "ok",
      together: ["store_failed", "store_failed", "own error"],
      reading: "ok",
      afterFailure: report.stored,
      freed: "ok",
      again: "ok",
      finally: report.stored - 1,
    });
    const storage = await openLmdbStorage({ directory, create: false });
    const kept = await storage.read((tx) => tx.scan({ from: bytes("k"), to: bytes("l") }));
    expect(kept).toHaveLength(report.stored - 1);
    expect(await storage.read((tx) => tx.get(bytes("again")))).toHaveLength(10_000);
    await storage.close();
  });
});
