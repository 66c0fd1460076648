import { BlockList, isIP } from "node:net";

/**
 * Which addresses are somebody's on the internet. What is not certainly so counts as private: a request that was led
 * there by a name could reach what trusts this machine or its network (server-side request forgery).
 */

/** IANA's IPv4 special-purpose registry (RFC 6890), without what is routed globally; and multicast. */
const special4 = [
  "0.0.0.0/8",
  "10.0.0.0/8",
  "100.64.0.0/10",
  "127.0.0.0/8",
  "169.254.0.0/16",
  "172.16.0.0/12",
  "192.0.0.0/24",
  "192.0.2.0/24",
  "192.88.99.0/24",
  "192.168.0.0/16",
  "198.18.0.0/15",
  "198.51.100.0/24",
  "203.0.113.0/24",
  "224.0.0.0/4",
  "240.0.0.0/4",
];

/**
 * Only 2000::/3 is global unicast. Of that, not: protocol assignments (Teredo, ORCHID, benchmarking), documentation,
 * 6to4, which a relay takes to any IPv4 address.
 */
const global6 = "2000::/3";
const special6 = ["2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20"];

/** RFC 6052: a translator takes these to the IPv4 address in their last 32 bits. */
const translated6 = "64:ff9b::/96";

function listOf(type: "ipv4" | "ipv6", ranges: readonly string[]): BlockList {
  const list = new BlockList();
  for (const range of ranges) {
    const [network = "", bits] = range.split("/");
    list.addSubnet(network, Number(bits), type);
  }
  return list;
}

const private4 = listOf("ipv4", special4);
const unicast6 = listOf("ipv6", [global6]);
const private6 = listOf("ipv6", special6);
const translator6 = listOf("ipv6", [translated6]);

/** Takes an address as `node:net` or a resolver spells it; anything else is not public. */
export function isPublic(address: string): boolean {
  const version = address.includes("%") ? 0 : isIP(address);
  if (version === 4) return !private4.check(address, "ipv4");
  if (version !== 6) return false;
  if (translator6.check(address, "ipv6")) return isPublic(lastQuad(address));
  return unicast6.check(address, "ipv6") && !private6.check(address, "ipv6");
}

/** The last 32 bits of an IPv6 address as a dotted quad. */
function lastQuad(address: string): string {
  const canonical = new URL(`http://[${address}]`).hostname.slice(1, -1);
  const [head = "", tail = head] = canonical.split("::");
  const words = (canonical.endsWith("::") ? [] : tail.split(":")).map((word) => Number.parseInt(word, 16));
  const [high = 0, low = 0] = [0, 0, ...words].slice(-2);
  return [high >> 8, high & 0xff, low >> 8, low & 0xff].join(".");
}
