import { type AccountId, newId } from "@postern/shared/ids";
import { describe, expect, it } from "vitest";
import type { SealedReadTransaction } from "../../src/barrier/barrier.js";
import {
  type Account,
  deleteAccount,
  type Factor,
  findAccount,
  findAccountHead,
  findHeadOrDummy,
  putAccount,
  putDummyAccount,
  refreshAccounts,
} from "../../src/records/account.js";
import { recordKey } from "../../src/records/keys.js";
import { rejectsWith } from "../barrier/support.js";
import {
  everyPlainFlip,
  NOW,
  newRecords,
  pack,
  putRaw,
  type Records,
  refusesEveryFlip,
  sealedSize,
  some,
  untouched,
} from "./support.js";

const nameIndex = Buffer.alloc(32, 7);
const key = recordKey("account", nameIndex);
const dummyKey = recordKey("account", Buffer.alloc(33, 0xff));
const dummyKeyOfFormat1 = recordKey("account", Buffer.from("dummy"));

const totpFields = {
  kind: "totp",
  id: newId("factor"),
  label: "authenticator",
  secret: some(20),
  algorithm: "SHA1",
  digits: 6,
  createdAt: NOW,
  period: 30,
  lastStep: 60_000_000,
} as const;

const totp = (label: string): Factor => ({ ...totpFields, id: newId("factor"), label, lastUsedAt: NOW });

/** What stood in one with the verifier in format 1, and stands in the details since. */
const detailFields = {
  identity: "alice",
  createdAt: NOW,
  factors: [totpFields],
  recovery: Array.from({ length: 10 }, () => some(32)),
  codeBudget: untouched,
};

const headFields = { id: newId("account"), verifier: some(256), stretch: 1 };

const account = (factors: Factor[] = [totp("authenticator")], more: Partial<Account> = {}): Account => ({
  ...headFields,
  ...detailFields,
  passwordVersion: 0,
  codeBudget: { ...untouched, noted: false },
  factors,
  ...more,
});

/** The same transaction, which notes what it is asked. */
const noting = (tx: SealedReadTransaction, calls: string[]): SealedReadTransaction => ({
  get: (asked) => {
    calls.push("get");
    return tx.get(asked);
  },
  scan: (range) => {
    calls.push(`scan of ${range.limit}`);
    return tx.scan(range);
  },
  keys: (range) => {
    calls.push("keys");
    return tx.keys(range);
  },
});

const find = ({ barrier }: Records) => barrier.read((tx) => findAccount(tx, nameIndex));
const findHead = ({ barrier }: Records) => barrier.read((tx) => findAccountHead(tx, nameIndex));
const put = ({ barrier }: Records, record: Account) => barrier.transact((tx) => putAccount(tx, nameIndex, record));

/** Details as the record holds them: their length, MessagePack, zeros. */
function details(fields: unknown, length?: number): Buffer {
  const packed = pack(fields);
  const padded = Buffer.alloc(Math.ceil((4 + packed.length) / 2048) * 2048);
  padded.writeUInt32BE(length ?? packed.length);
  packed.copy(padded, 4);
  return padded;
}

const format2 = (packed: Buffer, head: object = { ...headFields, passwordVersion: 0 }) =>
  pack([2, { ...head, details: packed }]);

describe("an account that an earlier release stored", () => {
  it("in format 1 is read whole, with no password changed yet, and stored in today's format from then on", async () => {
    const records = await newRecords();
    await putRaw(records, key, pack([1, { ...headFields, ...detailFields }]));
    const found = await find(records);
    expect(found).toEqual({
      ...headFields,
      ...detailFields,
      passwordVersion: 0,
      codeBudget: { ...untouched, noted: false },
    });
    expect(await findHead(records)).toEqual({ ...headFields, passwordVersion: 0 });
    await put(records, found as Account);
    expect(await find(records)).toEqual(found);
    expect((await records.barrier.read((tx) => tx.get(key)))?.subarray(0, 2)).toEqual(Buffer.of(0x92, 2));
  });

  it.each(["id", "verifier", "stretch", "identity", "factors", "recovery", "codeBudget"] as const)(
    "in format 1 without its %s is damaged",
    async (field) => {
      const records = await newRecords();
      const { [field]: _gone, ...rest } = { ...headFields, ...detailFields };
      await putRaw(records, key, pack([1, rest]));
      await rejectsWith(find(records), "store_damaged");
      await rejectsWith(findHead(records), "store_damaged");
    },
  );

  it.each([[[]], [[{ ...totpFields, secret: undefined }]], [[{ ...totpFields, kind: "none" }]]])(
    "in format 1 with factors that are none is damaged",
    async (factors) => {
      const records = await newRecords();
      await putRaw(records, key, pack([1, { ...headFields, ...detailFields, factors }]));
      await rejectsWith(find(records), "store_damaged");
    },
  );

  it("of a later format, or of none, is refused", async () => {
    const records = await newRecords();
    await putRaw(records, key, pack([3, { ...headFields, details: details(detailFields) }]));
    await rejectsWith(find(records), "store_future");
    for (const format of [0, -1, 1.5, "2", null]) {
      await putRaw(records, key, pack([format, { ...headFields, ...detailFields }]));
      await rejectsWith(find(records), "store_damaged");
    }
  });

  it("records are brought to today's format together, the one for unknown names too, which is as large as a person's", async () => {
    const records = await newRecords();
    await putRaw(records, dummyKeyOfFormat1, pack([1, { ...headFields, ...detailFields, identity: "nobody" }]));
    await putRaw(records, key, pack([1, { ...headFields, ...detailFields }]));
    const done = await records.barrier.transact((tx) => refreshAccounts(tx, undefined, 10));
    expect(done).toEqual({ accounts: 1, next: undefined });
    expect(await sealedSize(records, dummyKey)).toBe(await sealedSize(records, key));
    expect(await records.barrier.read((tx) => tx.get(dummyKeyOfFormat1))).toBeUndefined();
    const unknown = await records.barrier.read((tx) => findHeadOrDummy(tx, Buffer.alloc(32, 0xff)));
    expect(unknown).toMatchObject({ known: false, head: { passwordVersion: 0 } });
  });
});

describe("an account that an operator has disabled", () => {
  const disabled = account(undefined, { disabledAt: NOW, lastLoginAt: NOW });

  it("is read so, and one that was stored before there was such a thing is not", async () => {
    const records = await newRecords();
    await put(records, disabled);
    expect(await find(records)).toMatchObject({ disabledAt: NOW, lastLoginAt: NOW });
    for (const stored of [pack([1, { ...headFields, ...detailFields }]), format2(details(detailFields))]) {
      await putRaw(records, key, stored);
      const { disabledAt, lastLoginAt } = (await find(records)) as Account;
      expect([disabledAt, lastLoginAt]).toEqual([undefined, undefined]);
    }
  });

  it.each([null, false, true, "", -1, 1.5, Number.NaN])("at %s, which is no time: the store is damaged", async (at) => {
    const records = await newRecords();
    await putRaw(records, key, format2(details({ ...detailFields, disabledAt: at })));
    await rejectsWith(find(records), "store_damaged");
  });
});

describe("what an account's size tells", () => {
  it("is the same for one to three authenticators, used or not, disabled or not, for any name and recovery codes", async () => {
    const records = await newRecords();
    const { period: _period, lastStep: _lastStep, ...facts } = totpFields;
    const largest: Factor = { ...totp("\u{1d400}".repeat(32)), algorithm: "SHA512", digits: 8, secret: some(64) };
    const hotp: Factor = { ...facts, kind: "hotp", counter: 3 };
    const kinds: Account[] = [
      account(),
      account([totp("phone"), totp("tablet")]),
      account([totp("phone"), hotp, totp("authenticator 3")]),
      account([totp("authenticator"), totp("authenticator 2"), totp("authenticator 3")]),
      account(
        Array.from({ length: 3 }, () => largest),
        { identity: "a".repeat(64), disabledAt: NOW, lastLoginAt: NOW },
      ),
      account([totp("phone")], { recovery: [] }),
      account([totp("phone")], { disabledAt: NOW, lastLoginAt: NOW }),
      account([totp("phone")], { identity: "a".repeat(64), passwordVersion: 3 }),
      account([totp("phone")], { codeBudget: { failures: 99, lastFailure: NOW, blockedUntil: NOW + 1, noted: true } }),
    ];
    const sizes: number[] = [];
    for (const each of kinds) {
      await put(records, each);
      expect(await find(records)).toEqual(each);
      sizes.push(await sealedSize(records, key));
    }
    expect(new Set(sizes).size).toBe(1);
  });
});

describe("promise 6: damage never lowers the number of factors asked", () => {
  it("any byte of the sealed record flipped, and neither its head nor the whole is read", async () => {
    const records = await newRecords();
    await put(records, account());
    await refusesEveryFlip(records, key, () => find(records));
    await refusesEveryFlip(records, key, () => findHead(records));
  });

  it("any bit flipped behind the seal, and it is refused, or asks for as many and stays disabled", async () => {
    const records = await newRecords();
    const three = account([totp("one"), totp("two"), totp("three")], { disabledAt: NOW });
    await put(records, three);
    const plain = (await records.barrier.read((tx) => tx.get(key))) ?? Buffer.alloc(0);
    const read = (tx: SealedReadTransaction) => findAccount(tx, nameIndex);
    let taken = 0;
    await everyPlainFlip(records, { key, plain, read }, (found) => {
      taken += 1;
      if (found?.factors.length !== 3) throw new Error("another number of factors");
      if (found.disabledAt === undefined) throw new Error("not disabled any more");
    });
    expect(taken).toBeGreaterThan(0);
  });

  it.each([
    ["are missing", pack([2, { ...headFields, passwordVersion: 0 }])],
    ["are empty", format2(Buffer.alloc(0))],
    ["are zeros", format2(Buffer.alloc(1024))],
    ["are cut off", format2(details(detailFields).subarray(0, 300))],
    ["claim to be longer than they are", format2(details(detailFields, 2 ** 32 - 1))],
    ["claim to be shorter", format2(details(detailFields, 200))],
    ["claim to be one byte shorter", format2(details(detailFields, pack(detailFields).length - 1))],
    ["have no factors", format2(details({ ...detailFields, factors: [] }))],
    ["lack the factors", format2(details({ ...detailFields, factors: undefined }))],
    ["have a factor without a secret", format2(details({ ...detailFields, factors: [{ ...totpFields, secret: "" }] }))],
    ["have a factor of no kind", format2(details({ ...detailFields, factors: [{ ...totpFields, kind: "push" }] }))],
    ["lack the recovery codes", format2(details({ ...detailFields, recovery: null }))],
    ["have a recovery code that is too short", format2(details({ ...detailFields, recovery: [some(31)] }))],
    ["lack the budget", format2(details({ ...detailFields, codeBudget: undefined }))],
    ["have a field that nobody knows", format2(details({ ...detailFields, disabled: true }))],
    ["are those of format 1", pack([2, { ...headFields, ...detailFields }])],
  ])("details that %s: the store is damaged", async (_name, stored) => {
    const records = await newRecords();
    await putRaw(records, key, stored);
    await rejectsWith(find(records), "store_damaged");
  });

  it.each([
    ["verifier of 255 bytes", { verifier: some(255) }],
    ["verifier as text", { verifier: "0".repeat(256) }],
    ["password version below zero", { passwordVersion: -1 }],
    ["generation zero", { stretch: 0 }],
    ["field too many", { admin: true }],
  ])("a head with a %s: the store is damaged", async (_name, more) => {
    const records = await newRecords();
    await putRaw(records, key, format2(details(detailFields), { ...headFields, passwordVersion: 0, ...more }));
    await rejectsWith(findHead(records), "store_damaged");
    await rejectsWith(find(records), "store_damaged");
  });

  it("one that is there and one that is not are found by the one same read, which gives a record either way", async () => {
    const records = await newRecords();
    await records.barrier.transact((tx) => putDummyAccount(tx, account()));
    await put(records, account());
    for (const [asked, known] of [
      [nameIndex, true],
      [Buffer.alloc(32, 6), false],
      [Buffer.alloc(32, 8), false],
      [Buffer.alloc(32, 0xff), false],
    ] as const) {
      const calls: string[] = [];
      const found = await records.barrier.read((tx) => findHeadOrDummy(noting(tx, calls), asked));
      expect({ known: found.known, calls }).toEqual({ known, calls: ["scan of 1"] });
      expect(found.head.verifier.length).toBe(256);
    }
  });

  it("without the record for unknown names there is no answer for any of them", async () => {
    const records = await newRecords();
    const ask = () => records.barrier.read((tx) => findHeadOrDummy(tx, nameIndex));
    await rejectsWith(ask(), "store_damaged");
    await records.barrier.transact((tx) => refreshAccounts(tx, undefined, 10));
    await records.barrier.transact((tx) => putDummyAccount(tx, account()));
    expect((await ask()).known).toBe(false);
    await put(records, account(undefined, { id: newId("account") as AccountId }));
    expect((await ask()).known).toBe(true);
    await records.barrier.transact((tx) => deleteAccount(tx, nameIndex));
    expect((await ask()).known).toBe(false);
  });
});
