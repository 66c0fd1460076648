import type { LookupAddress } from "node:dns";
import { isIPv4, type LookupFunction } from "node:net";
import { PosternError } from "@postern/shared/errors";
import { parseHost } from "@postern/shared/server-address";
import { unreachable } from "../../connection/socket-error.js";

/** All addresses of a host, as `dns.lookup` gives them. */
export type Resolve = (host: string) => Promise<readonly LookupAddress[]>;

/**
 * Looks a host up, once: what connects to it by the function that comes back reaches the addresses that were looked at
 * here, and no other, whatever the name leads to meanwhile. Without `owned` all of them must be this machine's loopback.
 * @throws PosternError `target_not_own`; `server_unreachable` where there is no such host
 */
export async function lookUpTarget(host: string, resolve: Resolve, owned: boolean): Promise<LookupFunction> {
  const addresses = await resolve(host).catch((cause: NodeJS.ErrnoException) => {
    throw unreachable(cause);
  });
  const stranger = addresses.find(({ address }) => !isLoopback(address));
  if (stranger !== undefined && !owned) throw new PosternError("target_not_own", { detail: stranger.address });
  const [first] = addresses;
  return (_host, { all }, callback) => {
    // Never at once: a socket that fails before anybody listens to it ends the process.
    process.nextTick(() => {
      if (all === true || first === undefined) callback(null, [...addresses]);
      else callback(null, first.address, first.family);
    });
  };
}

/** 127.0.0.0/8 (RFC 1122 3.2.1.3) and ::1 (RFC 4291 2.5.3), the former in its IPv6 form too. */
export function isLoopback(address: string): boolean {
  const host = address.includes(":") ? parseHost(`[${address.replace(/%.*$/, "")}]`) : address;
  return host === "::1" || (isIPv4(host) && host.startsWith("127."));
}
