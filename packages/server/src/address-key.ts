import { isIPv4, isIPv6 } from "node:net";
import { parseHost } from "@postern/shared/server-address";

/** Stands for whatever is no address, all of it together: an address that cannot be read must not be a way around. */
const UNKNOWN = "unknown";

/**
 * The one spelling of a peer's address: IPv4 as a dotted quad, also where a dual-stack listener shows it as
 * `::ffff:a.b.c.d`; IPv6 as RFC 5952 writes it, without a zone (`%eth0` is a link of this machine, not the peer's).
 * Anything else is `unknown`.
 */
export function plainAddress(address: string | undefined): string {
  if (address === undefined) return UNKNOWN;
  if (isIPv4(address)) return address;
  const [bare = ""] = address.split("%", 1);
  if (isIPv4(bare)) return bare;
  return isIPv6(bare) ? parseHost(`[${bare}]`) : UNKNOWN;
}

/**
 * What the limits of an address are counted by: the whole of an IPv4 address, and the first 64 bits of an IPv6 one. A
 * single machine has all of the rest for itself (RFC 4291 2.5.4), and would be somebody else each time (attack 51).
 */
export function addressKey(address: string | undefined): string {
  const plain = plainAddress(address);
  return plain.includes(":") ? `${groups(plain).slice(0, 4).join(":")}::/64` : plain;
}

/** The eight groups of an RFC 5952 address. */
function groups(address: string): string[] {
  const [left = "", right] = address.split("::");
  const split = (part: string) => (part === "" ? [] : part.split(":"));
  if (right === undefined) return split(left);
  const [before, after] = [split(left), split(right)];
  return [...before, ...Array<string>(8 - before.length - after.length).fill("0"), ...after];
}
