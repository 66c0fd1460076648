import type { Server, Socket } from "node:net";
import type { TLSSocket } from "node:tls";
import { addressKey, plainAddress } from "../address-key.js";
import type { Log } from "../log.js";
import { Awaited } from "./awaited.js";
import { type Fault, type Header, readHeader } from "./header.js";
import { endsOf, tellSource } from "./source.js";

/** Why a connection of a balancer's address was closed before TLS: what its header was, or that it was not there. */
export type HeaderFault = Fault | "late" | "crowded";

export interface BalancerOptions {
  /** Whether an address, in the spelling of `plainAddress`, is a balancer's: its connections begin with a header. */
  readonly covers: (address: string) => boolean;
  /** Milliseconds that a header may take, however its bytes trickle in. */
  readonly patienceMs: number;
  /** Milliseconds since 1970. */
  readonly now: () => number;
  readonly log: Log;
  /** Counts each connection that is closed for want of a header. */
  readonly refused?: ((fault: HeaderFault) => void) | undefined;
}

/** Ends the connections whose header is still awaited, and those that come yet: a server that closes would wait for them. */
export type CloseDoor = () => void;

/**
 * Stands before a TLS server. A connection from a balancer's address must begin with a header, or is closed before it
 * has cost a handshake; with one it is handed on, and is from then on whose the header says. Any other connection is
 * handed on as it is: a header there is no TLS, and believed by nobody. To be called when the server has all of its
 * listeners.
 */
export function expectHeaders(server: Server, options: BalancerOptions): CloseDoor {
  const takers = server.listeners("connection");
  const handOn = (socket: Socket) => {
    for (const take of takers) take.call(server, socket);
  };
  const awaited = new Awaited();
  const sources: Sources = new Map();
  const report = reporter(options);
  let closed = false;

  const expect = (socket: Socket, address: string) => {
    const end = (outcome: Outcome) => {
      leave();
      stop();
      if (typeof outcome === "object") {
        remember(socket, namedBy(address, outcome.source), sources);
        return handOn(socket);
      }
      socket.destroy();
      if (outcome !== "gone" && outcome !== "closing") report(address, outcome);
    };
    const leave = awaited.add(addressKey(address), end);
    const stop = awaitHeader(socket, options.patienceMs, end);
  };
  server.removeAllListeners("connection");
  server.on("connection", (socket: Socket) => {
    const address = plainAddress(socket.remoteAddress);
    if (!options.covers(address)) handOn(socket);
    else if (closed) socket.destroy();
    else expect(socket, address);
  });
  // Before all who ask whose it is.
  server.prependListener("secureConnection", (socket: TLSSocket) => {
    const known = sources.get(endsOf(socket));
    if (known !== undefined) tellSource(socket, known.source);
  });
  return () => {
    closed = true;
    awaited.close();
  };
}

type Outcome = Header | HeaderFault | "gone" | "closing";

/** Tells what has come, once. A connection that says nothing and goes is no fault: so some balancers look for servers. */
function awaitHeader(socket: Socket, patienceMs: number, end: (outcome: Outcome) => void): () => void {
  let come: Buffer = Buffer.alloc(0);
  const read = (chunk: Buffer) => {
    come = come.length === 0 ? chunk : Buffer.concat([come, chunk]);
    const header = readHeader(come);
    if (header === "incomplete") return;
    if (typeof header === "object") putBack(socket, come.subarray(header.length));
    end(header);
  };
  const gone = () => end("gone");
  const timer = setTimeout(() => end("late"), patienceMs);
  timer.unref();
  socket.on("error", () => socket.destroy());
  socket.on("data", read).once("end", gone).once("close", gone);
  return () => {
    clearTimeout(timer);
    socket.off("data", read).off("end", gone).off("close", gone);
  };
}

/** TLS takes what a socket has not given out yet before what comes next. */
function putBack(socket: Socket, rest: Buffer): void {
  socket.pause();
  if (rest.length > 0) socket.unshift(rest);
}

const isLoopback = (address: string) => address.startsWith("127.") || address === "::1";

/** A loopback address is of the balancer's machine: of another one than this it names nobody whom this one could know. */
function namedBy(balancer: string, source: string | undefined): string | undefined {
  return source !== undefined && isLoopback(source) && !isLoopback(balancer) ? undefined : source;
}

/** By both ends of a connection, what its header said. */
type Sources = Map<string, { readonly source: string | undefined }>;

/**
 * The TLS socket that will stand for this one has the same ends. So has the next connection, where this one was reset and
 * the balancer took the port again at once: that this one is closed may be seen only then.
 */
function remember(socket: Socket, source: string | undefined, sources: Sources): void {
  const ends = endsOf(socket);
  const said = { source };
  sources.set(ends, said);
  socket.once("close", () => {
    if (sources.get(ends) === said) sources.delete(ends);
  });
  tellSource(socket, source);
}

/** How often it is logged: whoever has such an address can be closed as often as they like. */
const LOG_MS = 60_000;

function reporter({ now, log, refused }: BalancerOptions): (balancer: string, fault: HeaderFault) => void {
  let loggedAt: number | undefined;
  let closed = 0;
  return (balancer, fault) => {
    refused?.(fault);
    closed += 1;
    if (loggedAt !== undefined && Math.abs(now() - loggedAt) < LOG_MS) return;
    log.warn({ balancer, header: fault, closed }, "a balancer's connection had no good PROXY header");
    loggedAt = now();
    closed = 0;
  };
}
