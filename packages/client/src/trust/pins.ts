import { PosternError } from "@postern/shared/errors";
import { type Fingerprint, parseFingerprint, sameFingerprint } from "@postern/shared/fingerprint";
import { parseServerAddress, type ServerAddress } from "@postern/shared/server-address";
import { withFileLock } from "../file-lock.js";
import { readPrivateFile, writePrivateFile } from "../private-file.js";

/** One known server. */
export interface Pin {
  readonly fingerprint: Fingerprint;
  /** Milliseconds since 1970. */
  readonly firstSeen: number;
}

/** By `ServerAddress.key`, in its order. */
export type Pins = ReadonlyMap<ServerAddress["key"], Pin>;

const MAX_BYTES = 1024 * 1024;

/**
 * Reads the file of known servers, `{"version":1,"servers":{"HOST:PORT":{"fingerprint":"SHA256:…","first_seen":
 * "2026-11-21T12:00:00.000Z"}}}`. No file means no pins. A file that is not wholly understood never does, for that
 * would turn every known server into a first contact: it throws `pins_unreadable`.
 */
export async function readPins(path: string): Promise<Pins> {
  try {
    const text = await readPrivateFile(path, MAX_BYTES);
    return text === undefined ? new Map() : parsePins(text);
  } catch (cause) {
    const detail = (cause instanceof PosternError && cause.detail) || `${path}: it is damaged`;
    throw new PosternError("pins_unreadable", { detail, cause });
  }
}

/**
 * Adds a pin, durably. Two processes may meet a server for the first time at the same moment: the one who is second
 * here and was shown another identity gets `server_identity_changed`, for a stored pin is never replaced.
 * Throws also `pins_unreadable`, `file_unwritable`; then nothing was changed.
 */
export function addPin(path: string, { key }: ServerAddress, fingerprint: Fingerprint, now: number): Promise<void> {
  return withFileLock(path, async () => {
    const pins = new Map(await readPins(path));
    const pin = pins.get(key);
    if (pin === undefined) return writePins(path, pins.set(key, { fingerprint, firstSeen: now }));
    if (!sameFingerprint(pin.fingerprint, fingerprint)) throw new PosternError("server_identity_changed");
  });
}

/**
 * Puts a successor in the place of the pin that vouched for it, durably. A pin that is neither of them by now, or gone,
 * is somebody else's decision: `server_identity_changed`, and nothing was changed. Throws also as `addPin`.
 */
export function movePin(
  path: string,
  { key }: ServerAddress,
  { from, to }: { readonly from: Fingerprint; readonly to: Fingerprint },
): Promise<void> {
  return withFileLock(path, async () => {
    const pins = new Map(await readPins(path));
    const pin = pins.get(key);
    if (pin !== undefined && sameFingerprint(pin.fingerprint, to)) return;
    if (pin === undefined || !sameFingerprint(pin.fingerprint, from)) throw new PosternError("server_identity_changed");
    await writePins(path, pins.set(key, { ...pin, fingerprint: to }));
  });
}

/** Forgets a server; false when it was not known. Throws `pins_unreadable`, `file_unwritable`. */
export function forgetPin(path: string, { key }: ServerAddress): Promise<boolean> {
  return withFileLock(path, async () => {
    const pins = new Map(await readPins(path));
    const known = pins.delete(key);
    if (known) await writePins(path, pins);
    return known;
  });
}

function writePins(path: string, pins: Pins): Promise<void> {
  const servers = [...pins]
    .sort(([one], [other]) => (one < other ? -1 : 1))
    .map(([key, { fingerprint, firstSeen }]) => [key, { fingerprint, first_seen: new Date(firstSeen).toISOString() }]);
  return writePrivateFile(path, `${JSON.stringify({ version: 1, servers: Object.fromEntries(servers) }, null, 2)}\n`);
}

function parsePins(text: string): Pins {
  const { version, servers } = fieldsOf(JSON.parse(text), ["version", "servers"]);
  if (version !== 1) throw new Error("unknown version");
  return new Map(Object.entries(objectOf(servers)).map(([key, pin]) => [parseKey(key), parsePin(pin)]));
}

/** Another spelling of a key would never be found again. */
function parseKey(text: string): string {
  if (parseServerAddress(text).key !== text) throw new Error("not a key");
  return text;
}

function parsePin(value: unknown): Pin {
  const { fingerprint, first_seen } = fieldsOf(value, ["fingerprint", "first_seen"]);
  if (typeof fingerprint !== "string" || typeof first_seen !== "string") throw new Error("not a pin");
  const firstSeen = Date.parse(first_seen);
  if (new Date(firstSeen).toISOString() !== first_seen) throw new Error("not a time");
  return { fingerprint: parseFingerprint(fingerprint), firstSeen };
}

function fieldsOf<K extends string>(value: unknown, names: readonly K[]): Record<K, unknown> {
  const object = objectOf(value);
  if (Object.keys(object).length !== names.length || !names.every((name) => Object.hasOwn(object, name))) {
    throw new Error("not the fields expected");
  }
  return object;
}

function objectOf(value: unknown): Record<string, unknown> {
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw new Error("not an object");
  return Object.fromEntries(Object.entries(value));
}
