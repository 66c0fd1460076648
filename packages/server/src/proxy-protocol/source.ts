import type { Socket } from "node:net";
import { plainAddress } from "../address-key.js";

/** What balancers have said: a TCP socket, or the TLS socket over it, and whose it is. */
const told = new WeakMap<Socket, string>();

/** The one answer to whose connection a socket is, in the spelling of `plainAddress`: limits and audit go by it. */
export function addressOf(socket: Socket): string {
  return told.get(socket) ?? plainAddress(socket.remoteAddress);
}

/** Whether a balancer has said whose it is. */
export function isTold(socket: Socket): boolean {
  return told.has(socket);
}

export function tellSource(socket: Socket, address: string): void {
  told.set(socket, address);
}

/** Both ends of a TCP connection: TLS hands out another object than the raw socket, with the same ends. */
export function endsOf({ remoteAddress, remotePort, localAddress, localPort }: Socket): string {
  return [remoteAddress, remotePort, localAddress, localPort].join(" ");
}
