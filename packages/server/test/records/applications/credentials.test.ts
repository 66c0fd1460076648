import { newId } from "@postern/shared/ids";
import { describe, expect, it } from "vitest";
import {
  type Authenticator,
  findAuthenticator,
  putAuthenticator,
  scanAuthenticators,
} from "../../../src/records/applications/authenticator.js";
import { findIdempotency, putIdempotency } from "../../../src/records/applications/idempotency.js";
import { findMailbox, putMailbox } from "../../../src/records/applications/mailbox.js";
import {
  findOneTimeCode,
  type OneTimeCode,
  putOneTimeCode,
  scanOneTimeCodes,
} from "../../../src/records/applications/one-time-code.js";
import { idBytes, recordKey } from "../../../src/records/keys.js";
import { rejectsWith } from "../../barrier/support.js";
import {
  atEveryFlip,
  everyPlainFlip,
  NOW,
  newRecords,
  pack,
  putRaw,
  refusesEveryFlip,
  some,
  untouched,
} from "../support.js";

const application = newId("application");
const budget = { ...untouched, failures: 3, lastFailure: NOW, noted: false };

const facts = {
  subject: "ann",
  issuer: "Shop",
  account: "ann@example.org",
  secret: some(20),
  algorithm: "SHA1",
  digits: 6,
  createdAt: NOW,
  budget,
  version: 4,
} as const;
const totp: Authenticator = { kind: "totp", id: newId("totp"), ...facts, period: 30, lastStep: 60_000_000 };
const hotp: Authenticator = { kind: "hotp", id: newId("hotp"), ...facts, counter: 9, lookAhead: 5, resync: true };
const code = {
  id: newId("otp"),
  version: 2,
  budget,
  mails: [NOW],
  issued: {
    subject: "ann",
    mac: some(32),
    macKey: some(32),
    digits: 6,
    createdAt: NOW,
    expiresAt: NOW + 300_000,
    attemptsLeft: 5,
    mailed: true,
  },
} satisfies OneTimeCode;

const keyOf = ({ kind, id }: Authenticator) =>
  recordKey("authenticator", idBytes(application), Buffer.of(kind === "totp" ? 1 : 2), idBytes(id));
const codeKey = recordKey("oneTimeCode", idBytes(application), idBytes(code.id));

describe.each([totp, hotp])("an authenticator's record: $kind", (record) => {
  it("is refused with any byte of it flipped, by itself, and listed as damaged", async () => {
    const records = await newRecords();
    const { barrier } = records;
    await barrier.transact((tx) => putAuthenticator(tx, application, record));
    const find = () => barrier.read((tx) => findAuthenticator(tx, application, record.id));
    await refusesEveryFlip(records, keyOf(record), find);
    expect(await find()).toEqual(record);
    const list = () => barrier.read((tx) => scanAuthenticators(tx, { application, kind: record.kind }, undefined, 9));
    expect(await list()).toEqual({ records: [record], damaged: [] });
    await putRaw(records, keyOf(record), Buffer.from("nothing"));
    expect(await list()).toEqual({ records: [], damaged: [record.id] });
  });

  it("never opens without a secret, a budget or what is used up, whatever bit of its plaintext is flipped", async () => {
    const records = await newRecords();
    await everyPlainFlip(
      records,
      {
        key: keyOf(record),
        plain: pack([1, record]),
        read: (tx) => findAuthenticator(tx, application, record.id),
      },
      (found) => {
        expect(found?.secret).toHaveLength(20);
        expect(found?.budget.failures).toBeGreaterThanOrEqual(0);
        if (found?.kind === "totp") expect(Number.isInteger(found.lastStep)).toBe(true);
        else expect(found?.counter).toBeGreaterThanOrEqual(0);
      },
    );
  });

  it.each([
    ["no budget", { budget: undefined }],
    ["no used step or counter", { lastStep: undefined, counter: undefined }],
    ["a version that is none", { version: 0 }],
    ["no look-ahead and no period", { lookAhead: 0, period: 0 }],
    ["a field that nobody knows", { trusted: true }],
  ])("with %s is refused", async (_name, more) => {
    const records = await newRecords();
    await putRaw(records, keyOf(record), pack([1, { ...record, ...more }]));
    await rejectsWith(
      records.barrier.read((tx) => findAuthenticator(tx, application, record.id)),
      "store_damaged",
    );
  });

  it("of a later format is refused", async () => {
    const records = await newRecords();
    await putRaw(records, keyOf(record), pack([2, record]));
    await rejectsWith(
      records.barrier.read((tx) => findAuthenticator(tx, application, record.id)),
      "store_future",
    );
  });
});

describe("a one-time code's record", () => {
  it("is refused with any byte of it flipped, and listed as damaged", async () => {
    const records = await newRecords();
    const { barrier } = records;
    await barrier.transact((tx) => putOneTimeCode(tx, application, code));
    const find = () => barrier.read((tx) => findOneTimeCode(tx, application, code.id));
    await refusesEveryFlip(records, codeKey, find);
    expect(await find()).toEqual(code);
    await putRaw(records, codeKey, Buffer.from("nothing"));
    const page = await barrier.read((tx) => scanOneTimeCodes(tx, application, undefined, 9));
    expect(page).toEqual({ records: [], damaged: [code.id] });
  });

  it.each([
    ["no budget", { budget: undefined }],
    ["no mails", { mails: undefined }],
    ["half a MAC", { issued: { ...code.issued, mac: some(16) } }],
    ["attempts below none", { issued: { ...code.issued, attemptsLeft: -1 } }],
    ["no end", { issued: { ...code.issued, expiresAt: Number.POSITIVE_INFINITY } }],
  ])("with %s is refused", async (_name, more) => {
    const records = await newRecords();
    await putRaw(records, codeKey, pack([1, { ...code, ...more }]));
    await rejectsWith(
      records.barrier.read((tx) => findOneTimeCode(tx, application, code.id)),
      "store_damaged",
    );
  });
});

describe("an idempotency record", () => {
  it("is none with any byte of it flipped", async () => {
    const records = await newRecords();
    const { barrier } = records;
    const index = some(32);
    const record = { fingerprint: some(32), createdAt: NOW, created: { id: "otp_1", version: 1 } };
    await barrier.transact((tx) => putIdempotency(tx, application, index, record));
    const find = () => barrier.read((tx) => findIdempotency(tx, application, index));
    expect(await find()).toEqual(record);
    await atEveryFlip(records, recordKey("idempotency", idBytes(application), index), async () => {
      expect(await find()).toBeUndefined();
    });
  });
});

describe("the record of a mailbox", () => {
  it("is none with any byte of it flipped", async () => {
    const records = await newRecords();
    const { barrier } = records;
    const index = some(32);
    const record = { mails: [NOW], noted: true };
    await barrier.transact((tx) => putMailbox(tx, application, index, record));
    const find = () => barrier.read((tx) => findMailbox(tx, application, index));
    expect(await find()).toEqual(record);
    await atEveryFlip(records, recordKey("mailbox", idBytes(application), index), async () => {
      expect(await find()).toBeUndefined();
    });
  });
});
