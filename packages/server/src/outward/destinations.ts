import type { PostFault } from "../post.js";
import { isPublic } from "./public-address.js";

/** Where the operator lets requests go. */
export interface Destinations {
  /** `host:port`, the host in canonical form, an IPv6 address in brackets. */
  readonly hosts: ReadonlySet<string>;
  /** Addresses that are not public, and may be reached nevertheless. */
  readonly isPrivateAllowed: (address: string) => boolean;
}

/** Undefined for what may go out to a host. */
export function judgeHost({ protocol, host, port }: URL, { hosts }: Destinations): PostFault | undefined {
  if (protocol !== "https:" && protocol !== "http:") return "host_refused";
  const standing = protocol === "https:" ? "443" : "80";
  return hosts.has(port === "" ? `${host}:${standing}` : host) ? undefined : "host_refused";
}

/**
 * Every address must be one that may be reached, not only the one that is taken: a name that has a private address
 * beside its public one is after something. Without TLS only to addresses that the operator has named.
 */
export function judgeAddresses(
  protocol: string,
  addresses: readonly string[],
  { isPrivateAllowed }: Destinations,
): PostFault | undefined {
  if (addresses.length === 0) return "not_resolved";
  if (!addresses.every((address) => isPublic(address) || isPrivateAllowed(address))) return "address_refused";
  if (protocol === "http:" && !addresses.every(isPrivateAllowed)) return "plain_http_refused";
  return undefined;
}
