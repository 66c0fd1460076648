import { describe, expect, it } from "vitest";
import { HEADER_KEY, KEYRING_KEY } from "../../src/barrier/storage-keys.js";
import { Cut, codeOf, cuttable, dump, newStore, open, password, rejectsWith, storageOf, tamper } from "./support.js";

const record = Buffer.from("record");

/** What somebody has who copied header and keyring at an earlier time. */
async function partsOf(storage: Parameters<typeof dump>[0]) {
  const entries = await dump(storage);
  const of = (key: Buffer) => entries.find((entry) => entry.key.equals(key))?.value ?? Buffer.alloc(0);
  return { header: of(HEADER_KEY), keyring: of(KEYRING_KEY) };
}

describe("another root key", () => {
  it("opens with the same password, with all that is stored, and adds a term", async () => {
    const { storage, barrier } = await newStore();
    await barrier.transact((tx) => tx.put(record, Buffer.from("one")));
    const lasting = [barrier.storeId, barrier.nameIndex("alice"), barrier.decoy("salt", "alice", 100)];
    expect(await barrier.replaceRootKey(password)).toBe(2);
    const reopened = await open(storage);
    expect(await reopened.read((tx) => tx.get(record))).toEqual(Buffer.from("one"));
    await barrier.transact((tx) => tx.put(record, Buffer.from("two")));
    expect(await reopened.read((tx) => tx.get(record))).toEqual(Buffer.from("two"));
    expect([reopened.storeId, reopened.nameIndex("alice"), reopened.decoy("salt", "alice", 100)]).toEqual(lasting);
  });

  it("opens nothing of what comes to whoever kept the header of before, and its password", async () => {
    const { storage, barrier } = await newStore();
    const stolen = await partsOf(storage);
    await barrier.changePassword(password, Buffer.from("staple of another kind"));
    await barrier.transact((tx) => tx.put(record, Buffer.from("one")));
    const copy = async () => storageOf(await dump(storage));

    const changedOnly = await copy();
    await tamper(changedOnly, HEADER_KEY, stolen.header);
    const thief = await open(changedOnly, password);
    expect(await thief.read((tx) => tx.get(record))).toEqual(Buffer.from("one"));

    await barrier.replaceRootKey(Buffer.from("staple of another kind"));
    await barrier.reseal({});
    await barrier.dropUnusedTerms();
    const rooted = await copy();
    await tamper(rooted, HEADER_KEY, stolen.header);
    await rejectsWith(open(rooted, password), "store_damaged");
    await tamper(rooted, KEYRING_KEY, stolen.keyring);
    const both = await open(rooted, password);
    await rejectsWith(
      both.read((tx) => tx.get(record)),
      "store_damaged",
    );
  });

  it("is refused with a wrong password, and changes no byte", async () => {
    const { storage, barrier } = await newStore();
    const before = await dump(storage);
    await rejectsWith(barrier.replaceRootKey(Buffer.from("wrong")), "admin_password_wrong");
    expect(await dump(storage)).toEqual(before);
  });

  it("cut at each step, leaves a store that the password opens, with the old root key or the new one", async () => {
    const made = await newStore();
    await made.barrier.transact((tx) => tx.put(record, Buffer.from("one")));
    const entries = await dump(made.storage);
    for (let step = 1, done = false; !done; step++) {
      const storage = await storageOf(entries);
      const cut = cuttable(storage);
      const barrier = await open(cut);
      cut.arm(step);
      done = await barrier
        .replaceRootKey(password, (tx) => tx.put(Buffer.from("told"), Buffer.of(1)))
        .then(
          () => true,
          (thrown: unknown) => {
            expect(thrown).toBeInstanceOf(Cut);
            return false;
          },
        );
      const after = await open(storage);
      expect(await after.read((tx) => tx.get(record))).toEqual(Buffer.from("one"));
      const told = (await after.read((tx) => tx.get(Buffer.from("told")))) !== undefined;
      expect(told).toBe((await after.terms()).active === 2);
      expect(await codeOf(after.replaceRootKey(password))).toBe("resolved");
    }
  });
});
