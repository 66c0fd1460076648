import { isIP } from "node:net";
import { plainAddress } from "../address-key.js";

/**
 * The header of HAProxy's PROXY protocol, versions 1 and 2 (proxy-protocol.txt, section 2): what a balancer says in
 * front of a connection that it passes through. It is read before TLS, from whoever has one of the balancers' addresses.
 */
export interface Header {
  /**
   * Whose connection it is, in the spelling of `plainAddress`. Undefined: the balancer's own (LOCAL, as its health
   * checks), or of somebody whose address it does not know (UNKNOWN, UNSPEC): the address of the socket holds.
   */
  readonly source: string | undefined;
  /** Bytes of the header; what follows is the client's. */
  readonly length: number;
}

/** `none`: it begins as no header does. `malformed`: it begins as one, and is none. */
export type Fault = "none" | "malformed";

/** A whole header of version 2, what comes behind the addresses included: that is skipped, but waited for. */
export const HEADER_MAX = 4096;

/** A line of version 1, its CR and LF included (section 2.1). */
const LINE_MAX = 107;

const lineStart = Buffer.from("PROXY ");
const signature = Buffer.from("\r\n\r\n\0\r\nQUIT\n", "latin1");

/** The signature, version and command, family and protocol, length (section 2.2). */
const FIXED = 16;

/** What a balancer sends in front of a connection of its own. */
export const localHeader: Buffer = Buffer.concat([signature, Buffer.from([0x20, 0, 0, 0])]);

/** Reads the header at the beginning of what has come so far; `incomplete` when more must come to tell. */
export function readHeader(bytes: Buffer): Header | Fault | "incomplete" {
  if (beginsAs(bytes, lineStart)) return readLine(bytes);
  return beginsAs(bytes, signature) ? readBinary(bytes) : "none";
}

function beginsAs(bytes: Buffer, start: Buffer): boolean {
  const length = Math.min(bytes.length, start.length);
  return bytes.subarray(0, length).equals(start.subarray(0, length));
}

const line =
  /^PROXY (?:UNKNOWN(?: [ -~]*)?|(TCP[46]) ([0-9A-Fa-f.:]+) ([0-9A-Fa-f.:]+) (0|[1-9][0-9]{0,4}) (0|[1-9][0-9]{0,4}))$/;

/** `PROXY TCP4 SOURCE DESTINATION PORT PORT`, TCP6 likewise, or `PROXY UNKNOWN` and whatever (section 2.1). */
function readLine(bytes: Buffer): Header | "malformed" | "incomplete" {
  const end = bytes.subarray(0, LINE_MAX).indexOf("\r\n");
  if (end === -1) return bytes.length < LINE_MAX ? "incomplete" : "malformed";
  const match = line.exec(bytes.toString("latin1", 0, end));
  if (match === null) return "malformed";
  const length = end + 2;
  const [, family, source = "", destination = "", ...ports] = match;
  if (family === undefined) return { source: undefined, length };
  const version = Number(family.at(-1));
  const fits = [source, destination].every((address) => isIP(address) === version);
  return fits && ports.every((port) => Number(port) <= 0xffff) ? { source: plainAddress(source), length } : "malformed";
}

/** Version and command: any other version, and any other command, is refused (section 2.2). */
const LOCAL = 0x20;
const PROXY = 0x21;

/** Family and protocol: how long an address is, and both ends with their ports. UDP and Unix sockets are not served. */
const families: Readonly<Record<number, { readonly address: number; readonly ends: number }>> = {
  0: { address: 0, ends: 0 },
  17: { address: 4, ends: 12 },
  33: { address: 16, ends: 36 },
};

function readBinary(bytes: Buffer): Header | "malformed" | "incomplete" {
  if (bytes.length < FIXED) return "incomplete";
  const command = bytes.readUInt8(12);
  const family = families[bytes.readUInt8(13)];
  const length = FIXED + bytes.readUInt16BE(14);
  if ((command !== LOCAL && command !== PROXY) || length > HEADER_MAX) return "malformed";
  // What LOCAL says of ends is to be skipped, whatever family it names.
  if (command === PROXY && (family === undefined || length < FIXED + family.ends)) return "malformed";
  if (bytes.length < length) return "incomplete";
  if (command === LOCAL || family === undefined || family.address === 0) return { source: undefined, length };
  return { source: addressIn(bytes.subarray(FIXED, FIXED + family.address)), length };
}

/** Four bytes, or sixteen; an IPv4 address in its IPv6 form (`::ffff:0:0/96`) is the IPv4 address. */
function addressIn(bytes: Buffer): string {
  if (bytes.length === 4) return plainAddress(bytes.join("."));
  const groups = Array.from({ length: 8 }, (_, index) => bytes.readUInt16BE(index * 2).toString(16));
  return plainAddress(groups.join(":"));
}
