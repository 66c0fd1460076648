import { createHash } from "node:crypto";
import { setImmediate as turn } from "node:timers/promises";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import {
  type Awaitable,
  type Entry,
  type KeyRange,
  MAX_KEY_BYTES,
  MAX_VALUE_BYTES,
  type Storage,
  type WriteTransaction,
} from "../../src/storage/storage.js";

/** A fresh, empty storage, and how to remove what it left. */
export interface OpenedStorage {
  readonly storage: Storage;
  remove(): Promise<void>;
}

const bytes = (text: string) => Buffer.from(text, "latin1");
const everything: KeyRange = { from: Buffer.alloc(0), to: Buffer.alloc(MAX_KEY_BYTES, 0xff) };
const texts = (entries: Entry[]) => entries.map(({ key, value }) => `${key.toString("latin1")}=${value}`);

/** A promise to be resolved from outside, to hold a transaction open. */
function gate() {
  let open = () => {};
  const opened = new Promise<void>((resolve) => {
    open = resolve;
  });
  return { opened, open };
}

async function turns(count: number) {
  for (let i = 0; i < count; i++) await turn();
}

/** Every sentence of the Storage interface, as tests over one implementation. */
export function storageConformance(name: string, openStorage: () => Promise<OpenedStorage>): void {
  describe(`${name} keeps the promises of Storage`, () => {
    let opened: OpenedStorage;
    let storage: Storage;

    beforeEach(async () => {
      opened = await openStorage();
      storage = opened.storage;
    });

    afterEach(async () => {
      await storage.close();
      await opened.remove();
    });

    const put = (key: string, value: string) => storage.transact((tx) => tx.put(bytes(key), bytes(value)));
    const get = async (key: string) => (await storage.read((tx) => tx.get(bytes(key))))?.toString("latin1");
    const scan = async (range: KeyRange) => texts(await storage.read((tx) => tx.scan(range)));

    async function increment(tx: WriteTransaction, key = bytes("counter")) {
      const next = Number((await tx.get(key)) ?? 0) + 1;
      await tx.put(key, bytes(String(next)));
      return next;
    }

    describe("values", () => {
      it("gives back what was put, and undefined for what never was", async () => {
        await put("a", "1");
        expect(await get("a")).toBe("1");
        expect(await get("b")).toBeUndefined();
      });

      it("replaces a value, and deletes it", async () => {
        await put("a", "1");
        await put("a", "2");
        expect(await get("a")).toBe("2");
        await storage.transact((tx) => tx.delete(bytes("a")));
        expect(await get("a")).toBeUndefined();
      });

      it("takes the deletion of what is not there", async () => {
        await expect(storage.transact((tx) => tx.delete(bytes("nothing")))).resolves.toBeUndefined();
      });

      it("tells an empty value from none", async () => {
        await put("empty", "");
        expect(await storage.read((tx) => tx.get(bytes("empty")))).toEqual(Buffer.alloc(0));
        expect(await scan(everything)).toEqual(["empty="]);
      });

      it("keeps every byte of keys and values", async () => {
        const all = Buffer.from(Array.from({ length: 256 }, (_, i) => i));
        await storage.transact((tx) => tx.put(all, all));
        const [entry] = await storage.read((tx) => tx.scan(everything));
        expect(entry).toEqual({ key: all, value: all });
      });

      it("answers with the value that fn returns", async () => {
        expect(await storage.transact(async () => 7)).toBe(7);
        expect(await storage.read(async () => 8)).toBe(8);
      });

      it("lets transact only read", async () => {
        await put("a", "1");
        expect(await storage.transact((tx) => tx.get(bytes("a")))).toEqual(bytes("1"));
      });
    });

    describe("ranges", () => {
      beforeEach(() =>
        storage.transact(async (tx) => {
          for (const key of ["b", "a\xff", "a", "\xff", "ab", "c", "B"]) await tx.put(bytes(key), bytes("v"));
        }),
      );

      it("come in the order of bytes, a prefix before what it begins", async () => {
        expect(await scan(everything)).toEqual(["B=v", "a=v", "ab=v", "a\xff=v", "b=v", "c=v", "\xff=v"]);
      });

      it("include `from` and exclude `to`, in both directions", async () => {
        const range = { from: bytes("a"), to: bytes("b") };
        expect(await scan(range)).toEqual(["a=v", "ab=v", "a\xff=v"]);
        expect(await scan({ ...range, reverse: true })).toEqual(["a\xff=v", "ab=v", "a=v"]);
      });

      it("need no ends that exist", async () => {
        const range = { from: bytes("aa"), to: bytes("bb") };
        expect(await scan(range)).toEqual(["ab=v", "a\xff=v", "b=v"]);
        expect(await scan({ ...range, reverse: true })).toEqual(["b=v", "a\xff=v", "ab=v"]);
      });

      it("stop at `limit`, from the end that they begin at", async () => {
        expect(await scan({ ...everything, limit: 2 })).toEqual(["B=v", "a=v"]);
        expect(await scan({ ...everything, limit: 2, reverse: true })).toEqual(["\xff=v", "c=v"]);
        expect(await scan({ ...everything, limit: 0 })).toEqual([]);
        expect(await scan({ ...everything, limit: 100 })).toHaveLength(7);
      });

      it("are empty when nothing lies in them, or `to` is not above `from`", async () => {
        for (const reverse of [false, true]) {
          expect(await scan({ from: bytes("d"), to: bytes("e"), reverse })).toEqual([]);
          expect(await scan({ from: bytes("a"), to: bytes("a"), reverse })).toEqual([]);
          expect(await scan({ from: bytes("c"), to: bytes("a"), reverse })).toEqual([]);
        }
      });

      it("show a transaction its own writes and deletions", async () => {
        const seen = await storage.transact(async (tx) => {
          await tx.delete(bytes("ab"));
          await tx.put(bytes("aa"), bytes("new"));
          return texts(await tx.scan({ from: bytes("a"), to: bytes("b"), reverse: true, limit: 2 }));
        });
        expect(seen).toEqual(["a\xff=v", "aa=new"]);
      });

      it("refuse a limit that is not a whole number", async () => {
        for (const limit of [-1, 1.5, Number.NaN]) {
          await expect(scan({ ...everything, limit })).rejects.toMatchObject({ code: "bug" });
        }
      });
    });

    describe("a throw", () => {
      it("leaves nothing, and comes out as it is", async () => {
        const error = new Error("mine");
        const failing = storage.transact(async (tx) => {
          await tx.put(bytes("a"), bytes("1"));
          throw error;
        });
        await expect(failing).rejects.toBe(error);
        expect(await get("a")).toBeUndefined();
      });

      it("leaves nothing when it comes synchronously, or in the middle of many writes", async () => {
        await put("kept", "1");
        const synchronous = storage.transact(() => {
          throw new Error("at once");
        });
        await expect(synchronous).rejects.toThrow("at once");
        const late = storage.transact(async (tx) => {
          for (let i = 0; i < 500; i++) await tx.put(bytes(`k${i}`), Buffer.alloc(500, i));
          await tx.delete(bytes("kept"));
          throw new Error("late");
        });
        await expect(late).rejects.toThrow("late");
        expect(await scan(everything)).toEqual(["kept=1"]);
      });

      it("touches no other call made at the same moment", async () => {
        const results = await Promise.allSettled(
          Array.from({ length: 300 }, (_, i) =>
            storage.transact(async (tx) => {
              await tx.put(bytes(`own${i}`), bytes("1"));
              const count = await increment(tx);
              if (i % 3 === 0) throw new Error(`thrown ${i}`);
              return count;
            }),
          ),
        );
        expect(results.filter(({ status }) => status === "rejected")).toHaveLength(100);
        expect(await get("counter")).toBe("200");
        const own = await storage.read((tx) => tx.scan({ from: bytes("own"), to: bytes("owo") }));
        expect(own).toHaveLength(200);
      });

      it("in read comes out as it is", async () => {
        const error = new Error("mine");
        await expect(storage.read(() => Promise.reject(error))).rejects.toBe(error);
      });
    });

    describe("calls at once", () => {
      it("take effect one after another: a thousand increments give a thousand", async () => {
        const counts = await Promise.all(Array.from({ length: 1000 }, () => storage.transact(increment)));
        expect(await get("counter")).toBe("1000");
        expect(new Set(counts).size).toBe(1000);
      });

      it("wait for a transaction that awaits others, and lose nothing", async () => {
        const slow = Array.from({ length: 20 }, () =>
          storage.transact(async (tx) => {
            const before = Number((await tx.get(bytes("counter"))) ?? 0);
            await turns(3);
            await tx.put(bytes("counter"), bytes(String(before + 1)));
          }),
        );
        const quick = Array.from({ length: 20 }, () => storage.transact(increment));
        await Promise.all([...slow, ...quick]);
        expect(await get("counter")).toBe("40");
      });

      it("are seen by whoever asks after they have resolved", async () => {
        for (let i = 1; i <= 50; i++) {
          await get("a");
          await put("a", String(i));
          expect(await get("a")).toBe(String(i));
        }
      });
    });

    describe("read", () => {
      it("never sees what a transaction has not finished", async () => {
        await put("a", "before");
        const { opened: mayEnd, open } = gate();
        const written = gate();
        const writer = storage.transact(async (tx) => {
          await tx.put(bytes("a"), bytes("unfinished"));
          await tx.put(bytes("b"), bytes("unfinished"));
          written.open();
          await mayEnd;
          throw new Error("after all not");
        });
        const settled = writer.catch((error: Error) => error.message);
        await written.opened;
        const readers = [get("a"), get("b"), scan(everything)];
        await turns(5);
        open();
        expect(await settled).toBe("after all not");
        expect(await Promise.all(readers)).toEqual(["before", undefined, ["a=before"]]);
      });

      it("sees one snapshot to its end, whatever is committed meanwhile", async () => {
        await storage.transact(async (tx) => {
          await tx.put(bytes("x"), bytes("1"));
          await tx.put(bytes("y"), bytes("1"));
        });
        const { opened: mayGoOn, open } = gate();
        const { opened: begun, open: begin } = gate();
        const reader = storage.read(async (tx) => {
          const x = await tx.get(bytes("x"));
          begin();
          await mayGoOn;
          return [x, await tx.get(bytes("y")), ...texts(await tx.scan(everything))].map(String);
        });
        await begun;
        const writer = storage.transact(async (tx) => {
          await tx.put(bytes("x"), bytes("2"));
          await tx.put(bytes("y"), bytes("2"));
        });
        await turns(20);
        open();
        await writer;
        expect(await reader).toEqual(["1", "1", "x=1", "y=1"]);
        expect(await get("y")).toBe("2");
      });

      it("never sees a half of a transaction under load", async () => {
        const writers = Array.from({ length: 100 }, (_, i) =>
          storage.transact(async (tx) => {
            await tx.put(bytes("x"), bytes(String(i)));
            if (i % 10 === 0) await turn();
            await tx.put(bytes("y"), bytes(String(i)));
          }),
        );
        const pairs: string[][] = [];
        for (let i = 0; i < 100; i++) {
          pairs.push((await scan(everything)).map((text) => text.slice(2)));
          await turn();
        }
        await Promise.all(writers);
        for (const pair of pairs) expect(pair.length === 0 || (pair.length === 2 && pair[0] === pair[1])).toBe(true);
      });
    });

    describe("misuse", () => {
      it("of a tx after the end of its fn throws, and changes nothing", async () => {
        let kept: WriteTransaction | undefined;
        await storage.transact(async (tx) => {
          kept = tx;
        });
        const dead = kept as WriteTransaction;
        await expect(dead.get(bytes("a"))).rejects.toMatchObject({ code: "bug" });
        await expect(dead.scan(everything)).rejects.toMatchObject({ code: "bug" });
        await expect(dead.put(bytes("a"), bytes("1"))).rejects.toMatchObject({ code: "bug" });
        await expect(dead.delete(bytes("a"))).rejects.toMatchObject({ code: "bug" });
        expect(await get("a")).toBeUndefined();
      });

      it("of a tx after its fn threw, or of a read's tx, throws as well", async () => {
        let kept: Pick<WriteTransaction, "get"> | undefined;
        const thrown = storage.transact(async (tx) => {
          kept = tx;
          throw new Error("ended");
        });
        await expect(thrown).rejects.toThrow("ended");
        await expect(kept?.get(bytes("a"))).rejects.toMatchObject({ code: "bug" });
        await storage.read(async (tx) => {
          kept = tx;
        });
        await expect(kept?.get(bytes("a"))).rejects.toMatchObject({ code: "bug" });
      });

      it("by a call inside of fn throws instead of waiting for itself", async () => {
        const inner = [() => storage.transact(async () => 1), () => storage.read(async () => 1), () => storage.close()];
        for (const call of inner) {
          await expect(storage.transact(call as () => Promise<unknown>)).rejects.toMatchObject({ code: "bug" });
          await expect(storage.read(call as () => Promise<unknown>)).rejects.toMatchObject({ code: "bug" });
        }
        await put("a", "still open");
        expect(await get("a")).toBe("still open");
      });

      it("is not seen in a call that fn set off for after its end", async () => {
        const { opened: ended, open } = gate();
        let later: Promise<void> | undefined;
        await storage.transact(async (tx) => {
          await tx.put(bytes("a"), bytes("1"));
          later = ended.then(() => put("b", "2"));
        });
        open();
        await later;
        expect(await get("b")).toBe("2");
      });

      it("by keys or values out of bounds is refused, and the whole transaction with it", async () => {
        const wrong: ((tx: WriteTransaction) => Awaitable<unknown>)[] = [
          (tx) => tx.put(Buffer.alloc(0), bytes("v")),
          (tx) => tx.put(Buffer.alloc(MAX_KEY_BYTES + 1), bytes("v")),
          (tx) => tx.put(bytes("k"), Buffer.alloc(MAX_VALUE_BYTES + 1)),
          (tx) => tx.get(Buffer.alloc(0)),
          (tx) => tx.get(Buffer.alloc(MAX_KEY_BYTES + 1)),
          (tx) => tx.delete(Buffer.alloc(0)),
          (tx) => tx.scan({ from: bytes("a"), to: Buffer.alloc(MAX_KEY_BYTES + 1) }),
        ];
        for (const misuse of wrong) {
          await expect(storage.transact(misuse)).rejects.toMatchObject({ code: "bug" });
          const swallowed = storage.transact(async (tx) => {
            await tx.put(bytes("half"), bytes("1"));
            await Promise.resolve(misuse(tx)).catch(() => undefined);
          });
          await expect(swallowed).rejects.toMatchObject({ code: "bug" });
        }
        expect(await scan(everything)).toEqual([]);
      });

      it("is not what keys and values at the bounds are", async () => {
        const key = Buffer.alloc(MAX_KEY_BYTES, 0xfe);
        const value = Buffer.alloc(MAX_VALUE_BYTES, 0x5a);
        await storage.transact(async (tx) => {
          await tx.put(key, value);
          await tx.put(Buffer.of(0), Buffer.of(1));
        });
        const [first, last] = await storage.read((tx) => tx.scan(everything));
        expect(first).toEqual({ key: Buffer.of(0), value: Buffer.of(1) });
        expect(last?.key).toEqual(key);
        expect(last?.value.equals(value)).toBe(true);
        expect((await storage.read((tx) => tx.get(key)))?.equals(value)).toBe(true);
        expect((await storage.transact((tx) => tx.get(key)))?.equals(value)).toBe(true);
      });
    });

    describe("bytes", () => {
      it("that went in may be changed afterwards, even before the transaction ends", async () => {
        const key = bytes("key");
        const value = bytes("value");
        await storage.transact(async (tx) => {
          await tx.put(key, value);
          key.fill(0x21);
          value.fill(0x21);
          expect(await tx.get(bytes("key"))).toEqual(bytes("value"));
        });
        expect(await scan(everything)).toEqual(["key=value"]);
      });

      it("that came out may be changed without changing what is stored", async () => {
        const large = Buffer.alloc(100_000, 7);
        await storage.transact(async (tx) => {
          await tx.put(bytes("a"), bytes("small"));
          await tx.put(bytes("b"), large);
          for (const key of ["a", "b"]) (await tx.get(bytes(key)))?.fill(0);
          for (const entry of await tx.scan(everything)) entry.value.fill(0);
        });
        await storage.read(async (tx) => {
          for (const key of ["a", "b"]) (await tx.get(bytes(key)))?.fill(0);
          for (const { key, value } of await tx.scan(everything)) {
            key.fill(0);
            value.fill(0);
          }
        });
        expect(await get("a")).toBe("small");
        expect((await storage.read((tx) => tx.get(bytes("b"))))?.equals(large)).toBe(true);
      });

      it("that came out stay as they were whatever happens next", async () => {
        await put("a", "first");
        const [value, entries] = await storage.read(async (tx) => [
          await tx.get(bytes("a")),
          await tx.scan(everything),
        ]);
        for (let i = 0; i < 20; i++) await put("a", `later${i}`);
        await storage.read((tx) => tx.scan(everything));
        expect(value).toEqual(bytes("first"));
        expect(entries).toEqual([{ key: bytes("a"), value: bytes("first") }]);
      });
    });

    describe("close", () => {
      it("waits for what was begun, and refuses what comes after", async () => {
        const begun = Array.from({ length: 200 }, () => storage.transact(increment));
        const reading = storage.read((tx) => tx.get(bytes("nothing")));
        const closed = storage.close();
        await expect(storage.transact(increment)).rejects.toMatchObject({ code: "store_failed" });
        await expect(storage.read(async () => 1)).rejects.toMatchObject({ code: "store_failed" });
        await closed;
        expect(await Promise.all(begun)).toHaveLength(200);
        expect(await reading).toBeUndefined();
        await expect(storage.read(async () => 1)).rejects.toMatchObject({ code: "store_failed" });
      });

      it("may be called again", async () => {
        await Promise.all([storage.close(), storage.close()]);
        await storage.close();
      });
    });

    it("agrees with a plain map under any sequence of operations", async () => {
      await fc.assert(
        fc.asyncProperty(fc.array(transactions, { maxLength: 12 }), async (sequence) => {
          await storage.transact(async (tx) => {
            for (const { key } of await tx.scan(everything)) await tx.delete(key);
          });
          await followModel(storage, sequence);
        }),
        { numRuns: 100 },
      );
    });
  });
}

type Operation =
  | { readonly do: "put"; readonly key: Buffer; readonly value: Buffer }
  | { readonly do: "delete" | "get"; readonly key: Buffer }
  | ({ readonly do: "scan" } & KeyRange);

interface Transaction {
  readonly operations: readonly Operation[];
  readonly kind: "transact" | "throw" | "read";
}

/** Few bytes and short keys, so that operations meet; some long ones, and values beyond one page. */
const keys = fc
  .oneof(
    { weight: 9, arbitrary: fc.array(fc.constantFrom(0, 1, 0x61, 0xff), { minLength: 1, maxLength: 3 }) },
    {
      weight: 1,
      arbitrary: fc.array(fc.constantFrom(0x61, 0xff), { minLength: MAX_KEY_BYTES, maxLength: MAX_KEY_BYTES }),
    },
  )
  .map((list) => Buffer.from(list));
const ends = fc.oneof(keys, fc.constant(Buffer.alloc(0)));
const values = fc
  .tuple(fc.oneof({ weight: 9, arbitrary: fc.nat(40) }, { weight: 1, arbitrary: fc.nat(70_000) }), fc.nat(255))
  .map(([length, byte]) => Buffer.alloc(length, byte));
const operations: fc.Arbitrary<Operation> = fc.oneof(
  fc.record({ do: fc.constant("put" as const), key: keys, value: values }),
  fc.record({ do: fc.constantFrom("delete" as const, "get" as const), key: keys }),
  fc.record(
    { do: fc.constant("scan" as const), from: ends, to: ends, limit: fc.nat(6), reverse: fc.boolean() },
    { requiredKeys: ["do", "from", "to"] },
  ),
);
const transactions: fc.Arbitrary<Transaction> = fc.record({
  operations: fc.array(operations, { maxLength: 12 }),
  kind: fc.constantFrom("transact", "transact", "throw", "read"),
});

class Thrown extends Error {}

async function followModel(storage: Storage, sequence: readonly Transaction[]) {
  let model = new Map<string, Buffer>();
  for (const { operations, kind } of sequence) {
    const draft = new Map(model);
    const work = async (tx: WriteTransaction) => {
      for (const operation of operations) await compare(tx, draft, operation, kind === "read");
      if (kind === "throw") throw new Thrown();
    };
    if (kind === "read") await storage.read((tx) => work(tx as WriteTransaction));
    else if (kind === "throw") await expect(storage.transact(work)).rejects.toBeInstanceOf(Thrown);
    else await storage.transact(work);
    if (kind === "transact") model = draft;
    expect(digests(await storage.read((tx) => tx.scan(everything)))).toEqual(digests(modelScan(model, everything)));
  }
}

async function compare(tx: WriteTransaction, model: Map<string, Buffer>, operation: Operation, readOnly: boolean) {
  if (operation.do === "scan") {
    expect(digests(await tx.scan(operation))).toEqual(digests(modelScan(model, operation)));
  } else if (operation.do === "get" || readOnly) {
    expect((await tx.get(operation.key))?.toString("hex")).toBe(
      model.get(operation.key.toString("hex"))?.toString("hex"),
    );
  } else if (operation.do === "put") {
    await tx.put(operation.key, operation.value);
    model.set(operation.key.toString("hex"), operation.value);
  } else {
    await tx.delete(operation.key);
    model.delete(operation.key.toString("hex"));
  }
}

/** Comparing long buffers element by element would take most of the test's time. */
function digests(entries: Entry[]): string[] {
  return entries.map(({ key, value }) => `${key.toString("hex")} ${createHash("sha1").update(value).digest("hex")}`);
}

function modelScan(model: Map<string, Buffer>, { from, to, limit, reverse }: KeyRange): Entry[] {
  const entries = [...model]
    .map(([key, value]) => ({ key: Buffer.from(key, "hex"), value }))
    .filter(({ key }) => Buffer.compare(key, from) >= 0 && Buffer.compare(key, to) < 0)
    .sort((a, b) => Buffer.compare(a.key, b.key));
  return (reverse ? entries.reverse() : entries).slice(0, limit);
}
