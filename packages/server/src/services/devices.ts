import { DEVICE_SECRET_BYTES } from "@postern/shared/channel";
import { PosternError } from "@postern/shared/errors";
import { type DeviceId, newId } from "@postern/shared/ids";
import type { SealedWriteTransaction } from "../barrier/barrier.js";
import type { Account, AccountHead } from "../records/account.js";
import { untouchedBudget } from "../records/budget.js";
import {
  type Device,
  deleteDevice,
  deviceOwner,
  devicesOf,
  findDevice,
  putDevice,
  tidyDevicesOf,
} from "../records/device.js";
import { aboutAccount, aboutSession, audit, type Peer, type ServiceContext } from "./context.js";
import { readLiveSession, type SessionName } from "./live-session.js";
import { withFreshSession } from "./step-up.js";

/** So many devices of a person are known; one more, and the longest unused is a stranger again. */
export const DEVICES_MAX = 10;

/** A device as the login that made it known tells of it: the secret is given out this once. */
export interface NewDevice {
  readonly id: DeviceId;
  readonly secret: Buffer;
}

/** Makes the device of a full login known, in its transaction. The log tells of each that is a stranger again for it. */
export async function welcomeDevice(
  context: ServiceContext,
  tx: SealedWriteTransaction,
  peer: Peer,
  { id: account, identity, passwordVersion }: Pick<Account, "id" | "identity" | "passwordVersion">,
): Promise<NewDevice> {
  const { now, random } = context;
  const devices = await tidyDevicesOf(tx, account);
  devices.sort((a, b) => b.lastSeenAt - a.lastSeenAt);
  for (const unused of devices.slice(DEVICES_MAX - 1)) {
    await deleteDevice(tx, unused);
    const told = { event: "device.forget", outcome: "done", reason: `${unused.id} limit` } as const;
    await audit(context, tx, peer, { ...aboutAccount({ id: account, identity }), ...told });
  }
  const device: Device = {
    id: newId("device", random),
    account,
    passwordVersion,
    secret: random(DEVICE_SECRET_BYTES),
    createdAt: now(),
    lastSeenAt: now(),
    ...peer,
    passwordBudget: untouchedBudget,
    codeBudget: untouchedBudget,
  };
  await putDevice(tx, device);
  return { id: device.id, secret: device.secret };
}

/** Notes that a known device was here, in the transaction of its login. */
export async function seeDevice(
  { now }: ServiceContext,
  tx: SealedWriteTransaction,
  peer: Peer,
  device: Device,
): Promise<void> {
  await putDevice(tx, { ...device, lastSeenAt: Math.max(device.lastSeenAt, now()), ...peer });
}

/** A person's devices, the one seen last first. @throws PosternError `session_invalid` */
export function listDevices(context: ServiceContext, known: SessionName): Promise<Device[]> {
  return readLiveSession(context, known, async (tx, { account }) => {
    const devices = await devicesOf(tx, account.id);
    const current = devices.filter(({ passwordVersion }) => passwordVersion === account.passwordVersion);
    return current.sort((a, b) => b.lastSeenAt - a.lastSeenAt);
  });
}

/**
 * Makes a device a stranger; its sessions live on. It takes a fresh session: else a stolen one could have strangers keep
 * the person out.
 * @throws PosternError `session_invalid`, `step_up_needed`, `id_unknown`
 */
export async function forgetDevice(
  context: ServiceContext,
  peer: Peer,
  known: SessionName,
  id: DeviceId,
): Promise<void> {
  await withFreshSession(context, known, async (tx, { session, account }) => {
    const device = await findDevice(tx, deviceOwner(account.id), id);
    if (device === undefined) throw new PosternError("id_unknown");
    await deleteDevice(tx, device);
    await audit(context, tx, peer, { ...aboutSession(session), event: "device.forget", outcome: "done", reason: id });
  });
}

/** The same for all but the session's own. Returns how many. @throws PosternError `session_invalid`, `step_up_needed` */
export function forgetOtherDevices(context: ServiceContext, peer: Peer, known: SessionName): Promise<number> {
  return withFreshSession(context, known, async (tx, { session, account }) => {
    const forgotten = await forgetDevicesBut(tx, account, session.device);
    if (forgotten === 0) return 0;
    await audit(context, tx, peer, {
      ...aboutSession(session),
      event: "device.forget",
      outcome: "done",
      reason: "others",
    });
    return forgotten;
  });
}

/** Forgets all devices of an account but one, in the caller's transaction. Returns how many. */
export async function forgetDevicesBut(
  tx: SealedWriteTransaction,
  account: Pick<AccountHead, "id">,
  kept: DeviceId | undefined,
): Promise<number> {
  const others = (await tidyDevicesOf(tx, account.id)).filter(({ id }) => id !== kept);
  for (const other of others) await deleteDevice(tx, other);
  return others.length;
}
