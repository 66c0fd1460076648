import type { Socket } from "node:net";
import { plainAddress } from "../address-key.js";

/**
 * What balancers have said: a TCP socket, or the TLS socket over it, and whose it is; undefined where they did not name
 * anybody.
 */
const told = new WeakMap<Socket, string | undefined>();

/** The one answer to whose connection a socket is, in the spelling of `plainAddress`: limits and audit go by it. */
export function addressOf(socket: Socket): string {
  return told.get(socket) ?? plainAddress(socket.remoteAddress);
}

/** Whether a balancer has said whose it is. */
export function isTold(socket: Socket): boolean {
  return told.get(socket) !== undefined;
}

/** Whether it came through a balancer that did not say whose it is: its address is then the balancer's, and nobody's. */
export function isUnnamed(socket: Socket): boolean {
  return told.has(socket) && !isTold(socket);
}

export function tellSource(socket: Socket, address: string | undefined): void {
  told.set(socket, address);
}

/** Both ends of a TCP connection: TLS hands out another object than the raw socket, with the same ends. */
export function endsOf({ remoteAddress, remotePort, localAddress, localPort }: Socket): string {
  return `${remoteAddress} ${remotePort} ${localAddress} ${localPort}`;
}
