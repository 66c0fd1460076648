import type { Server } from "node:net";
import { addressKey, plainAddress } from "../address-key.js";

/** Whether an address, in the spelling of `plainAddress`, is one of a kind. */
export type Covers = (address: string) => boolean;

export interface DoorOptions {
  /** Addresses without a limit of their own. */
  readonly exempt?: Covers | undefined;
  /** Proxies: who they say is behind them is believed, and they hold the connections of many. */
  readonly trusted?: Covers | undefined;
}

/** Silent sockets must not take the file descriptors that logins need. */
const MAX_CONNECTIONS = 2048;

/** What one address may hold open: a browser takes six, and many people may share an address. */
export const CONNECTIONS_AN_ADDRESS = 64;

/**
 * Bounds what is held open at a port, in all and by one address (an IPv6 /64): who opens more than that, and says
 * nothing, is turned away at the next one, and keeps nobody else out.
 */
export function guardDoor(server: Server, { exempt = () => false, trusted = () => false }: DoorOptions): void {
  const held = new Map<string, number>();
  server.maxConnections = MAX_CONNECTIONS;
  server.on("connection", (socket) => {
    const address = plainAddress(socket.remoteAddress);
    if (exempt(address) || trusted(address)) return;
    const key = addressKey(address);
    const count = (held.get(key) ?? 0) + 1;
    if (count > CONNECTIONS_AN_ADDRESS) return void socket.destroy();
    held.set(key, count);
    socket.once("close", () => {
      const left = (held.get(key) ?? 0) - 1;
      if (left > 0) held.set(key, left);
      else held.delete(key);
    });
  });
}
