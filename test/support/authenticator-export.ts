/** Writes exports of authenticators, from the format's description and knowing nothing of who reads them. */

export interface Entry {
  readonly secret?: Uint8Array;
  readonly name?: string;
  readonly issuer?: string;
  /** 1: SHA-1, 2: SHA-256, 3: SHA-512, 4: MD5. */
  readonly algorithm?: number;
  /** 1: six, 2: eight, 3: seven. */
  readonly digits?: number;
  /** 1: HOTP, 2: TOTP. */
  readonly type?: number;
  readonly counter?: number | bigint;
}

export interface Payload {
  readonly entries: readonly Entry[];
  readonly size?: number;
  readonly index?: number;
  readonly id?: number;
}

export function varint(value: number | bigint): Buffer {
  const bytes: number[] = [];
  let rest = BigInt.asUintN(64, BigInt(value));
  for (; rest >= 0x80n; rest >>= 7n) bytes.push(Number(rest & 0x7fn) | 0x80);
  return Buffer.from([...bytes, Number(rest)]);
}

export function integerField(field: number, value: number | bigint | undefined): Buffer {
  return value === undefined ? Buffer.alloc(0) : Buffer.concat([varint(field << 3), varint(value)]);
}

export function bytesField(field: number, value: Uint8Array | string | undefined): Buffer {
  if (value === undefined) return Buffer.alloc(0);
  const bytes = Buffer.from(value);
  return Buffer.concat([varint((field << 3) | 2), varint(bytes.length), bytes]);
}

export function entryBytes({ secret, name, issuer, algorithm, digits, type, counter }: Entry): Buffer {
  return Buffer.concat([
    bytesField(1, secret),
    bytesField(2, name),
    bytesField(3, issuer),
    integerField(4, algorithm),
    integerField(5, digits),
    integerField(6, type),
    integerField(7, counter),
  ]);
}

export function payloadBytes({ entries, size, index, id }: Payload): Buffer {
  return Buffer.concat([
    ...entries.map((entry) => bytesField(1, entryBytes(entry))),
    integerField(2, 1),
    integerField(3, size),
    integerField(4, index),
    integerField(5, id),
  ]);
}

/** As the app's QR code has it. */
export function exportOf(data: Uint8Array): string {
  return `otpauth-migration://offline?data=${encodeURIComponent(Buffer.from(data).toString("base64"))}`;
}

export function exportUri(payload: Payload): string {
  return exportOf(payloadBytes(payload));
}
