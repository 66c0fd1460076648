import { BlockList, isIP } from "node:net";
import { PosternError } from "@postern/shared/errors";
import { parseHost } from "@postern/shared/server-address";

/** Ranges of addresses: of peers without limits, of readers of the metrics, of proxies, of receivers. */
export interface Exemption {
  /** For the operator to read. */
  readonly of: string;
  /** The first address of each range, or another one in it. */
  readonly networks: readonly string[];
  /** Takes an address as `node:net` spells it, IPv4 never in its IPv6 form. */
  readonly covers: (address: string) => boolean;
}

/**
 * Reads `--address-limits`: `off`, or ranges as RFC 4632 and RFC 4291 2.3 write them, with commas between.
 * @throws PosternError `address_range_invalid`
 */
export function parseAddressLimits(text: string): Exemption {
  return text === "off"
    ? { of: "any address", networks: [], covers: () => true }
    : parseRanges("--address-limits", text);
}

/**
 * Reads `--metrics`: `off`, which is undefined, or ranges in the same form.
 * @throws PosternError `address_range_invalid`
 */
export function parseMetricsReaders(text: string): Exemption | undefined {
  return text === "off" ? undefined : parseRanges("--metrics", text);
}

/**
 * Reads `--trusted-proxy`: ranges in the same form.
 * @throws PosternError `address_range_invalid`
 */
export function parseTrustedProxies(text: string): Exemption {
  return parseRanges("--trusted-proxy", text);
}

/**
 * Reads `--proxy-protocol`: ranges in the same form.
 * @throws PosternError `address_range_invalid`
 */
export function parseBalancers(text: string): Exemption {
  return parseRanges("--proxy-protocol", text);
}

/**
 * Those whose word on who is behind them is taken. An address gives it in one way: whether a header of a request or of
 * the connection is to be believed must not be a guess.
 * @throws PosternError `address_range_invalid`, `proxy_ranges_overlap`
 */
export function parseForwarders(options: {
  readonly trustedProxy?: string | undefined;
  readonly proxyProtocol?: string | undefined;
}): { readonly proxies: Exemption | undefined; readonly balancers: Exemption | undefined } {
  const proxies = options.trustedProxy === undefined ? undefined : parseTrustedProxies(options.trustedProxy);
  const balancers = options.proxyProtocol === undefined ? undefined : parseBalancers(options.proxyProtocol);
  const both = proxies && balancers && overlap(proxies, balancers);
  if (both !== undefined) throw new PosternError("proxy_ranges_overlap", { detail: both });
  return { proxies, balancers };
}

/** A network that both have addresses of: of two ranges that meet, one has all of the other. */
function overlap(one: Exemption, other: Exemption): string | undefined {
  return one.networks.find(other.covers) ?? other.networks.find(one.covers);
}

/**
 * Reads `--callback-private`: ranges in the same form.
 * @throws PosternError `address_range_invalid`
 */
export function parseCallbackPrivate(text: string): Exemption {
  return parseRanges("--callback-private", text);
}

function parseRanges(option: string, text: string): Exemption {
  // Two lists: a list that has both kinds finds every IPv4 address in `::/64`, as its IPv6 form would be.
  const lists = { 4: new BlockList(), 6: new BlockList() };
  const ranges = text.split(",").map((range) => range.trim());
  const parsed = ranges.map((range) => parseRange(option, range));
  for (const { network, bits, version } of parsed) {
    lists[version].addSubnet(network, bits, `ipv${version}`);
  }
  return {
    of: ranges.join(", "),
    networks: parsed.map(({ network }) => network),
    covers: (address) => {
      const version = isIP(address);
      return (version === 4 || version === 6) && lists[version].check(address, `ipv${version}`);
    },
  };
}

interface Range {
  readonly network: string;
  readonly bits: number;
  readonly version: 4 | 6;
}

/** An IPv4 range is written as one: nobody is exempt by its IPv6 form, so that must not look as if. No zones. */
function parseRange(option: string, text: string): Range {
  const [, network = "", digits = ""] = /^([0-9A-Fa-f:.]+)\/(0|[1-9][0-9]{0,2})$/.exec(text) ?? [];
  const version = isIP(network);
  const bits = Number(digits);
  const mapped = version === 6 && isIP(parseHost(`[${network}]`)) === 4;
  if ((version !== 4 && version !== 6) || mapped || bits > (version === 4 ? 32 : 128)) {
    throw new PosternError("address_range_invalid", { detail: `${option} has ${text}` });
  }
  return { network, bits, version };
}
