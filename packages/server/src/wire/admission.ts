import type { Socket } from "node:net";

/**
 * Which sockets may be open. A stranger's socket costs memory and a place; so there are only so many places for those
 * that have not authenticated, and every step has a deadline. When all places are taken, the one that has stood
 * longest in its step gives way: slow and half-open connections go before honest logins do.
 */
export interface AdmissionLimits {
  /** Sockets without a session, handshakes included. */
  readonly unauthenticated: number;
  /** Seconds. */
  readonly deadlines: {
    readonly handshake: number;
    readonly step: number;
    readonly registration: number;
    readonly idle: number;
  };
}

export type DeadlineKind = keyof AdmissionLimits["deadlines"];

export class Admission {
  readonly #limits: AdmissionLimits;
  readonly #places = new Set<Place>();
  readonly #unauthenticated = new Set<Place>();

  constructor(limits: AdmissionLimits) {
    this.#limits = limits;
  }

  get open(): number {
    return this.#places.size;
  }

  /** Gives a new socket a place, for the time of its handshake. */
  admit(socket: Socket): Place {
    this.#makeRoom();
    const place = new Place(
      socket,
      this.#limits,
      (gone) => this.#forget(gone),
      (seated) => this.#reorder(seated),
    );
    this.#places.add(place);
    this.#unauthenticated.add(place);
    socket.once("close", () => place.leave());
    return place;
  }

  [Symbol.iterator](): IterableIterator<Place> {
    return this.#places.values();
  }

  /** The set keeps the order of insertion: the first one is the one longest in its step. */
  #makeRoom(): void {
    const [oldest] = this.#unauthenticated;
    if (this.#unauthenticated.size >= this.#limits.unauthenticated) oldest?.evict();
  }

  /** A logout takes a place as a new connection does: else sessions would be a way to gather places. */
  #reorder(place: Place): void {
    this.#unauthenticated.delete(place);
    if (place.authenticated || !this.#places.has(place)) return;
    this.#makeRoom();
    this.#unauthenticated.add(place);
  }

  #forget(place: Place): void {
    this.#places.delete(place);
    this.#unauthenticated.delete(place);
  }
}

export class Place {
  #socket: Socket;
  readonly #limits: AdmissionLimits;
  readonly #onLeave: (place: Place) => void;
  readonly #onStep: (place: Place) => void;
  #timer: NodeJS.Timeout | undefined;
  #onDeadline: () => void;
  authenticated = false;

  constructor(
    socket: Socket,
    limits: AdmissionLimits,
    onLeave: (place: Place) => void,
    onStep: (place: Place) => void,
  ) {
    this.#socket = socket;
    this.#limits = limits;
    this.#onLeave = onLeave;
    this.#onStep = onStep;
    this.#onDeadline = () => this.evict();
    this.#arm("handshake");
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
  step(kind: DeadlineKind, { authenticated }: { authenticated: boolean }): void {
    this.authenticated = authenticated;
    this.#arm(kind);
    this.#onStep(this);
  }

  evict(): void {
    this.leave();
    this.#socket.destroy();
  }

  leave(): void {
    clearTimeout(this.#timer);
    this.#onLeave(this);
  }

  #arm(kind: DeadlineKind): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#onDeadline(), this.#limits.deadlines[kind] * 1000);
    this.#timer.unref();
  }
}
