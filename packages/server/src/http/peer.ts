import type { FastifyRequest } from "fastify";
import { plainAddress } from "../address-key.js";
import { addressOf, isTold } from "../proxy-protocol/source.js";
import type { Peer } from "../services/context.js";

/**
 * Who asks, for the audit log: by the socket, or by what a trusted proxy says of who is behind it. Where a balancer has
 * said whose the connection is, that holds, and no header of the request says otherwise.
 */
export function peerOf({ ip, socket, headers }: FastifyRequest): Peer {
  const address = isTold(socket) ? addressOf(socket) : forwardedAddress(ip);
  return { address, client: clientOf(headers["user-agent"]) };
}

/** An address as proxies write it: some with the port, and then IPv6 in brackets (RFC 7239 section 6). */
export function forwardedAddress(text: string): string {
  const [, bracketed, dotted] = /^(?:\[([^\]]+)\]|([0-9.]+))(?::[0-9]{1,5})?$/.exec(text) ?? [];
  return plainAddress(bracketed ?? dotted ?? text);
}

const CLIENT_LENGTH_MAX = 64;

/** What a program says of itself: printable ASCII is all that the header may hold (RFC 9110 section 5.5). */
function clientOf(agent: string | undefined): string {
  return (agent ?? "").replaceAll(/[^ -~]/g, "?").slice(0, CLIENT_LENGTH_MAX);
}
