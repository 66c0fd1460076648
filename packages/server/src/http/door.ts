import type { IncomingMessage, ServerResponse } from "node:http";
import type { Server, Socket } from "node:net";
import { addressKey } from "../address-key.js";
import { type CrewMember, shareOf } from "../crew-member.js";
import { addressOf, isTold } from "../proxy-protocol/source.js";

/** Whether an address, in the spelling of `plainAddress`, is one of a kind. */
export type Covers = (address: string) => boolean;

export interface DoorOptions {
  /** Addresses without a limit of their own. */
  readonly exempt?: Covers | undefined;
  /** Proxies: who they say is behind them is believed, and they hold the connections of many. */
  readonly trusted?: Covers | undefined;
  /** Where this process is one of several: what an address holds open is counted for all of them. */
  readonly crew?: CrewMember | undefined;
}

/** Silent sockets must not take the file descriptors that logins need. */
const MAX_CONNECTIONS = 2048;

/** What one address may hold open: a browser takes six, and many people may share an address. */
export const CONNECTIONS_AN_ADDRESS = 64;

/**
 * So many requests of one connection may wait for their answers. Clients send the next one when they have the last
 * answer; a thousand that come in one piece cost a hundred times their size, until somebody reads the answers.
 */
const UNANSWERED_MAX = 8;

/** Ends a connection that asks and asks, and reads nothing (attack 54). */
export function guardPipelines(server: Server): void {
  const unanswered = new WeakMap<Socket, number>();
  server.prependListener("request", ({ socket }: IncomingMessage, response: ServerResponse) => {
    const count = (unanswered.get(socket) ?? 0) + 1;
    if (count > UNANSWERED_MAX) return void socket.destroy();
    unanswered.set(socket, count);
    response.once("close", () => unanswered.set(socket, (unanswered.get(socket) ?? 1) - 1));
  });
}

/** Of those that are not being closed already. */
function newestOf(sockets: ReadonlySet<Socket> = new Set()): Socket | undefined {
  return [...sockets].reverse().find(({ destroyed }) => !destroyed);
}

/**
 * Bounds what is held open at a port, in all and by one address (an IPv6 /64): who opens more than that, and says
 * nothing, is turned away at the next one, and keeps nobody else out.
 */
export function guardDoor(server: Server, { exempt = () => false, trusted = () => false, crew }: DoorOptions): void {
  const held = new Map<string, Set<Socket>>();
  const most = shareOf(MAX_CONNECTIONS, crew);
  let open = 0;
  const leave = (socket: Socket, key: string) => {
    const own = held.get(key);
    if (own?.delete(socket) !== true) return;
    if (own.size === 0) held.delete(key);
    crew?.places.left("http", key);
  };
  crew?.places.onExcess("http", (key) => {
    const socket = newestOf(held.get(key));
    if (socket === undefined) return;
    leave(socket, key);
    socket.destroy();
  });
  // Who has reset the connection by now hears no answer, and is nobody that the log could name.
  server.prependListener("secureConnection", (socket: Socket) => {
    if (socket.remoteAddress === undefined) socket.destroy();
  });
  server.on("connection", (socket) => {
    // Not by `maxConnections`: what a full process of a cluster refuses goes round and round among the others.
    if (open >= most) return void socket.destroy();
    open++;
    socket.once("close", () => open--);
    const address = addressOf(socket);
    if (exempt(address) || (!isTold(socket) && trusted(address))) return;
    const key = addressKey(address);
    const own = held.get(key) ?? new Set();
    if (own.size >= CONNECTIONS_AN_ADDRESS) return void socket.destroy();
    held.set(key, own.add(socket));
    crew?.places.taken("http", key, CONNECTIONS_AN_ADDRESS);
    socket.once("close", () => leave(socket, key));
  });
}
