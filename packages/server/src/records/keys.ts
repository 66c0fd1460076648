import { behindByte } from "../barrier/storage-keys.js";

/**
 * The first byte of a record's storage key says its kind; what follows is an opaque id, a keyed hash or an index,
 * never a name, an address or a date.
 */
export const prefixes = {
  settings: 0x01,
  identity: 0x02,
  signingKey: 0x03,
  logLevel: 0x04,
  presence: 0x05,
  probe: 0x06,
  node: 0x07,
  account: 0x10,
  session: 0x11,
  strangerCounter: 0x12,
  counterQuota: 0x13,
  device: 0x14,
  stretchCensus: 0x15,
  invite: 0x16,
  resetToken: 0x17,
  apiKey: 0x18,
  oneTimeCode: 0x19,
  authenticator: 0x1a,
  idempotency: 0x1b,
  challenge: 0x1c,
  challengePage: 0x1d,
  callback: 0x1e,
  outbox: 0x1f,
  application: 0x30,
  asking: 0x31,
  mailbox: 0x32,
  auditHead: 0x20,
  auditEntry: 0x21,
  auditFields: 0x22,
  auditAnchor: 0x23,
  auditErasure: 0x24,
  auditKey: 0x25,
} as const;

export type RecordKind = keyof typeof prefixes;

export function recordKey(kind: RecordKind, ...parts: readonly Uint8Array[]): Buffer {
  return behindByte(prefixes[kind], ...parts);
}

/** Every key of one kind that begins with the given parts: as a range, its end excluded. */
export function recordRange(kind: RecordKind, ...parts: readonly Uint8Array[]): { from: Buffer; to: Buffer } {
  const from = recordKey(kind, ...parts);
  return { from, to: justBehind(from) };
}

/**
 * The first key that does not begin with these bytes: the last byte that can be counted up, counted up. There always
 * is one, for a kind's byte is below 0xff.
 */
function justBehind(prefix: Buffer): Buffer {
  const last = prefix.findLastIndex((byte) => byte < 0xff);
  const behind = Buffer.from(prefix.subarray(0, last + 1));
  behind.writeUInt8(behind.readUInt8(last) + 1, last);
  return behind;
}

/** Where a scan of `limit` entries goes on: just behind its last key, or undefined when that was the end. */
export function nextAfter(entries: readonly { key: Buffer }[], limit: number): Buffer | undefined {
  const last = entries.length < limit ? undefined : entries.at(-1);
  return last && Buffer.concat([last.key, Buffer.of(0)]);
}

/** Every record of every kind. */
export const wholeRange = { from: Buffer.of(0), to: Buffer.of(0xff) } as const;

/** The 16 random bytes of an id (`acc_…`), for use in a key. */
export function idBytes(id: string): Buffer {
  return Buffer.from(id.slice(id.indexOf("_") + 1), "hex");
}

/** An index as 8 bytes, so that bytewise order is numeric order. */
export function indexBytes(index: number): Buffer {
  const buffer = Buffer.alloc(8);
  buffer.writeBigUInt64BE(BigInt(index));
  return buffer;
}
