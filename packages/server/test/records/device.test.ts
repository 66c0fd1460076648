import { newId } from "@postern/shared/ids";
import { describe, expect, it } from "vitest";
import { type Device, deleteDevice, deviceOwner, devicesOf, findDevice, putDevice } from "../../src/records/device.js";
import { idBytes, recordKey } from "../../src/records/keys.js";
import { rejectsWith } from "../barrier/support.js";
import { atEveryFlip, NOW, newRecords, pack, putRaw, type Records, some, untouched } from "./support.js";

const [alice, bob] = [newId("account"), newId("account")];

const device = (account = alice): Device => ({
  id: newId("device"),
  account,
  passwordVersion: 0,
  secret: some(32),
  createdAt: NOW,
  lastSeenAt: NOW,
  address: "127.0.0.1",
  client: "test 0",
  passwordBudget: { ...untouched, noted: false },
  codeBudget: { ...untouched, failures: 3, noted: true },
});

const keyOf = ({ account, id }: Device) => recordKey("device", deviceOwner(account), idBytes(id));
const put = ({ barrier }: Records, record: Device) => barrier.transact((tx) => putDevice(tx, record));
const find = ({ barrier }: Records, { id }: Device, account = alice) =>
  barrier.read((tx) => findDevice(tx, deviceOwner(account), id));
const list = ({ barrier }: Records, account = alice) => barrier.read((tx) => devicesOf(tx, account));

describe("a known device", () => {
  it("is found with its person and not with another, and is gone when it is deleted", async () => {
    const records = await newRecords();
    const [mine, hers] = [device(), device(bob)];
    for (const each of [mine, hers]) await put(records, each);
    expect(await find(records, mine)).toEqual(mine);
    expect(await find(records, mine, bob)).toBeUndefined();
    expect(await list(records)).toEqual([mine]);
    await records.barrier.transact((tx) => deleteDevice(tx, mine));
    expect(await find(records, mine)).toBeUndefined();
    expect(await list(records, bob)).toEqual([hers]);
  });

  it("with any byte of its sealed record flipped is no device, by itself or in the list", async () => {
    const records = await newRecords();
    const mine = device();
    await put(records, mine);
    const other = device();
    await put(records, other);
    await atEveryFlip(records, keyOf(mine), async () => {
      expect(await find(records, mine)).toBeUndefined();
      expect(await list(records)).toEqual([other]);
    });
    expect(await find(records, mine)).toEqual(mine);
  });

  it("whose record stands under another one's key does not open", async () => {
    const records = await newRecords();
    const [mine, hers] = [device(), device(bob)];
    for (const each of [mine, hers]) await put(records, each);
    await records.storage.transact(async (tx) => {
      const stored = (each: Device) => Buffer.concat([Buffer.of(1), keyOf(each)]);
      await tx.put(stored(mine), (await tx.get(stored(hers))) ?? Buffer.alloc(0));
    });
    expect(await find(records, mine)).toBeUndefined();
    expect(await list(records)).toEqual([]);
    expect(await list(records, bob)).toEqual([hers]);
  });

  it.each([
    ["secret", { secret: some(31) }],
    ["secret as text", { secret: "0".repeat(32) }],
    ["password version", { passwordVersion: undefined }],
    ["password budget", { passwordBudget: undefined }],
    ["code budget", { codeBudget: { failures: -1 } }],
    ["fields", { trusted: true }],
  ])("that has not its %s is none, never one with a fresh budget", async (_name, more) => {
    const records = await newRecords();
    const mine = device();
    await putRaw(records, keyOf(mine), pack([1, { ...mine, ...more }]));
    expect(await find(records, mine)).toBeUndefined();
    expect(await list(records)).toEqual([]);
  });

  it("of a later format is refused", async () => {
    const records = await newRecords();
    const mine = device();
    await putRaw(records, keyOf(mine), pack([2, mine]));
    await rejectsWith(find(records, mine), "store_future");
  });
});
