import { describe, expect, it } from "vitest";
import type { Barrier } from "../../src/barrier/barrier.js";
import { termOf } from "../../src/barrier/envelope.js";
import { KEYRING_KEY } from "../../src/barrier/storage-keys.js";
import { Cut, cuttable, dump, newStore, open, rejectsWith, storageOf, tamper } from "./support.js";

const keyOf = (i: number) => Buffer.from(`record ${String(i).padStart(4, "0")}`);
const contentOf = (i: number) => Buffer.from(`value ${i}`);

async function fill(barrier: Barrier, count: number): Promise<void> {
  await barrier.transact(async (tx) => {
    for (let i = 0; i < count; i++) await tx.put(keyOf(i), contentOf(i));
  });
}

async function expectFilled(barrier: Barrier, count: number): Promise<void> {
  const entries = await barrier.read((tx) => tx.scan({}));
  expect(entries).toEqual(Array.from({ length: count }, (_, i) => ({ key: keyOf(i), value: contentOf(i) })));
}

async function resealAll(barrier: Barrier, batch: number): Promise<number[]> {
  const resealed: number[] = [];
  let cursor: Buffer | undefined;
  do {
    const progress = await barrier.reseal({}, { cursor, batch });
    resealed.push(progress.resealed);
    cursor = progress.cursor;
  } while (cursor !== undefined);
  return resealed;
}

describe("rekey", () => {
  it("seals in the new term from then on, and still reads the old", async () => {
    const { storage, barrier } = await newStore();
    await fill(barrier, 2);
    expect(await barrier.addTerm()).toBe(2);
    await barrier.transact((tx) => tx.put(keyOf(1), contentOf(1)));
    await expectFilled(barrier, 2);
    const records = (await dump(storage)).filter((entry) => entry.key[0] === 1);
    expect(records.map((entry) => termOf(entry.value))).toEqual([1, 2]);
  });

  it.each([1, 3, 10, 11])("re-seals everything, in batches of %i", async (batch) => {
    const { storage, barrier } = await newStore();
    await fill(barrier, 10);
    await barrier.addTerm();
    const resealed = await resealAll(barrier, batch);
    expect(resealed.reduce((sum, count) => sum + count, 0)).toBe(10);
    expect(Math.max(...resealed)).toBeLessThanOrEqual(batch);
    expect(await barrier.countTerms()).toEqual(new Map([[2, 10]]));
    await expectFilled(await open(storage), 10);
  });

  it("re-seals the given range only", async () => {
    const { barrier } = await newStore();
    await fill(barrier, 10);
    await barrier.addTerm();
    expect(await barrier.reseal({ from: keyOf(2), to: keyOf(5) })).toEqual({ resealed: 3, cursor: undefined });
    expect(await barrier.countTerms()).toEqual(
      new Map([
        [1, 7],
        [2, 3],
      ]),
    );
  });

  it("cut anywhere and begun again, comes to the same end", async () => {
    const made = await newStore();
    await fill(made.barrier, 7);
    const entries = await dump(made.storage);
    let cuts = 0;
    for (let step = 1, done = false; !done; step++) {
      const storage = await storageOf(entries);
      const cut = cuttable(storage);
      const barrier = await open(cut);
      cut.arm(step);
      const rekey = async (of: Barrier) => {
        await of.addTerm();
        await resealAll(of, 3);
        await of.dropUnusedTerms();
      };
      done = await rekey(barrier).then(
        () => true,
        (thrown: unknown) => {
          expect(thrown).toBeInstanceOf(Cut);
          return false;
        },
      );
      cuts++;
      cut.arm(Number.POSITIVE_INFINITY);
      await expectFilled(barrier, 7);
      const after = await open(storage);
      await expectFilled(after, 7);
      await rekey(after);
      expect((await after.countTerms()).size).toBe(1);
      await expectFilled(after, 7);
      await expectFilled(barrier, 7);
    }
    expect(cuts).toBeGreaterThan(20);
  });

  it("passes over what an earlier run has done", async () => {
    const { storage, barrier } = await newStore();
    await fill(barrier, 6);
    await barrier.addTerm();
    const { cursor } = await barrier.reseal({}, { batch: 4 });
    const half = await dump(storage);
    expect(await resealAll(await open(storage), 10)).toEqual([2]);
    const whole = await dump(storage);
    const same = whole.filter((entry, i) => entry.value.equals(half[i]?.value ?? Buffer.alloc(0)));
    expect(same).toHaveLength(2 + 4);
    expect(cursor).toEqual(keyOf(3));
  });

  it("leaves the batch of a damaged record as it was, and names its key", async () => {
    const { storage, barrier } = await newStore();
    await fill(barrier, 3);
    await barrier.addTerm();
    const damagedKey = Buffer.concat([Buffer.of(1), keyOf(1)]);
    await tamper(storage, damagedKey, Buffer.concat([Buffer.from([1, 0, 0, 0, 1]), Buffer.alloc(60)]));
    const before = await dump(storage);
    await expect(barrier.reseal({})).rejects.toThrow(damagedKey.toString("hex"));
    expect(await dump(storage)).toEqual(before);
  });
});

describe("two processes over one storage", () => {
  it("meet a term they do not know, ask for the keyring in the same transaction, and go on", async () => {
    const { storage, barrier } = await newStore();
    const other = await open(storage);
    await fill(other, 3);
    await barrier.addTerm();
    await resealAll(barrier, 10);
    await expectFilled(other, 3);
    expect(await other.read((tx) => tx.get(keyOf(0)))).toEqual(contentOf(0));
  });

  it("never seal in a term that the other has ended, though nothing told them", async () => {
    const { storage, barrier } = await newStore();
    const other = await open(storage);
    await barrier.addTerm();
    await fill(other, 3);
    expect(await barrier.countTerms()).toEqual(new Map([[2, 3]]));
    expect(await barrier.dropUnusedTerms()).toEqual([1]);
    await fill(other, 4);
    await expectFilled(barrier, 4);
    await expectFilled(await open(storage), 4);
  });

  it("number their terms one after another", async () => {
    const { storage, barrier } = await newStore();
    const other = await open(storage);
    const numbers = await Promise.all([barrier, other, barrier, other].map((each) => each.addTerm()));
    expect(numbers).toEqual([2, 3, 4, 5]);
    await fill(barrier, 1);
    await expectFilled(other, 1);
  });

  it("are not misled by a keyring whose transaction never became durable", async () => {
    const { storage, barrier } = await newStore();
    const entries = await dump(storage);
    // The barrier has seen a term 2 that a crash of the storage took back; another process then adds its own term 2.
    await barrier.addTerm();
    await fill(barrier, 1);
    const [keyring] = entries.filter((entry) => entry.key.equals(KEYRING_KEY));
    await tamper(storage, KEYRING_KEY, keyring?.value ?? Buffer.alloc(0));
    const other = await open(storage);
    expect(await other.addTerm()).toBe(2);
    await fill(other, 2);
    await expectFilled(barrier, 2);
    await fill(barrier, 3);
    await expectFilled(other, 3);
  });

  it("call a record damaged only after asking the stored keyring", async () => {
    const { storage, barrier } = await newStore();
    await tamper(storage, Buffer.concat([Buffer.of(1), keyOf(0)]), Buffer.from([1, 0, 0, 0, 9, ...Buffer.alloc(60)]));
    await rejectsWith(
      barrier.read((tx) => tx.get(keyOf(0))),
      "store_damaged",
    );
  });
});

describe("dropping old terms", () => {
  it("keeps those that still seal a record, and the active one", async () => {
    const { storage, barrier } = await newStore();
    await fill(barrier, 1);
    await barrier.addTerm();
    await barrier.addTerm();
    expect(await barrier.dropUnusedTerms()).toEqual([2]);
    expect(await barrier.dropUnusedTerms()).toEqual([]);
    await expectFilled(await open(storage), 1);
    await resealAll(barrier, 1);
    expect(await barrier.dropUnusedTerms()).toEqual([1]);
    await expectFilled(await open(storage), 1);
  });

  it("keeps the term that was active when it began, in which others may have sealed meanwhile", async () => {
    const { storage } = await newStore();
    const other = await open(storage);
    let reads = 0;
    const interrupted = await open({
      ...storage,
      read: async (fn) => {
        const value = await storage.read(fn);
        // After opening (1), the keyring (2) and the only batch of the count (3): a record in term 1, then term 2.
        if (++reads === 3) {
          await fill(other, 1);
          await other.addTerm();
        }
        return value;
      },
    });
    expect(await interrupted.dropUnusedTerms()).toEqual([]);
    expect(reads).toBe(3);
    await expectFilled(await open(storage), 1);
  });
});
