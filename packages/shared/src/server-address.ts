import { isIPv4, isIPv6 } from "node:net";
import { domainToASCII } from "node:url";
import { PosternError } from "./errors.js";

export const DEFAULT_PORT = 7465;

/**
 * Where a server is. All spellings of one host give one address, and the same `host` is dialled, pinned and shown:
 * two spellings with two pins would make a second first contact of a server that is known (attack 60).
 * A name and the address it resolves to stay apart (`localhost` is not `127.0.0.1`), for resolving is not ours to trust.
 */
export interface ServerAddress {
  /** As `node:net` takes it: a lower-case ASCII name without a last dot, dotted IPv4, or RFC 5952 IPv6, no brackets. */
  readonly host: string;
  readonly port: number;
  /** `host:port`, IPv6 in brackets: the one spelling, by which servers are kept and shown. */
  readonly key: string;
}

/** Reads `HOST:PORT` or `HOST`, IPv6 in brackets, port 1 to 65535. Throws `address_invalid`. */
export function parseServerAddress(text: string, defaultPort: number = DEFAULT_PORT): ServerAddress {
  const { host, port } = split(text);
  return addressOf(parseHost(host), port === undefined ? defaultPort : parsePort(port, 1));
}

/** Reads the `HOST:PORT` to listen on; both are needed, port 0 lets the system choose. Throws `address_invalid`. */
export function parseListenAddress(text: string): ServerAddress {
  const { host, port } = split(text);
  if (port === undefined) throw new PosternError("address_invalid");
  return addressOf(parseHost(host), parsePort(port, 0));
}

/**
 * The one spelling of a host: an IPv6 address (in brackets) as RFC 5952 writes it and without them, an IPv4 address as
 * a dotted quad (also for its IPv4-mapped form `::ffff:a.b.c.d`, which is the same host), a name by UTS 46 in ASCII.
 * Throws `address_invalid`.
 */
export function parseHost(text: string): string {
  const host = text.startsWith("[") && text.endsWith("]") ? parseIPv6(text.slice(1, -1)) : parseNameOrIPv4(text);
  if (host === undefined) throw new PosternError("address_invalid");
  return host;
}

const MAX_TEXT = 1024;

function split(text: string): { host: string; port: string | undefined } {
  const parts = /^(\[[^\]]*\]|[^:[\]]*)(?::(.*))?$/s.exec(text.length > MAX_TEXT ? "" : text);
  if (parts?.[1] === undefined) throw new PosternError("address_invalid");
  return { host: parts[1], port: parts[2] };
}

function parsePort(text: string, least: number): number {
  const port = /^(?:0|[1-9][0-9]{0,4})$/.test(text) ? Number(text) : -1;
  if (port < least || port > 65535) throw new PosternError("address_invalid");
  return port;
}

/** Zones (`%eth0`) are refused: they name an interface of one machine, not a host. */
function parseIPv6(text: string): string | undefined {
  if (!isIPv6(text) || text.includes("%")) return undefined;
  const canonical = new URL(`http://[${text}]`).hostname.slice(1, -1);
  const mapped = /^::ffff:([0-9a-f]{1,4}):([0-9a-f]{1,4})$/.exec(canonical);
  return mapped === null ? canonical : dottedQuad(`${mapped[1]}`, `${mapped[2]}`);
}

function dottedQuad(high: string, low: string): string {
  return [high, low]
    .map((digits) => Number.parseInt(digits, 16))
    .flatMap((word) => [word >> 8, word & 0xff])
    .join(".");
}

/** What ends a host in a URL or would be decoded there must not reach the mapping. */
const NOT_IN_A_NAME = /[\p{Cc}\p{Zs}\p{Zl}\p{Zp}%/\\?#@:[\]]/u;
/** A last label that `inet_aton` and URL parsers read as a number makes an address: 127.1, 0177.0.0.1, 0x7f000001. */
const NUMERIC_END = /(?:^|\.)(?:[0-9]+|0x[0-9a-f]*)$/;
/** RFC 1035 2.3.4 lengths; the underscore is none of RFC 1123's characters but common in private networks. */
const NAME = /^(?=.{1,253}$)(?:[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?)(?:\.[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?)*$/;

/** The last dot goes, for `localhost.` is `localhost`. */
function parseNameOrIPv4(text: string): string | undefined {
  const quad = text.endsWith(".") ? text.slice(0, -1) : text;
  if (isIPv4(quad)) return quad;
  if (NOT_IN_A_NAME.test(text)) return undefined;
  const name = domainToASCII(text).replace(/\.$/, "");
  return NAME.test(name) && !NUMERIC_END.test(name) ? name : undefined;
}

function addressOf(host: string, port: number): ServerAddress {
  return { host, port, key: `${isIPv6(host) ? `[${host}]` : host}:${port}` };
}
