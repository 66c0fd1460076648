import { randomFillSync } from "node:crypto";
import { DEVICE_SECRET_BYTES, verifyDeviceMac } from "@postern/shared/channel";
import type { AccountId, DeviceId } from "@postern/shared/ids";
import type { Identity } from "@postern/shared/names/name";
import { findHeadOrDummy } from "../records/account.js";
import { type Device, deviceOwner, findDevice } from "../records/device.js";
import type { ServiceContext } from "./context.js";
import { decoyDeviceOwner } from "./salts.js";

/**
 * Who guesses: a device that this person logged in from before, or a stranger. It decides which budget pays for a
 * guess, and nothing else; what either is answered is the same.
 */
export type Guesser = { readonly kind: "stranger" } | { readonly kind: "device"; readonly id: DeviceId };

export const stranger: Guesser = { kind: "stranger" };

/** What a client says of the device that it runs on. */
export interface DeviceProof {
  readonly id: DeviceId;
  /** 32 bytes, over this connection's exporter value. */
  readonly mac: Buffer;
  readonly exporter: Buffer;
}

/** A MAC is computed for a device that is not known either, with a secret that nobody has. */
const nobodysSecret = randomFillSync(Buffer.alloc(DEVICE_SECRET_BYTES));

/** Whether a device is known for a name. An unknown name is asked for it in the same way, and has none. */
export async function recogniseDevice(
  { barrier }: ServiceContext,
  { identity, nameIndex }: { readonly identity: Identity; readonly nameIndex: Buffer },
  { id, mac, exporter }: DeviceProof,
): Promise<Guesser> {
  const decoy = decoyDeviceOwner(barrier, identity);
  const device = await barrier.read(async (tx) => {
    const { known, head } = await findHeadOrDummy(tx, nameIndex);
    const found = await findDevice(tx, known ? deviceOwner(head.id) : decoy, id);
    return found?.passwordVersion === head.passwordVersion ? found : undefined;
  });
  const proved = verifyDeviceMac(device?.secret ?? nobodysSecret, exporter, mac);
  return proved && device !== undefined ? { kind: "device", id: device.id } : stranger;
}

/** The guesser's device as the store has it now; undefined for a stranger, and for a device that was forgotten since. */
export async function deviceOf(
  tx: Parameters<typeof findDevice>[0],
  account: { readonly id: AccountId; readonly passwordVersion: number },
  guesser: Guesser,
): Promise<Device | undefined> {
  if (guesser.kind === "stranger") return undefined;
  const device = await findDevice(tx, deviceOwner(account.id), guesser.id);
  return device?.passwordVersion === account.passwordVersion ? device : undefined;
}
