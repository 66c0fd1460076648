import { sodium } from "@postern/shared/sodium";
import fc from "fast-check";
import { describe, expect, it, vi } from "vitest";
import { createBarrier, openBarrier } from "../../src/barrier/barrier.js";
import { encodeHeader, parseHeader } from "../../src/barrier/header.js";
import { HEADER_KEY, KEYRING_KEY } from "../../src/barrier/storage-keys.js";
import { createMemoryStorage } from "../../src/storage/memory.js";
import {
  Cut,
  cheap,
  codeOf,
  cuttable,
  dump,
  expectCode,
  newStore,
  open,
  password,
  rejectsWith,
  rerunning,
  storageOf,
  tamper,
} from "./support.js";

const key = (text: string) => Buffer.from(text);
const storedKey = (text: string) => Buffer.from(`\u0001${text}`);

async function storedValue(storage: Awaited<ReturnType<typeof newStore>>["storage"], at: Buffer): Promise<Buffer> {
  const value = await storage.read((tx) => tx.get(at));
  if (value === undefined) throw new Error(`nothing at ${at.toString("hex")}`);
  return value;
}

describe("a barrier over a storage", () => {
  it("gives back what was put, and what was deleted no more", async () => {
    const { storage, barrier } = await newStore();
    await barrier.transact(async (tx) => {
      await tx.put(key("a"), Buffer.from("one"));
      await tx.put(key("b"), Buffer.alloc(0));
      await tx.put(key("c"), Buffer.from("three"));
      await tx.delete(key("c"));
      expect(await tx.get(key("a"))).toEqual(Buffer.from("one"));
    });
    const again = await open(storage);
    await again.read(async (tx) => {
      expect(await tx.get(key("a"))).toEqual(Buffer.from("one"));
      expect(await tx.get(key("b"))).toEqual(Buffer.alloc(0));
      expect(await tx.get(key("c"))).toBeUndefined();
    });
  });

  it("scans in order, within bounds or without, and shows nothing of its own", async () => {
    const { barrier } = await newStore();
    const scanned = await barrier.transact(async (tx) => {
      for (const text of ["\xff\xff", "m", "\0", "a"]) await tx.put(Buffer.from(text, "latin1"), Buffer.from(text));
      const keys = async (range: Parameters<typeof tx.scan>[0]) =>
        (await tx.scan(range)).map((entry) => entry.key.toString("latin1"));
      return [
        await keys({}),
        await keys({ from: key("a"), to: key("m") }),
        await keys({ from: key("b"), limit: 1 }),
        await keys({ to: key("b"), reverse: true }),
      ];
    });
    expect(scanned).toEqual([["\0", "a", "m", "\xff\xff"], ["a"], ["m"], ["a", "\0"]]);
  });

  it("leaves nothing of a transaction that throws, and lets its error out", async () => {
    const { storage, barrier } = await newStore();
    const before = await dump(storage);
    const failing = barrier.transact(async (tx) => {
      await tx.put(key("a"), Buffer.from("one"));
      throw new Cut("by the caller");
    });
    await expect(failing).rejects.toThrow(Cut);
    expect(await dump(storage)).toEqual(before);
  });

  it("seals anew when a transaction runs again", async () => {
    const storage = rerunning(createMemoryStorage());
    const barrier = await createBarrier(storage, password, cheap);
    const nonces: string[] = [];
    await barrier.transact((tx) => tx.put(key("a"), Buffer.from("one")));
    await storage.transact(async (tx) => {
      nonces.push((await tx.get(storedKey("a")))?.toString("hex", 5, 29) ?? "");
    });
    await barrier.transact((tx) => tx.put(key("a"), Buffer.from("one")));
    expect(nonces).not.toContain((await storedValue(storage, storedKey("a"))).toString("hex", 5, 29));
    expect(await (await open(storage)).read((tx) => tx.get(key("a")))).toEqual(Buffer.from("one"));
  });

  it("refuses keys that are empty or too long for storage", async () => {
    const { barrier } = await newStore();
    for (const bad of [Buffer.alloc(0), Buffer.alloc(512)]) {
      await rejectsWith(
        barrier.transact((tx) => tx.put(bad, Buffer.alloc(1))),
        "bug",
      );
      await rejectsWith(
        barrier.read((tx) => tx.get(bad)),
        "bug",
      );
    }
    await barrier.transact((tx) => tx.put(Buffer.alloc(511, 0xff), Buffer.alloc(1)));
  });

  it("keeps its header and keyring out of callers' reach, by any key", async () => {
    const { storage, barrier } = await newStore();
    const own = await Promise.all([storedValue(storage, HEADER_KEY), storedValue(storage, KEYRING_KEY)]);
    await barrier.transact(async (tx) => {
      for (const reserved of [HEADER_KEY, KEYRING_KEY, HEADER_KEY.subarray(1), KEYRING_KEY.subarray(1)]) {
        expect(await tx.get(reserved)).toBeUndefined();
        await tx.put(reserved, Buffer.from("mine"));
        await tx.delete(reserved);
      }
      expect(await tx.scan({ from: Buffer.alloc(0), to: Buffer.alloc(511, 0xff) })).toEqual([]);
    });
    expect([await storedValue(storage, HEADER_KEY), await storedValue(storage, KEYRING_KEY)]).toEqual(own);
  });

  it("refuses every call once closed, after those under way, and leaves the storage open", async () => {
    const { storage, barrier } = await newStore();
    const underWay = barrier.transact((tx) => tx.put(key("a"), Buffer.from("one")));
    const closed = barrier.close();
    expectCode(() => barrier.nameIndex("alice"), "store_failed");
    expectCode(() => barrier.decoy("salt", "alice", 32), "store_failed");
    await rejectsWith(
      barrier.read(async () => undefined),
      "store_failed",
    );
    await rejectsWith(barrier.addTerm(), "store_failed");
    await underWay;
    await closed;
    await barrier.close();
    expect(await (await open(storage)).read((tx) => tx.get(key("a")))).toEqual(Buffer.from("one"));
  });
});

describe("closing", () => {
  it("wipes the root key, the name-index key, the decoy key and every term", async () => {
    const { barrier } = await newStore();
    await barrier.addTerm();
    const zero = vi.spyOn(sodium, "sodium_memzero");
    await barrier.close();
    expect(zero.mock.calls.filter(([bytes]) => bytes.length === 32)).toHaveLength(5);
    zero.mockRestore();
  });
});

describe("who steals the storage", () => {
  it("promise 10: finds no name, secret, key or password in any key or value", async () => {
    const { storage, barrier } = await newStore();
    const canaries = ["alice.canary", "JBSWY3DPEHPK3PXP-canary", password.toString()];
    await barrier.transact(async (tx) => {
      await tx.put(barrier.nameIndex("alice.canary"), Buffer.from(JSON.stringify(canaries)));
    });
    await barrier.addTerm();
    await barrier.reseal({});
    await barrier.changePassword(password, Buffer.from("another-canary"));
    const stolen = Buffer.concat((await dump(storage)).flatMap((entry) => [entry.key, entry.value]));
    for (const canary of [...canaries, "another-canary"]) {
      for (const encoding of ["utf8", "utf16le"] as const) expect(stolen.includes(canary, 0, encoding)).toBe(false);
      for (const form of ["hex", "base64"] as const) {
        expect(stolen.includes(Buffer.from(canary).toString(form))).toBe(false);
      }
    }
  });

  it("cannot tell equal values", async () => {
    const { storage, barrier } = await newStore();
    await barrier.transact(async (tx) => {
      for (const at of ["a", "b"]) await tx.put(key(at), Buffer.from("the same"));
    });
    const [a, b] = [await storedValue(storage, storedKey("a")), await storedValue(storage, storedKey("b"))];
    expect(a.subarray(29, 37).equals(b.subarray(29, 37))).toBe(false);
  });
});

describe("who writes the storage", () => {
  it("attack 39: cannot swap two values, nor put one at another key", async () => {
    const { storage, barrier } = await newStore();
    await barrier.transact(async (tx) => {
      for (const name of ["alice", "mallory"]) await tx.put(key(name), Buffer.from(`the record of ${name}`));
    });
    const [alice, mallory] = [
      await storedValue(storage, storedKey("alice")),
      await storedValue(storage, storedKey("mallory")),
    ];
    await tamper(storage, storedKey("alice"), mallory);
    await tamper(storage, storedKey("mallory"), alice);
    await tamper(storage, storedKey("eve"), alice);
    for (const name of ["alice", "mallory", "eve"]) {
      await rejectsWith(
        barrier.read((tx) => tx.get(key(name))),
        "store_damaged",
      );
    }
    await rejectsWith(
      barrier.read((tx) => tx.scan({})),
      "store_damaged",
    );
  });

  it("attack 38: cannot flip a bit of a record unnoticed", async () => {
    const { storage, barrier } = await newStore();
    await barrier.transact((tx) => tx.put(key("a"), Buffer.from("two factors")));
    const good = await storedValue(storage, storedKey("a"));
    for (let byte = 0; byte < good.length; byte++) {
      const flipped = Buffer.from(good);
      flipped.writeUInt8(flipped.readUInt8(byte) ^ (1 << (byte & 7)), byte);
      await tamper(storage, storedKey("a"), flipped);
      const reading = barrier.read((tx) => tx.get(key("a")));
      expect(await codeOf(reading), `byte ${byte}`).toBe("store_damaged");
    }
  });

  it("cannot replay the keyring or the header as a record, nor a record as either", async () => {
    const { storage, barrier } = await newStore();
    await barrier.transact((tx) => tx.put(key("a"), Buffer.from("one")));
    const record = await storedValue(storage, storedKey("a"));
    for (const own of [HEADER_KEY, KEYRING_KEY]) {
      await tamper(storage, storedKey("a"), await storedValue(storage, own));
      await rejectsWith(
        barrier.read((tx) => tx.get(key("a"))),
        "store_damaged",
      );
    }
    await tamper(storage, KEYRING_KEY, record);
    await rejectsWith(open(storage), "store_damaged");
    await rejectsWith(
      barrier.transact((tx) => tx.put(key("b"), Buffer.from("two"))),
      "store_damaged",
    );
  });

  it("cannot give it another store's keyring or header", async () => {
    const { storage, barrier } = await newStore();
    const other = await newStore();
    const header = await storedValue(storage, HEADER_KEY);
    await tamper(storage, HEADER_KEY, await storedValue(other.storage, HEADER_KEY));
    await rejectsWith(open(storage), "store_damaged");
    await rejectsWith(barrier.changePassword(password, Buffer.from("new")), "store_damaged");
    await tamper(storage, HEADER_KEY, header);
    await tamper(storage, KEYRING_KEY, await storedValue(other.storage, KEYRING_KEY));
    await rejectsWith(open(storage), "store_damaged");
  });

  it("gets nothing but an error out of any bytes at any key", async () => {
    const { storage, barrier } = await newStore();
    await fc.assert(
      fc.asyncProperty(
        fc.uint8Array({ minLength: 1, maxLength: 40 }),
        fc.uint8Array({ maxLength: 120 }),
        async (at, bytes) => {
          await tamper(storage, Buffer.concat([Buffer.of(1), at]), bytes);
          expect(await codeOf(barrier.read((tx) => tx.get(at)))).toBe("store_damaged");
        },
      ),
    );
  });
});

describe("opening a store", () => {
  it("tells a wrong password from damage, and changes no byte", async () => {
    const { storage } = await newStore();
    const before = await dump(storage);
    for (const wrong of ["Correct horse battery", "correct horse batter", "", "\xff", "x".repeat(2000)]) {
      await rejectsWith(open(storage, Buffer.from(wrong, "latin1")), "admin_password_wrong");
    }
    expect(await dump(storage)).toEqual(before);
  });

  it("takes the same password in another composition", async () => {
    const storage = createMemoryStorage();
    await createBarrier(storage, Buffer.from("zo\u00eb \ud55c"), cheap);
    await open(storage, Buffer.from("zoe\u0308 \u1112\u1161\u11ab"));
  });

  it.each([
    ["header", HEADER_KEY],
    ["keyring", KEYRING_KEY],
  ])("attacks 38, 40: finds any byte of the %s flipped, any cut, and zeros", async (_, at) => {
    const { storage } = await newStore();
    const good = await storedValue(storage, at);
    for (let byte = 0; byte < good.length; byte++) {
      for (const flip of [1, 0x80]) {
        const flipped = Buffer.from(good);
        flipped.writeUInt8(flipped.readUInt8(byte) ^ flip, byte);
        await tamper(storage, at, flipped);
        expect(await codeOf(open(storage)), `byte ${byte}`).toBe("store_damaged");
      }
      await tamper(storage, at, good.subarray(0, byte));
      expect(await codeOf(open(storage)), `cut at ${byte}`).toBe("store_damaged");
    }
    for (const bytes of [Buffer.alloc(good.length), Buffer.alloc(1024 * 1024), Buffer.concat([good, good])]) {
      await tamper(storage, at, bytes);
      expect(await codeOf(open(storage))).toBe("store_damaged");
    }
    await tamper(storage, at, good);
    await open(storage);
  });

  it("takes every password for wrong when header and checksum were rewritten together", async () => {
    const { storage } = await newStore();
    const header = parseHeader(await storedValue(storage, HEADER_KEY), cheap.stretch);
    const rewritten = encodeHeader({ ...header, stretch: { memoryKiB: 16, passes: 2 } });
    await tamper(storage, HEADER_KEY, rewritten);
    await rejectsWith(open(storage), "admin_password_wrong");
  });

  it("refuses a header that is cheaper than the product's floor", async () => {
    const { storage } = await newStore();
    await rejectsWith(openBarrier(storage, password), "store_damaged");
  });

  it("says that an empty storage is no store, a store without its header or keyring damaged, others foreign", async () => {
    await rejectsWith(open(createMemoryStorage()), "store_missing");
    const { storage, barrier } = await newStore();
    await barrier.transact((tx) => tx.put(key("a"), Buffer.from("one")));
    const entries = await dump(storage);
    const without = (gone: Buffer) => storageOf(entries.filter((entry) => !entry.key.equals(gone)));
    await rejectsWith(open(await without(HEADER_KEY)), "store_damaged");
    await rejectsWith(open(await without(KEYRING_KEY)), "store_damaged");
    await rejectsWith(open(await storageOf(entries.filter((entry) => entry.key[0] === 1))), "store_damaged");
    await rejectsWith(open(await storageOf([{ key: key("users:1"), value: Buffer.from("{}") }])), "store_foreign");
    await rejectsWith(open(await storageOf([{ key: HEADER_KEY, value: Buffer.from("{}") }])), "store_foreign");
  });
});

describe("making a store", () => {
  it("costs 256 MiB unless a test says otherwise, and opens again", async () => {
    const storage = createMemoryStorage();
    await createBarrier(storage, password);
    expect(parseHeader(await storedValue(storage, HEADER_KEY)).stretch).toEqual({ memoryKiB: 262_144, passes: 3 });
    await openBarrier(storage, password);
  });

  it("never overwrites: not a store, not one that lost its header, not something foreign", async () => {
    const { storage, barrier } = await newStore();
    await barrier.transact((tx) => tx.put(key("a"), Buffer.from("one")));
    const entries = await dump(storage);
    const foreign = [{ key: key("users:1"), value: Buffer.from("{}") }];
    const cases = [
      [entries, "store_exists"],
      [entries.filter((entry) => !entry.key.equals(HEADER_KEY)), "store_damaged"],
      [foreign, "store_foreign"],
    ] as const;
    for (const [held, code] of cases) {
      const copy = await storageOf(held);
      await rejectsWith(createBarrier(copy, password, cheap), code);
      expect(await dump(copy)).toEqual(held);
    }
  });

  it("lets one of two that begin at once win", async () => {
    const storage = createMemoryStorage();
    const codes = await Promise.all([1, 2].map(() => codeOf(createBarrier(storage, password, cheap))));
    expect(codes.sort()).toEqual(["resolved", "store_exists"]);
    await open(storage);
  });

  it("leaves an empty storage or a whole store, wherever it is cut", async () => {
    for (let step = 1, done = false; !done; step++) {
      const storage = createMemoryStorage();
      const cut = cuttable(storage);
      cut.arm(step);
      const failed = await createBarrier(cut, password, cheap).then(
        () => false,
        (thrown: unknown) => thrown instanceof Cut,
      );
      done = !failed;
      if ((await dump(storage)).length > 0) await open(storage);
      else expect(failed).toBe(true);
    }
  });

  it("makes each store its own: id, name index and decoys", async () => {
    const [a, b] = [(await newStore()).barrier, (await newStore()).barrier];
    expect(a.storeId).not.toBe(b.storeId);
    expect(a.nameIndex("alice")).not.toEqual(b.nameIndex("alice"));
    expect(a.decoy("salt", "alice", 32)).not.toEqual(b.decoy("salt", "alice", 32));
  });

  it("refuses an empty password, and leaves the storage empty", async () => {
    const storage = createMemoryStorage();
    await rejectsWith(createBarrier(storage, Buffer.alloc(0), cheap), "password_too_short");
    expect(await dump(storage)).toEqual([]);
  });
});
