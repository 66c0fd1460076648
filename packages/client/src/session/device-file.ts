import { deviceMac } from "@postern/shared/channel";
import { type DeviceId, idPattern } from "@postern/shared/ids";
import { type Identity, parseName } from "@postern/shared/names/name";
import type { ServerAddress } from "@postern/shared/server-address";
import { z } from "zod";
import type { Paths } from "../paths.js";
import { stateFile } from "./state-file.js";

/**
 * By what servers know this machine again: one secret for each server and person. It gets nobody in, but it spares its
 * person the waits that strangers cause. A list, since a name may be `__proto__`.
 */
const schema = z.object({
  version: z.literal(1),
  devices: z.array(
    z.object({
      /** `ServerAddress.key`, and the identity of the person: however the name is typed, it is found. */
      server: z.string(),
      name: z.string(),
      /** The server's identity, to which alone it shows itself: to another one it would only tell who comes. */
      fingerprint: z.string(),
      device: idPattern("device"),
      secret: z.string().regex(/^[0-9a-f]{64}$/),
    }),
  ),
});
type DeviceFile = z.infer<typeof schema>;
type KeptDevice = DeviceFile["devices"][number];

/** What a server said of a device when it made it known: its id, and 64 digits of hex. */
export type KnownDevice = Pick<KeptDevice, "device" | "secret">;

const file = stateFile<DeviceFile>("devices.json", schema, { version: 1, devices: [] });

/** Whose device: at which server, of which identity, by what name. */
export interface DeviceOwner {
  readonly server: ServerAddress;
  readonly fingerprint: string;
  /** As it was typed. */
  readonly name: string;
}

/**
 * What this machine is to a person's account, if it is anything.
 * @throws PosternError `file_unreadable` when somebody else could have written it
 */
export async function knownDevice(paths: Paths, owner: DeviceOwner): Promise<KnownDevice | undefined> {
  const name = identityOf(owner.name);
  const { devices } = await file.read(paths);
  return devices.find(
    (kept) => kept.server === owner.server.key && kept.name === name && kept.fingerprint === owner.fingerprint,
  );
}

/** Keeps it in the place of an earlier one. A name that does not map here has no device. */
export async function keepDevice(paths: Paths, owner: DeviceOwner, { device, secret }: KnownDevice): Promise<void> {
  const name = identityOf(owner.name);
  if (name === undefined) return;
  const { fingerprint } = owner;
  const kept: KeptDevice = { server: owner.server.key, name, fingerprint, device, secret };
  await change(paths, (devices) => [...devices.filter((one) => !isSameOwner(one, kept)), kept]);
}

/** Those of a server whose identity was succeeded by another one, which has proved itself, are known to that one. */
export async function moveDevices(
  paths: Paths,
  server: ServerAddress,
  { from, to }: { readonly from: string; readonly to: string },
): Promise<void> {
  await change(paths, (devices) =>
    devices.map((kept) =>
      kept.server === server.key && kept.fingerprint === from ? { ...kept, fingerprint: to } : kept,
    ),
  );
}

/** Forgets one that its server has forgotten. */
export async function dropDevice(paths: Paths, server: ServerAddress, gone: DeviceId): Promise<void> {
  await change(paths, (devices) => devices.filter(({ server: key, device }) => key !== server.key || device !== gone));
}

/** Forgets all that are kept for a server. */
export async function forgetDevices(paths: Paths, server: ServerAddress): Promise<void> {
  await change(paths, (devices) => devices.filter(({ server: key }) => key !== server.key));
}

/** As `checkSessionFile`. */
export function checkDeviceFile(paths: Paths): Promise<void> {
  return file.check(paths);
}

/** How a device shows over the connection of this exporter that it is known. */
export function deviceProof({ device, secret }: KnownDevice, exporter: Buffer): { device: DeviceId; mac: string } {
  const key = Buffer.from(secret, "hex");
  return { device, mac: deviceMac(key, exporter).toString("hex") };
}

function isSameOwner(one: KeptDevice, other: KeptDevice): boolean {
  return one.server === other.server && one.name === other.name;
}

function identityOf(name: string): Identity | undefined {
  try {
    return parseName(name);
  } catch {
    return undefined;
  }
}

function change(paths: Paths, edit: (devices: KeptDevice[]) => KeptDevice[]): Promise<void> {
  return file.change(paths, ({ devices }) => ({ version: 1, devices: edit(devices) }));
}
