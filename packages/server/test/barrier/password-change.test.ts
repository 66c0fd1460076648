import { describe, expect, it } from "vitest";
import { openBarrierByRootKey } from "../../src/barrier/barrier.js";
import { HEADER_KEY } from "../../src/barrier/storage-keys.js";
import {
  Cut,
  cheap,
  codeOf,
  cuttable,
  dump,
  newStore,
  open,
  password,
  rejectsWith,
  rerunning,
  storageOf,
} from "./support.js";

const next = Buffer.from("staple of another kind");
const record = Buffer.from("record");

describe("a root key that was handed to another process", () => {
  it("opens the store without a password, also after the password is another one", async () => {
    const { storage, barrier } = await newStore();
    await barrier.transact((tx) => tx.put(Buffer.from("a"), Buffer.from("one")));
    const key = barrier.copyRootKey();
    await barrier.changePassword(password, Buffer.from("another password"));
    await barrier.close();
    const again = await openBarrierByRootKey(storage, key, cheap);
    expect(await again.read((tx) => tx.get(Buffer.from("a")))).toEqual(Buffer.from("one"));
    await again.close();
    expect(() => key.use(() => undefined)).toThrow("a wiped secret was used");
  });

  it("opens no other store, and is wiped", async () => {
    const [{ storage }, other] = [await newStore(), await newStore()];
    const key = other.barrier.copyRootKey();
    await rejectsWith(openBarrierByRootKey(storage, key, cheap), "store_damaged");
    expect(() => key.use(() => undefined)).toThrow("a wiped secret was used");
  });
});

describe("changing the admin password", () => {
  it("lets the new one open and the old one not, with all that is stored", async () => {
    const { storage, barrier } = await newStore();
    await barrier.transact((tx) => tx.put(record, Buffer.from("one")));
    await barrier.changePassword(password, next);
    await rejectsWith(open(storage), "admin_password_wrong");
    const reopened = await open(storage, next);
    expect(await reopened.read((tx) => tx.get(record))).toEqual(Buffer.from("one"));
    expect(await barrier.read((tx) => tx.get(record))).toEqual(Buffer.from("one"));
  });

  it("writes the header and nothing else, with a new salt even for the same password", async () => {
    const { storage, barrier } = await newStore();
    const before = await dump(storage);
    await barrier.changePassword(password, password);
    const after = await dump(storage);
    const changed = after.filter((entry, i) => !entry.value.equals(before[i]?.value ?? Buffer.alloc(0)));
    expect(changed.map((entry) => entry.key)).toEqual([HEADER_KEY]);
    const salts = [before, after].map((entries) => entries[0]?.value.toString("hex", 18, 34));
    expect(salts[0]).not.toBe(salts[1]);
    await open(storage);
  });

  it("is refused with a wrong old or an impossible new password, and changes no byte", async () => {
    const { storage, barrier } = await newStore();
    const before = await dump(storage);
    await rejectsWith(barrier.changePassword(next, next), "admin_password_wrong");
    await rejectsWith(barrier.changePassword(password, Buffer.alloc(0)), "password_too_short");
    await rejectsWith(barrier.changePassword(password, Buffer.from([0xff])), "secret_file_invalid");
    expect(await dump(storage)).toEqual(before);
  });

  it("attack 42: cut at each step, leaves a store that exactly one of the two opens", async () => {
    const made = await newStore();
    await made.barrier.transact((tx) => tx.put(record, Buffer.from("one")));
    const entries = await dump(made.storage);
    const opened: string[] = [];
    for (let step = 1, done = false; !done; step++) {
      const storage = await storageOf(entries);
      const barrier = await open(storage);
      const cut = cuttable(storage);
      const cutBarrier = await open(cut);
      cut.arm(step);
      const changing = cutBarrier.changePassword(password, next);
      const failed = await changing.then(
        () => false,
        (thrown: unknown) => {
          expect(thrown).toBeInstanceOf(Cut);
          return true;
        },
      );
      done = !failed;
      const codes = [await codeOf(open(storage)), await codeOf(open(storage, next))];
      expect(codes.filter((code) => code === "resolved")).toHaveLength(1);
      expect(codes).toContain("admin_password_wrong");
      opened.push(codes[0] === "resolved" ? "old" : "new");
      expect(await barrier.read((tx) => tx.get(record))).toEqual(Buffer.from("one"));
    }
    expect(new Set(opened.slice(0, -2))).toEqual(new Set(["old"]));
    expect(opened.slice(-2)).toEqual(["new", "new"]);
  });

  it("made twice at the same moment, is done once", async () => {
    const { storage, barrier } = await newStore();
    const other = await open(storage);
    const third = Buffer.from("a third one");
    const codes = await Promise.all([
      codeOf(barrier.changePassword(password, next)),
      codeOf(other.changePassword(password, third)),
    ]);
    expect([...codes].sort()).toEqual(["admin_password_wrong", "resolved"]);
    await open(storage, codes[0] === "resolved" ? next : third);
  });

  it("works over a storage that runs transactions again", async () => {
    const { storage } = await newStore();
    await (await open(rerunning(storage))).changePassword(password, next);
    await open(storage, next);
  });

  it("keeps name index, decoys and store id", async () => {
    const { storage, barrier } = await newStore();
    const of = (from: typeof barrier) => [from.storeId, from.nameIndex("alice"), from.decoy("salt", "alice", 100)];
    const before = of(barrier);
    await barrier.changePassword(password, next);
    expect(of(barrier)).toEqual(before);
    await barrier.addTerm();
    expect(of(barrier)).toEqual(before);
    await barrier.dropUnusedTerms();
    expect(of(await open(storage, next))).toEqual(before);
  });
});
