import { createHmac, timingSafeEqual } from "node:crypto";
import { PosternError } from "./errors.js";

/**
 * Channel MACs bind a login to the TLS connection it runs over: a man in the middle who relays SRP between two
 * connections has two exporter values, and not K. RFC 9266 says what to export.
 */

/** RFC 9266: what both sides pass to `exportKeyingMaterial`, with an empty context. */
export const channelExporter = { label: "EXPORTER-Channel-Binding", context: Buffer.alloc(0), bytes: 32 } as const;

export const CHANNEL_MAC_BYTES = 32;

const KEY_BYTES = 32;

/** One label for each direction, so that no side can be answered with its own MAC. The zero byte ends the label. */
const labels = {
  client: Buffer.from("postern/1 client channel\0", "ascii"),
  server: Buffer.from("postern/1 server channel\0", "ascii"),
} as const;

/** Whose MAC it is: the one who sends it. */
export type ChannelDirection = keyof typeof labels;

interface MacInputs {
  readonly key: Uint8Array;
  readonly exporter: Uint8Array;
  /** For the bug that another length is. */
  readonly what: string;
}

/** HMAC-SHA256(key, label | exporter): what all MACs over a connection are. */
function macOver(label: Buffer, { key, exporter, what }: MacInputs): Buffer {
  if (key.length !== KEY_BYTES || exporter.length !== channelExporter.bytes) {
    throw new PosternError("bug", { detail: `${what} takes a key and an exporter value of 32 bytes` });
  }
  return createHmac("sha256", key).update(label).update(exporter).digest();
}

function isMac(mac: Uint8Array, right: () => Buffer): boolean {
  return mac.length === CHANNEL_MAC_BYTES && timingSafeEqual(right(), mac);
}

/**
 * HMAC-SHA256(K, label | exporter), 32 bytes: K of 32 bytes out of SRP, the exporter's value of 32 bytes out of TLS.
 *
 * @throws PosternError `bug` for another length: an empty exporter would bind to nothing
 */
export function channelMac(direction: ChannelDirection, key: Uint8Array, exporter: Uint8Array): Buffer {
  return macOver(labels[direction], { key, exporter, what: "a channel MAC" });
}

/** Compares in constant time; false for another length. */
export function verifyChannelMac(
  direction: ChannelDirection,
  key: Uint8Array,
  exporter: Uint8Array,
  mac: Uint8Array,
): boolean {
  return isMac(mac, () => channelMac(direction, key, exporter));
}

const sessionLabels = {
  client: Buffer.from("postern/1 client session\0", "ascii"),
  server: Buffer.from("postern/1 server session\0", "ascii"),
} as const;

/**
 * HMAC-SHA256(session key, label | exporter), 32 bytes: how the two sides of a session show each other, over this very
 * connection, that they have it. The key is the SHA-256 of the session's secret, which is what the server stores; the
 * secret itself is never sent again, and a server that does not have the session cannot answer.
 *
 * @throws PosternError `bug` for another length
 */
export function sessionMac(direction: ChannelDirection, key: Uint8Array, exporter: Uint8Array): Buffer {
  return macOver(sessionLabels[direction], { key, exporter, what: "a session MAC" });
}

/** Compares in constant time; false for another length. */
export function verifySessionMac(
  direction: ChannelDirection,
  key: Uint8Array,
  exporter: Uint8Array,
  mac: Uint8Array,
): boolean {
  return isMac(mac, () => sessionMac(direction, key, exporter));
}

const resetLabels = {
  client: Buffer.from("postern/1 client reset\0", "ascii"),
  server: Buffer.from("postern/1 server reset\0", "ascii"),
} as const;

/**
 * HMAC-SHA256(token key, label | exporter), 32 bytes: how a person's client and the server show each other, over this
 * very connection, a password reset token. The key is the SHA-256 of its secret, which is what the server stores: where
 * no password is known that a server could prove itself with, it proves itself with this before it gets a code.
 *
 * @throws PosternError `bug` for another length
 */
export function resetMac(direction: ChannelDirection, key: Uint8Array, exporter: Uint8Array): Buffer {
  return macOver(resetLabels[direction], { key, exporter, what: "a reset MAC" });
}

/** Compares in constant time; false for another length. */
export function verifyResetMac(
  direction: ChannelDirection,
  key: Uint8Array,
  exporter: Uint8Array,
  mac: Uint8Array,
): boolean {
  return isMac(mac, () => resetMac(direction, key, exporter));
}

/** A known device's secret, which it got at a full login. */
export const DEVICE_SECRET_BYTES = 32;

const deviceLabel = Buffer.from("postern/1 device\0", "ascii");

/**
 * HMAC-SHA256(device secret, label | exporter), 32 bytes: a device shows over this very connection, before its person
 * proves anything, that it is the one it was at an earlier login. It takes the place of no factor.
 *
 * @throws PosternError `bug` for another length
 */
export function deviceMac(secret: Uint8Array, exporter: Uint8Array): Buffer {
  if (secret.length !== DEVICE_SECRET_BYTES || exporter.length !== channelExporter.bytes) {
    throw new PosternError("bug", { detail: "a device MAC takes a secret and an exporter value of 32 bytes" });
  }
  return createHmac("sha256", secret).update(deviceLabel).update(exporter).digest();
}

/** Compares in constant time; false for another length. */
export function verifyDeviceMac(secret: Uint8Array, exporter: Uint8Array, mac: Uint8Array): boolean {
  return isMac(mac, () => deviceMac(secret, exporter));
}
