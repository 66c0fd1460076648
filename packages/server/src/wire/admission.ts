import type { Socket } from "node:net";

/**
 * Which sockets may be open. A stranger's socket costs memory and a place; so there are only so many places for those
 * without a session, and every step has a deadline. When all are taken, the one that has stood longest in its step
 * gives way, strangers before those who proved a password: slow and half-open connections go before honest logins do.
 * A place whose request is being worked on is never taken away: what it will be told has perhaps been stored.
 */
export interface AdmissionLimits {
  /** Sockets without a session, handshakes included. */
  readonly unauthenticated: number;
  /** Sockets with one. */
  readonly authenticated: number;
  /** Seconds. */
  readonly deadlines: {
    readonly handshake: number;
    readonly step: number;
    readonly registration: number;
    readonly idle: number;
  };
}

export type DeadlineKind = keyof AdmissionLimits["deadlines"];

/** What a socket has shown so far. */
export type Rank = "stranger" | "proved" | "session";

export class Admission {
  readonly #limits: AdmissionLimits;
  /** Each set keeps the order of insertion: its first one is the one longest in its step. */
  readonly #places: Record<Rank, Set<Place>> = { stranger: new Set(), proved: new Set(), session: new Set() };

  constructor(limits: AdmissionLimits) {
    this.#limits = limits;
  }

  get open(): number {
    return this.unauthenticated + this.#places.session.size;
  }

  /** How many of them have no session. */
  get unauthenticated(): number {
    return this.#places.stranger.size + this.#places.proved.size;
  }

  /** Gives a new socket a place, for the time of its handshake. */
  admit(socket: Socket): Place {
    const place = new Place(socket, this.#limits.deadlines, {
      seat: (seated, from) => this.#seat(seated, from),
      leave: (gone) => this.#places[gone.rank].delete(gone),
    });
    this.#seat(place, undefined);
    socket.once("close", () => place.leave());
    return place;
  }

  /** Puts a place at the end of its queue. A logout takes a place as a new connection does. */
  #seat(place: Place, from: Rank | undefined): void {
    if (from !== undefined && !this.#places[from].delete(place)) return;
    this.#makeRoom(place.rank);
    this.#places[place.rank].add(place);
  }

  #makeRoom(rank: Rank): void {
    const { stranger, proved, session } = this.#places;
    const { authenticated, unauthenticated } = this.#limits;
    if (rank === "session" && session.size >= authenticated) evictFirst(session);
    if (rank !== "session" && this.unauthenticated >= unauthenticated) evictFirst(stranger) || evictFirst(proved);
  }
}

function evictFirst(places: ReadonlySet<Place>): boolean {
  for (const place of places) {
    if (place.busy) continue;
    place.evict();
    return true;
  }
  return false;
}

interface Queue {
  readonly seat: (place: Place, from: Rank) => void;
  readonly leave: (place: Place) => void;
}

export class Place {
  #socket: Socket;
  readonly #deadlines: AdmissionLimits["deadlines"];
  readonly #queue: Queue;
  #timer: NodeJS.Timeout | undefined;
  #onDeadline: () => void;
  #rank: Rank = "stranger";
  /** Whether a request of it is being worked on. */
  busy = false;

  constructor(socket: Socket, deadlines: AdmissionLimits["deadlines"], queue: Queue) {
    this.#socket = socket;
    this.#deadlines = deadlines;
    this.#queue = queue;
    this.#onDeadline = () => this.evict();
    this.#arm("handshake");
  }

  get rank(): Rank {
    return this.#rank;
  }

  /** The handshake is done: from now on the TLS socket stands for the raw one. */
  take(socket: Socket): void {
    this.#socket = socket;
    socket.once("close", () => this.leave());
  }

  /** What to do when a deadline passes; without it the socket is destroyed. */
  onDeadline(act: () => void): void {
    this.#onDeadline = act;
  }

  /** Begins a step: it has the whole of its own deadline, whatever bytes trickle in meanwhile. */
  step(kind: DeadlineKind, rank: Rank): void {
    const from = this.#rank;
    this.#rank = rank;
    this.#arm(kind);
    this.#queue.seat(this, from);
  }

  evict(): void {
    this.leave();
    this.#socket.destroy();
  }

  leave(): void {
    clearTimeout(this.#timer);
    this.#queue.leave(this);
  }

  #arm(kind: DeadlineKind): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#onDeadline(), this.#deadlines[kind] * 1000);
    this.#timer.unref();
  }
}
