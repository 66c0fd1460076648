import { constants } from "node:crypto";
import type { AddressInfo, Socket } from "node:net";
import { createServer, type TLSSocket } from "node:tls";
import type { ErrorCode } from "@postern/shared/errors";
import type { AccountId, DeviceId } from "@postern/shared/ids";
import { PROTOCOL } from "@postern/shared/messages";
import type { SuccessorStatement } from "@postern/shared/successor";
import type { CrewMember } from "../crew-member.js";
import { listenError } from "../listen-error.js";
import type { Log } from "../log.js";
import { type BalancerOptions, expectHeaders } from "../proxy-protocol/door.js";
import { addressOf, endsOf } from "../proxy-protocol/source.js";
import { AddressLimits } from "./address-limits.js";
import { Admission, type AdmissionLimits, type Place } from "./admission.js";
import { Connection } from "./connection.js";
import type { StepContext } from "./steps.js";

/** PEM: the leaf's key, and the chain of the leaf and the identity certificate. */
export interface Credentials {
  readonly key: string;
  readonly cert: string;
}

/** What the port shows of the server's identity. */
export interface ShownIdentity {
  readonly credentials: Credentials;
  /** How that identity came to be the one, newest first. */
  readonly successors: readonly SuccessorStatement[];
}

export interface WireOptions {
  readonly host: string;
  readonly port: number;
  readonly shown: ShownIdentity;
  readonly limits: AdmissionLimits;
  /** Whether an address, in the spelling of `plainAddress`, has no limits of its own. */
  readonly exempt: (address: string) => boolean;
  /** Undefined: no balancer says whose a connection is. */
  readonly balancers?: BalancerOptions | undefined;
  readonly context: Pick<StepContext, "services" | "server">;
  readonly log: Log;
  /** Counts what peers are refused with. */
  readonly refused?: ((code: ErrorCode) => void) | undefined;
  /** Where this process is one of several: what an address and a person may do is counted for all of them. */
  readonly crew?: CrewMember | undefined;
}

export interface WireListener {
  readonly address: AddressInfo;
  readonly admission: Admission;
  /** For connections that begin from now on; those that stand go on as they are. */
  show(identity: ShownIdentity): void;
  /** Connections that are in the middle of something: a call, a login, a registration. */
  readonly underWay: number;
  /** Takes no more connections, ends those at rest, and is done when the others have come to their end. */
  drain(): Promise<void>;
  /** Takes no more connections, answers the calls that are under way, and is done when all are gone. */
  close(): Promise<void>;
}

/** A connection whose handshake is not done. */
interface Handshake {
  readonly address: string;
  /** What the limits of its address are counted by. */
  readonly key: string | undefined;
  readonly place: Place;
  readonly successors: ShownIdentity["successors"];
}

function closeBroken(this: Socket): void {
  this.destroy();
}

/** TLS 1.3 alone, and no resumption: every connection has a handshake and an exporter of its own. */
const tlsSettings = {
  minVersion: "TLSv1.3",
  ALPNProtocols: [PROTOCOL],
  secureOptions: constants.SSL_OP_NO_TICKET,
} as const;

/** @throws PosternError `address_in_use`, `address_unavailable` */
export async function listenWire(options: WireOptions): Promise<WireListener> {
  const { limits, context, log, crew } = options;
  const admission = new Admission(limits, crew?.places);
  crew?.places.onExcess("wire", (group) => admission.evictOneOf(group));
  const addresses = new AddressLimits({ now: context.services.now, exempt: options.exempt });
  const take = (key: string | undefined) =>
    crew === undefined || key === undefined ? addresses.take(key) : crew.takeStart(key);
  let { shown } = options;
  const handshaking = new Map<string, Handshake>();
  const connections = new Set<Connection>();
  const server = createServer({
    ...tlsSettings,
    ...shown.credentials,
    handshakeTimeout: limits.deadlines.handshake * 1000,
  });

  server.on("connection", (socket: Socket) => {
    const ends = endsOf(socket);
    const address = addressOf(socket);
    const key = addresses.keyOf(address);
    const place = admission.admit(socket, key);
    // The handshake goes on with the certificates of this moment: what is said of them later must fit them.
    const handshake = { address, key, place, successors: shown.successors };
    handshaking.set(ends, handshake);
    socket.on("error", closeBroken);
    socket.on("close", () => {
      // The next connection may have the same ends by then: a peer that resets one may take its port again at once.
      if (handshaking.get(ends) === handshake) handshaking.delete(ends);
    });
  });
  server.on("tlsClientError", (_error, socket) => socket.destroy());
  server.on("secureConnection", (socket: TLSSocket) => {
    const ends = endsOf(socket);
    const handshake = handshaking.get(ends);
    handshaking.delete(ends);
    // A client that offers no ALPN at all is let through by TLS; it is none of ours.
    if (handshake === undefined || socket.alpnProtocol !== PROTOCOL) return void socket.destroy();
    const { address, key, place, successors } = handshake;
    place.take(socket);
    const { registration: registrationSeconds } = limits.deadlines;
    const startWait = (device?: DeviceId) => take(device === undefined ? key : addresses.ownKeyOf(device, address));
    const recordWait = (account: AccountId) => take(addresses.ownKeyOf(account, address));
    const moveWait = (account: AccountId) => take(addresses.ownKeyOf(`moves of ${account}`, address));
    const connection = new Connection(socket, {
      place,
      context: { ...context, successors, startWait, recordWait, moveWait },
      address,
      log,
      refused: options.refused,
      registrationSeconds,
    });
    connections.add(connection);
    // Not when its socket closes: what it has under way then is still to be waited for.
    void connection.ended.then(() => connections.delete(connection));
  });
  const closeDoor = options.balancers && expectHeaders(server, options.balancers);

  await new Promise<void>((resolve, reject) => {
    server.once("error", (error: NodeJS.ErrnoException) => reject(listenError(error, options)));
    server.listen(options.port, options.host, resolve);
  });
  server.on("error", (err) => log.error({ err }, "the wire listener failed"));

  let stopped: Promise<void> | undefined;
  const stopListening = () => {
    stopped ??= new Promise((resolve) => server.close(() => resolve()));
    return stopped;
  };
  const end = async (how: (connection: Connection) => void) => {
    for (const connection of connections) how(connection);
    const settled = Promise.all([...connections].map(({ ended }) => ended));
    const closed = stopListening();
    closeDoor?.();
    for (const { place } of handshaking.values()) place.evict();
    await closed;
    await settled;
  };

  return {
    address: server.address() as AddressInfo,
    admission,
    show: (identity) => {
      shown = identity;
      server.setSecureContext({ ...tlsSettings, ...shown.credentials });
    },
    get underWay() {
      return [...connections].filter((connection) => connection.isUnderWay).length;
    },
    drain: () => end((connection) => connection.drain()),
    close: () => end((connection) => connection.cut()),
  };
}
