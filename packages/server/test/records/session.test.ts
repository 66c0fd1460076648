import { newId } from "@postern/shared/ids";
import { describe, expect, it } from "vitest";
import { idBytes, recordKey } from "../../src/records/keys.js";
import { findSession, putSession, type Session, scanSessions, sessionsOf } from "../../src/records/session.js";
import { rejectsWith } from "../barrier/support.js";
import { atEveryFlip, NOW, newRecords, pack, putRaw, type Records, some } from "./support.js";

const [account, id] = [newId("account"), newId("session")];
const key = recordKey("session", idBytes(account), idBytes(id));

/** As the release before wrote it: without step-up, without devices. */
const format1 = {
  id,
  account,
  identity: "alice",
  secretHash: some(32),
  authenticatedAt: NOW,
  lastSeenAt: NOW + 1000,
  expiresAt: NOW + 43_200_000,
  amr: ["pwd", "otp", "mfa"],
  address: "127.0.0.1",
  client: "test 0",
};

const session: Session = { ...format1, verifiedAt: NOW + 500, device: newId("device") };

const find = ({ barrier }: Records) => barrier.read((tx) => findSession(tx, account, id));
const put = ({ barrier }: Records, record: Session) => barrier.transact((tx) => putSession(tx, record));

describe("a session that an earlier release stored", () => {
  it("in format 1 is read: its login was its last code, and it has no device", async () => {
    const records = await newRecords();
    await putRaw(records, key, pack([1, format1]));
    const found = await find(records);
    expect(found).toEqual({ ...format1, verifiedAt: NOW });
    expect(await records.barrier.read((tx) => sessionsOf(tx, account))).toEqual([found]);
    await put(records, found as Session);
    expect(await find(records)).toEqual(found);
    expect((await records.barrier.read((tx) => tx.get(key)))?.subarray(0, 2)).toEqual(Buffer.of(0x92, 2));
  });

  it("in format 1 with a step-up that there was not, or without a field, is none", async () => {
    const records = await newRecords();
    await putRaw(records, key, pack([1, { ...format1, verifiedAt: NOW + 10 ** 9 }]));
    expect(await find(records)).toBeUndefined();
    for (const field of Object.keys(format1)) {
      await putRaw(records, key, pack([1, { ...format1, [field]: undefined }]));
      expect(await find(records)).toBeUndefined();
    }
  });

  it("of a later format is refused", async () => {
    const records = await newRecords();
    await putRaw(records, key, pack([3, session]));
    await rejectsWith(find(records), "store_future");
  });
});

describe("a damaged session", () => {
  it("with any byte of its sealed record flipped opens nothing, by itself or among all", async () => {
    const records = await newRecords();
    await put(records, session);
    const other = { ...session, id: newId("session") };
    await put(records, other);
    await atEveryFlip(records, key, async () => {
      expect(await find(records)).toBeUndefined();
      expect(await records.barrier.read((tx) => sessionsOf(tx, account))).toEqual([other]);
      const page = { sessions: [other], damaged: [key], next: undefined };
      expect(await records.barrier.read((tx) => scanSessions(tx, undefined, 10))).toEqual(page);
    });
    expect(await find(records)).toEqual(session);
  });

  it.each([
    ["no time of its last code", { verifiedAt: undefined }],
    ["a time that is none", { expiresAt: Number.POSITIVE_INFINITY }],
    ["a time before 1970", { verifiedAt: -1 }],
    ["a hash of no length", { secretHash: Buffer.alloc(0) }],
    ["a field that nobody knows", { admin: true }],
  ])("that has %s is none", async (_name, more) => {
    const records = await newRecords();
    await putRaw(records, key, pack([2, { ...session, ...more }]));
    expect(await find(records)).toBeUndefined();
  });
});
