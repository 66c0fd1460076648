import { PosternError } from "@postern/shared/errors";
import { describe, expect, it } from "vitest";
import { type RawWrites, runReads, runWrites } from "../../src/storage/guarded-transaction.js";
import type { ReadTransaction, WriteTransaction } from "../../src/storage/storage.js";

const key = Buffer.from("key");
const broken = new Error("the disk is gone");

const atOnce: RawWrites = { get: () => Buffer.from("value"), scan: () => [], put: () => undefined, delete: () => {} };
const later: RawWrites = {
  get: async () => undefined,
  scan: async () => [],
  put: async () => {},
  delete: async () => {},
};

function brokenAt(operation: keyof RawWrites, how: () => never | Promise<never>): RawWrites {
  return { ...atOnce, [operation]: how };
}

const operations: [keyof RawWrites, (tx: WriteTransaction) => unknown][] = [
  ["get", (tx) => tx.get(key)],
  ["scan", (tx) => tx.scan({ from: key, to: Buffer.from("kez") })],
  ["put", (tx) => tx.put(key, key)],
  ["delete", (tx) => tx.delete(key)],
];
const throwing = () => {
  throw broken;
};
const rejecting = () => Promise.reject(broken);
const failures = operations.flatMap(([name, operation]) =>
  [throwing, rejecting].map((how) => ({ name, how, told: how === throwing ? "at once" : "later", operation })),
);

describe("a transaction of a backend", () => {
  it("answers at once where the backend does, and later where it does not", async () => {
    await runReads(atOnce, (tx) => expect(tx.get(key)).toEqual(Buffer.from("value")));
    await runReads(later, (tx) => expect(tx.get(key)).toBeInstanceOf(Promise));
  });

  it.each(failures)("whose $name fails $told has rejected with store_failed", async ({ name, how, operation }) => {
    const failed = { code: "store_failed" };
    const running = runWrites(brokenAt(name, how), async (tx) => {
      const given = operation(tx);
      expect(given).toBeInstanceOf(Promise);
      await expect(given).rejects.toMatchObject(failed);
    });
    await expect(running).rejects.toMatchObject(failed);
  });

  it("fails with what failed first, however much goes well behind it", async () => {
    const first = new PosternError("busy");
    const raw = brokenAt("put", () => {
      throw first;
    });
    const swallowed = runWrites(raw, async (tx) => {
      await Promise.resolve(tx.put(key, key)).catch(() => undefined);
      await Promise.resolve(tx.get(Buffer.alloc(0))).catch(() => undefined);
      return tx.get(key);
    });
    await expect(swallowed).rejects.toBe(first);
  });

  it("is dead with its fn, by a rejection and not by a throw", async () => {
    let kept: ReadTransaction | undefined;
    await runReads(atOnce, (tx) => {
      kept = tx;
    });
    await expect(kept?.get(key)).rejects.toMatchObject({ code: "bug" });
  });
});
