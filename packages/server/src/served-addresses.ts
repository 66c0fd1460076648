import { hostname } from "node:os";
import { parseHost, type ServerAddress } from "@postern/shared/server-address";

/** Where a server can be reached, as far as it can tell by itself. */

/** The address with the port that the system gave. */
export function bound({ host, key }: ServerAddress, port: number): ServerAddress {
  return { host, port, key: key.replace(/:[0-9]+$/, `:${port}`) };
}

/** Addresses that mean "every one of this machine": they can be listened on, and are nobody's name. */
const wildcards = ["0.0.0.0", "::"];

/** `iss` of a server that was not told its URL. */
export function issuerAt({ host, port, key }: ServerAddress): string {
  return `https://${wildcards.includes(host) ? `localhost:${port}` : key}`;
}

export interface ServedAt {
  readonly listen: ServerAddress;
  readonly http: ServerAddress | undefined;
  readonly publicUrl: string | undefined;
}

/** The names that the leaf is for. Clients of Postern go by the identity; a browser at the HTTPS port by these. */
export function certificateHosts({ listen, http, publicUrl }: ServedAt): string[] {
  const given = [listen.host, http?.host].filter((host) => host !== undefined && !wildcards.includes(host));
  const own = ["localhost", "127.0.0.1", "::1", ...canonical(hostname())];
  const url = publicUrl === undefined ? [] : canonical(new URL(publicUrl).hostname);
  return [...new Set([...own, ...url, ...(given as string[])])];
}

/** A machine may have a name that is none in the DNS; then it does without. */
function canonical(host: string): string[] {
  try {
    return [parseHost(host)];
  } catch {
    return [];
  }
}
