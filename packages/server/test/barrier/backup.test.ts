import { createHash } from "node:crypto";
import { sodium } from "@postern/shared/sodium";
import { describe, expect, it } from "vitest";
import { encodePreamble } from "../../src/barrier/backup-format.js";
import { unsealBackup } from "../../src/barrier/backup-reader.js";
import { type Barrier, findBackup, restoreBarrier } from "../../src/barrier/barrier.js";
import { createMemoryStorage } from "../../src/storage/memory.js";
import type { Storage } from "../../src/storage/storage.js";
import { cheap, codeOf, dump, newStore, open, password, rejectsWith, tamper } from "./support.js";

const TIME = Date.UTC(2026, 10, 21, 6, 20);
const keyOf = (i: number) => Buffer.from(`record ${String(i).padStart(4, "0")}`);

async function fill(barrier: Barrier, count: number, size = 20): Promise<void> {
  await barrier.transact(async (tx) => {
    for (let i = 0; i < count; i++) await tx.put(keyOf(i), Buffer.alloc(size, `secret ${i} `));
  });
}

async function backUp(barrier: Barrier): Promise<Buffer> {
  const pieces: Buffer[] = [];
  await barrier.backUp({ time: TIME, write: async (bytes) => void pieces.push(bytes) });
  return Buffer.concat(pieces);
}

/** In pieces that fit no section. */
async function* inPieces(bytes: Buffer, size = 60_000): AsyncGenerator<Buffer> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

interface Restored {
  readonly storage: Storage;
  readonly barrier: Barrier;
}

async function restore(bytes: Buffer, offered: Uint8Array = password, pieces?: number): Promise<Restored> {
  const storage = createMemoryStorage();
  const backup = await unsealBackup(await findBackup(inPieces(bytes, pieces), cheap), offered);
  const { barrier } = await restoreBarrier(storage, backup, cheap);
  return { storage, barrier };
}

/** All of a storage as one hash: to compare megabytes byte by byte takes the test runner half a minute. */
async function digestOf(storage: Storage): Promise<string> {
  const hash = createHash("sha256");
  for (const { key, value } of await dump(storage))
    hash.update(`${key.length} ${value.length} `).update(key).update(value);
  return hash.digest("hex");
}

/** The sections of a backup: where each begins and ends. */
function sectionsOf(bytes: Buffer): { from: number; to: number }[] {
  const sections: { from: number; to: number }[] = [];
  for (let from = encodePreamble().length; from < bytes.length; ) {
    const to = from + 5 + bytes.readUInt32BE(from + 1) + 32;
    sections.push({ from, to });
    from = to;
  }
  return sections;
}

describe("a backup", () => {
  it("restores to exactly what was stored, sealed as it was, under the same password and id", async () => {
    const { storage, barrier } = await newStore();
    await fill(barrier, 300);
    const restored = await restore(await backUp(barrier), password, 7);
    expect(await digestOf(restored.storage)).toBe(await digestOf(storage));
    expect(restored.barrier.storeId).toBe(barrier.storeId);
    expect(restored.barrier.nameIndex("alice")).toEqual(barrier.nameIndex("alice"));
    await restored.barrier.transact((tx) => tx.put(keyOf(0), Buffer.from("another")));
    expect(await (await open(restored.storage)).read((tx) => tx.get(keyOf(0)))).toEqual(Buffer.from("another"));
  });

  it("of a store that has nothing in it is a store that has nothing in it", async () => {
    const { storage, barrier } = await newStore();
    expect(await digestOf((await restore(await backUp(barrier))).storage)).toBe(await digestOf(storage));
  });

  it("may be made in the middle of a rekey, and of values that take several sections", async () => {
    const { storage, barrier } = await newStore();
    await fill(barrier, 12, 400_000);
    await barrier.addTerm();
    await barrier.reseal({}, { batch: 5 });
    const bytes = await backUp(barrier);
    expect(sectionsOf(bytes).length).toBeGreaterThan(4);
    const restored = await restore(bytes);
    expect(await digestOf(restored.storage)).toBe(await digestOf(storage));
    expect((await restored.barrier.terms()).older).toEqual([1]);
  });

  it("promise 10: has no plaintext and no key in it, and is another one each time", async () => {
    const { barrier } = await newStore();
    await fill(barrier, 3);
    const [one, other] = [await backUp(barrier), await backUp(barrier)];
    expect(one.includes("secret")).toBe(false);
    expect(one.includes(password)).toBe(false);
    expect(one.subarray(-100)).not.toEqual(other.subarray(-100));
    expect((await findBackup(inPieces(one), cheap)).head).toMatchObject({ storeId: barrier.storeId, time: TIME });
  });

  it("attack 43: opens with the password of its day, and says so of every other one", async () => {
    const { barrier } = await newStore();
    await fill(barrier, 3);
    const bytes = await backUp(barrier);
    const next = Buffer.from("staple of another kind");
    await barrier.changePassword(password, next);
    await rejectsWith(restore(bytes, next), "admin_password_wrong");
    await restore(bytes, password);
    await restore(await backUp(barrier), next);
    await rejectsWith(restore(await backUp(barrier), password), "admin_password_wrong");
  });

  it("may be tried with a second password when the first was wrong", async () => {
    const { barrier } = await newStore();
    await fill(barrier, 3);
    const sealed = await findBackup(inPieces(await backUp(barrier)), cheap);
    await rejectsWith(unsealBackup(sealed, Buffer.from("wrong")), "admin_password_wrong");
    await restoreBarrier(createMemoryStorage(), await unsealBackup(sealed, password), cheap);
  });

  it("is not made of a store in which a record does not open, which it names", async () => {
    const { storage, barrier } = await newStore();
    await fill(barrier, 3);
    const key = Buffer.concat([Buffer.of(1), keyOf(1)]);
    await tamper(storage, key, Buffer.from([1, 0, 0, 0, 1, ...Buffer.alloc(60)]));
    await expect(backUp(barrier)).rejects.toThrow(key.toString("hex"));
  });

  it("fills no storage that has something in it", async () => {
    const { storage, barrier } = await newStore();
    const backup = await unsealBackup(await findBackup(inPieces(await backUp(barrier)), cheap), password);
    await rejectsWith(restoreBarrier(storage, backup, cheap), "store_exists");
  });
});

describe("attack 43: whoever can write the backup, without the password,", () => {
  /** The header is checked before the password, and says what is wrong with it in its own words. */
  const refusals = [
    "backup_damaged",
    "backup_foreign",
    "backup_future",
    "store_damaged",
    "store_foreign",
    "store_future",
  ];

  it("cannot flip a bit of it", async () => {
    const { barrier } = await newStore();
    await fill(barrier, 2);
    const bytes = await backUp(barrier);
    for (let at = 0; at < bytes.length; at++) {
      const flipped = Buffer.from(bytes);
      flipped.writeUInt8(flipped.readUInt8(at) ^ (1 << (at % 8)), at);
      expect([at, await codeOf(restore(flipped))]).toEqual([at, expect.toBeOneOf(refusals)]);
    }
  });

  it("cannot cut it off, wherever, nor write on behind its end", async () => {
    const { barrier } = await newStore();
    await fill(barrier, 2);
    const bytes = await backUp(barrier);
    expect(await codeOf(restore(Buffer.alloc(0)))).toBe("backup_foreign");
    for (let length = 1; length < bytes.length; length += length < 20 ? 1 : 3) {
      expect([length, await codeOf(restore(bytes.subarray(0, length)))]).toEqual([length, "backup_damaged"]);
    }
    await expect(restore(bytes.subarray(0, -7))).rejects.toThrow(`ends at byte`);
    await expect(restore(Buffer.concat([bytes, Buffer.of(0)]))).rejects.toThrow(`at byte ${bytes.length}`);
  });

  it("cannot leave a section out, double one, or change two, and is told which bytes do not hold", async () => {
    const { barrier } = await newStore();
    await fill(barrier, 8, 600_000);
    const bytes = await backUp(barrier);
    const [head, one, two, three] = sectionsOf(bytes).map(({ from, to }) => bytes.subarray(from, to));
    const rest = bytes.subarray(sectionsOf(bytes)[4]?.from);
    const build = (...sections: (Buffer | undefined)[]) =>
      Buffer.concat([encodePreamble(), ...sections.flatMap((section) => section ?? [])]);
    await restore(build(head, one, two, three, rest));
    const forged = [
      build(head, one, three, rest),
      build(head, one, one, two, three, rest),
      build(head, two, one, three, rest),
      build(head, rest.subarray(-53)),
      build(head, head, one, two, three, rest),
      build(one, two, three, rest),
    ];
    for (const forgery of forged) await rejectsWith(restore(forgery), "backup_damaged");
    const from = sectionsOf(bytes)[1]?.to;
    await expect(restore(build(head, one, three, rest))).rejects.toThrow(`bytes ${from} to `);
  });

  it("cannot leave a record out, and make lengths, counts and hashes fit that need no key", async () => {
    const { barrier } = await newStore();
    await fill(barrier, 2);
    const bytes = await backUp(barrier);
    const [, entries] = sectionsOf(bytes);
    const body = bytes.subarray((entries?.from ?? 0) + 5, (entries?.to ?? 0) - 32);
    const half = body.subarray(0, body.length / 2);
    const head = Buffer.from([2, 0, 0, 0, 0]);
    head.writeUInt32BE(half.length, 1);
    const seal = Buffer.alloc(32);
    sodium.crypto_generichash(seal, Buffer.concat([head, half]));
    const end = Buffer.from(bytes.subarray(entries?.to));
    end.writeBigUInt64BE(1n, 5);
    const forged = Buffer.concat([bytes.subarray(0, entries?.from), head, half, seal, end]);
    await rejectsWith(restore(forged), "backup_damaged");
  });

  it("cannot put the end of another backup of the same store behind its beginning", async () => {
    const { barrier } = await newStore();
    await fill(barrier, 8, 600_000);
    const [one, other] = [await backUp(barrier), await backUp(barrier)];
    expect(one.length).toBe(other.length);
    for (const { from } of sectionsOf(one).slice(1)) {
      const spliced = Buffer.concat([one.subarray(0, from), other.subarray(from)]);
      await rejectsWith(restore(spliced), "backup_damaged");
    }
  });

  it("cannot have memory set aside by a length that is none", async () => {
    const { barrier } = await newStore();
    const bytes = await backUp(barrier);
    const [head] = sectionsOf(bytes);
    const huge = Buffer.concat([bytes.subarray(0, head?.to), Buffer.from([2, 0xff, 0xff, 0xff, 0xff])]);
    await expect(restore(huge)).rejects.toThrow(`at byte ${head?.to} does not have its form`);
  });

  it("is refused by what it is, where it is no backup or a newer one", async () => {
    const future = Buffer.from(encodePreamble());
    future.writeUInt16BE(2, 16);
    await rejectsWith(restore(future), "backup_future");
    await rejectsWith(restore(Buffer.from("PK\u0003\u0004 something else")), "backup_foreign");
  });
});
