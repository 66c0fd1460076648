import { type ErrorCode, PosternError } from "@postern/shared/errors";
import { expect } from "vitest";
import { type Barrier, createBarrier, openBarrier } from "../../src/barrier/barrier.js";
import { createMemoryStorage } from "../../src/storage/memory.js";
import type { Awaitable, Entry, ReadTransaction, Storage, WriteTransaction } from "../../src/storage/storage.js";

/** Argon2id at the least that it can cost, so that a test takes no half second for each password. */
export const cheap = { stretch: { memoryKiB: 8, passes: 1 } } as const;

export const password = Buffer.from("correct horse battery");

/** A new store in memory. */
export async function newStore(): Promise<{ storage: Storage; barrier: Barrier }> {
  const storage = createMemoryStorage();
  return { storage, barrier: await createBarrier(storage, password, cheap) };
}

export function open(storage: Storage, offered: Uint8Array = password): Promise<Barrier> {
  return openBarrier(storage, offered, cheap);
}

/** Everything that someone who stole the storage has. */
export function dump(storage: Storage): Promise<Entry[]> {
  return storage.read((tx) => tx.scan({ from: Buffer.alloc(0), to: Buffer.alloc(512, 0xff) }));
}

/** A storage that holds these entries. */
export async function storageOf(entries: readonly Entry[]): Promise<Storage> {
  const storage = createMemoryStorage();
  await storage.transact(async (tx) => {
    for (const { key, value } of entries) await tx.put(key, value);
  });
  return storage;
}

/** Puts a value past the barrier, as whoever can write the storage does. */
export function tamper(storage: Storage, key: Uint8Array, value: Uint8Array): Promise<void> {
  return storage.transact((tx) => tx.put(key, value));
}

export function expectCode(run: () => unknown, code: ErrorCode): void {
  expect(run).toThrow(expect.objectContaining({ name: "PosternError", code }));
}

export function rejectsWith(promise: Promise<unknown>, code: ErrorCode): Promise<void> {
  return expect(promise).rejects.toMatchObject({ name: "PosternError", code });
}

/** The code that a promise fails with, "resolved" when it does not. What is not a PosternError comes out. */
export async function codeOf(promise: Promise<unknown>): Promise<ErrorCode | "resolved"> {
  try {
    await promise;
    return "resolved";
  } catch (thrown) {
    if (thrown instanceof PosternError) return thrown.code;
    throw thrown;
  }
}

export class Cut extends Error {}

/**
 * A storage that, once armed, fails at its `step`-th step from then on. Every operation is a step, and so are the
 * moments before and after a commit: the power goes while a transaction is open, or once it is durable and before
 * anyone hears of it.
 */
export function cuttable(storage: Storage): Storage & { arm(step: number): void } {
  let left = Number.POSITIVE_INFINITY;
  const next = () => {
    if (--left === 0) throw new Cut("the power is gone");
  };
  const after = async <T>(operation: () => Awaitable<T>): Promise<T> => {
    next();
    return operation();
  };
  const reads = (tx: ReadTransaction): ReadTransaction => ({
    get: (key) => after(() => tx.get(key)),
    scan: (range) => after(() => tx.scan(range)),
  });
  const writes = (tx: WriteTransaction): WriteTransaction => ({
    ...reads(tx),
    put: (key, value) => after(() => tx.put(key, value)),
    delete: (key) => after(() => tx.delete(key)),
  });
  return {
    read: (fn) => storage.read((tx) => fn(reads(tx))),
    async transact(fn) {
      const value = await storage.transact(async (tx) => {
        const result = await fn(writes(tx));
        next();
        return result;
      });
      next();
      return value;
    },
    close: () => storage.close(),
    arm(step) {
      left = step;
    },
  };
}

/** A storage that runs every `fn` of a transaction twice, as one with conflicts does; the first run leaves nothing. */
export function rerunning(storage: Storage): Storage {
  class Conflict extends Error {}
  return {
    read: (fn) => storage.read(fn),
    async transact(fn) {
      const first = storage.transact(async (tx) => {
        await fn(tx);
        throw new Conflict();
      });
      await first.catch((thrown: unknown) => {
        if (!(thrown instanceof Conflict)) throw thrown;
      });
      return storage.transact(fn);
    },
    close: () => storage.close(),
  };
}
