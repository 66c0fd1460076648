import type { AccountId, DeviceId } from "@postern/shared/ids";
import type { SealedReadTransaction, SealedWriteTransaction } from "../barrier/barrier.js";
import { budgetKind } from "./budget.js";
import { recordCodec } from "./codec.js";
import { getIntact, scanAndTidy, scanIntact } from "./intact.js";
import { idBytes, recordKey, recordRange } from "./keys.js";
import { bytes, count, instant, text, type ValueOf } from "./kinds.js";
import { record } from "./record-kind.js";

/**
 * A device that a person logged in from: it has budgets for guesses of its own, so that strangers cannot use them up. It
 * takes the place of no factor; one whose record is gone or damaged is a stranger again.
 */
const schema = record({
  id: text<DeviceId>(),
  account: text<AccountId>(),
  /** The account's password that it was made known under: another one, and it is a stranger. */
  passwordVersion: count,
  /** It keys a MAC: that is why it is not stored as a hash. */
  secret: bytes(32),
  createdAt: instant,
  lastSeenAt: instant,
  address: text(),
  client: text(),
  passwordBudget: budgetKind,
  codeBudget: budgetKind,
});
export type Device = ValueOf<typeof schema>;

const codec = recordCodec(schema, { format: 1 });

/** An account's id, as the 16 bytes that its devices' keys begin with. */
export type DeviceOwner = Buffer;

export const deviceOwner = (account: AccountId): DeviceOwner => idBytes(account);

/** A damaged record is no device. */
export function findDevice(tx: SealedReadTransaction, owner: DeviceOwner, id: DeviceId): Promise<Device | undefined> {
  return getIntact(tx, recordKey("device", owner, idBytes(id)), codec.decode);
}

export async function putDevice(tx: SealedWriteTransaction, device: Device): Promise<void> {
  await tx.put(recordKey("device", deviceOwner(device.account), idBytes(device.id)), codec.encode(device));
}

export async function deleteDevice(
  tx: SealedWriteTransaction,
  { account, id }: Pick<Device, "account" | "id">,
): Promise<void> {
  await tx.delete(recordKey("device", deviceOwner(account), idBytes(id)));
}

export async function devicesOf(tx: SealedReadTransaction, account: AccountId): Promise<Device[]> {
  const { records } = await scanIntact(tx, recordRange("device", deviceOwner(account)), codec.decode);
  return records.map(({ value }) => value);
}

/** The same, with damaged records deleted. */
export function tidyDevicesOf(tx: SealedWriteTransaction, account: AccountId): Promise<Device[]> {
  return scanAndTidy(tx, recordRange("device", deviceOwner(account)), codec.decode);
}

/** One page of all devices in the order of their keys, and the key to go on from; none when it was the last. */
export async function scanDevices(
  tx: SealedReadTransaction,
  after: Buffer | undefined,
  limit: number,
): Promise<{ devices: Device[]; next: Buffer | undefined }> {
  const range = recordRange("device");
  const page = await scanIntact(tx, { ...range, from: after ?? range.from, limit }, codec.decode);
  return { devices: page.records.map(({ value }) => value), next: page.next };
}
