import type { Socket } from "node:net";
import type { CrewPlaces } from "../crew-member.js";

/**
 * Which sockets may be open. A stranger's socket costs memory and a place; so there are only so many places for those
 * without a session, few of them for one address, and every step has a deadline. When all are taken, the one that has
 * stood longest in its step gives way, strangers before those who proved a password: slow and half-open connections go
 * before honest logins do. Where an address has all of its places, it is one of its own that gives way, or the newcomer
 * itself: it never costs another address a place.
 * A place whose request is being worked on is never taken away: what it will be told has perhaps been stored.
 */
export interface AdmissionLimits {
  /** Sockets without a session, handshakes included. */
  readonly unauthenticated: number;
  /** How many of them one address may have. */
  readonly perAddress: number;
  /** Sockets with one. */
  readonly authenticated: number;
  /** How many of these one person may have. */
  readonly perPerson: number;
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
  readonly #waiting = new Waiting();
  readonly #sessions = new Set<Place>();
  /** The same places as `#sessions` has, by their person. */
  readonly #ofPerson = new Map<string | undefined, Set<Place>>();
  /** The same places as `#waiting` has, by their address; those without a limit of their own are under undefined. */
  readonly #ofAddress = new Map<string | undefined, Waiting>();

  /** What the other processes of this server count with. */
  readonly #crew: CrewPlaces | undefined;

  readonly #queue: Queue = {
    seat: (place) => this.#seat(place),
    unseat: (place) => this.#unseat(place, place.rank),
    leave: (place) => this.#leave(place),
  };

  constructor(limits: AdmissionLimits, crew?: CrewPlaces) {
    this.#limits = limits;
    this.#crew = crew;
  }

  get open(): number {
    return this.unauthenticated + this.#sessions.size;
  }

  /** How many of them have no session. */
  get unauthenticated(): number {
    return this.#waiting.size;
  }

  /** How many of each kind there are. */
  get counts(): Readonly<Record<Rank, number>> {
    const { stranger, proved } = this.#waiting.places;
    return { stranger: stranger.size, proved: proved.size, session: this.#sessions.size };
  }

  /**
   * Gives a new socket a place, for the time of its handshake; where there is none for it, it is destroyed.
   * `address` is what it is counted by, undefined for one that has no limit of its own.
   */
  admit(socket: Socket, address?: string): Place {
    const place = new Place(socket, address, this.#limits.deadlines, this.#queue);
    this.#seat(place);
    socket.on("close", () => place.leave());
    return place;
  }

  /** Puts a place at the end of its queue. A logout takes a place as a new connection does. */
  #seat(place: Place): void {
    if (place.rank === "session") this.#seatSession(place);
    else this.#seatWaiting(place, place.rank);
  }

  #seatSession(place: Place): void {
    const own = this.#ofPerson.get(place.person) ?? new Set();
    // A person who opens many costs themself a place, and nobody else.
    if (own.size >= this.#limits.perPerson) evictFirst(own);
    if (this.#sessions.size >= this.#limits.authenticated) evictFirst(this.#sessions);
    this.#sessions.add(place);
    this.#ofPerson.set(place.person, own.add(place));
    this.#crew?.taken("wire", personGroup(place), this.#limits.perPerson);
    this.#forgetIfEmpty(place.address);
  }

  #seatWaiting(place: Place, rank: WaitingRank): void {
    if (!this.#makeRoomAtAddress(place)) {
      place.evict();
      return;
    }
    const full = this.#waiting.size >= this.#limits.unauthenticated && !this.#waiting.evictOne();
    if (full && !place.busy) {
      place.evict();
      return;
    }
    this.#waiting.places[rank].add(place);
    const own = this.#ofAddress.get(place.address) ?? new Waiting();
    own.places[rank].add(place);
    this.#ofAddress.set(place.address, own);
    if (place.address !== undefined) this.#crew?.taken("wire", addressGroup(place), this.#limits.perAddress);
  }

  /** Has a place of this group, of those that are not busy, give way to what another process has let in. */
  evictOneOf(group: string): void {
    const [kind, key] = [group.slice(0, 2), group.slice(2)];
    if (kind === "a ") this.#ofAddress.get(key)?.evictOne();
    else evictFirst(this.#ofPerson.get(key) ?? new Set());
  }

  /** False when a newcomer has to go. One that logs out, busy as it is, is never sent away: then one more has a place. */
  #makeRoomAtAddress(place: Place): boolean {
    const own = this.#ofAddress.get(place.address);
    if (own === undefined || place.address === undefined) return true;
    while (own.size >= this.#limits.perAddress) if (!own.evictOne()) return place.busy;
    return true;
  }

  #unseatSession(place: Place): boolean {
    const own = this.#ofPerson.get(place.person);
    own?.delete(place);
    if (own?.size === 0) this.#ofPerson.delete(place.person);
    const seated = this.#sessions.delete(place);
    if (seated) this.#crew?.left("wire", personGroup(place));
    return seated;
  }

  /** Whether it had a place. What its address has is kept, empty or not: most take another place at once. */
  #unseat(place: Place, rank: Rank): boolean {
    if (rank === "session") return this.#unseatSession(place);
    const seated = this.#waiting.places[rank].delete(place);
    if (!seated) return false;
    this.#ofAddress.get(place.address)?.places[rank].delete(place);
    if (place.address !== undefined) this.#crew?.left("wire", addressGroup(place));
    return true;
  }

  #leave(place: Place): void {
    this.#unseat(place, place.rank);
    this.#forgetIfEmpty(place.address);
  }

  #forgetIfEmpty(address: string | undefined): void {
    if (this.#ofAddress.get(address)?.size === 0) this.#ofAddress.delete(address);
  }
}

const addressGroup = ({ address }: Place) => `a ${address}`;
const personGroup = ({ person }: Place) => `p ${person}`;

type WaitingRank = Exclude<Rank, "session">;

/** Places without a session: of all addresses, or of one. */
class Waiting {
  /** Each set keeps the order of insertion: its first one is the one longest in its step. */
  readonly places: Record<WaitingRank, Set<Place>> = { stranger: new Set(), proved: new Set() };

  get size(): number {
    return this.places.stranger.size + this.places.proved.size;
  }

  /** False when all are busy. */
  evictOne(): boolean {
    return evictFirst(this.places.stranger) || evictFirst(this.places.proved);
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
  readonly seat: (place: Place) => void;
  /** To be seated anew, elsewhere. Whether it had a place. */
  readonly unseat: (place: Place) => boolean;
  readonly leave: (place: Place) => void;
}

export class Place {
  /** What it is counted by, beside the others of the same; undefined where that has no limit. */
  readonly address: string | undefined;
  #socket: Socket;
  readonly #deadlines: AdmissionLimits["deadlines"];
  readonly #queue: Queue;
  #timer: NodeJS.Timeout | undefined;
  #deadline: DeadlineKind | undefined;
  #onDeadline: () => void;
  #rank: Rank = "stranger";
  #person: string | undefined;
  /** Whether a request of it is being worked on. */
  busy = false;

  constructor(socket: Socket, address: string | undefined, deadlines: AdmissionLimits["deadlines"], queue: Queue) {
    this.address = address;
    this.#socket = socket;
    this.#deadlines = deadlines;
    this.#queue = queue;
    this.#onDeadline = () => this.evict();
    this.#arm("handshake");
  }

  get rank(): Rank {
    return this.#rank;
  }

  /** Whose session it has; undefined while it has none. */
  get person(): string | undefined {
    return this.#person;
  }

  /** The handshake is done: from now on the TLS socket stands for the raw one. When that closes, `leave` is to be called. */
  take(socket: Socket): void {
    this.#socket = socket;
  }

  /** What to do when a deadline passes; without it the socket is destroyed. */
  onDeadline(act: () => void): void {
    this.#onDeadline = act;
  }

  /**
   * Begins a step: it has the whole of its own deadline, whatever bytes trickle in meanwhile. `person` is whose session
   * it is, for one that has one.
   */
  step(kind: DeadlineKind, rank: Rank, person?: string): void {
    const seated = this.#queue.unseat(this);
    this.#rank = rank;
    this.#person = person;
    if (!seated) return;
    this.#arm(kind);
    this.#queue.seat(this);
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
    if (kind === this.#deadline) return void this.#timer?.refresh();
    clearTimeout(this.#timer);
    this.#deadline = kind;
    this.#timer = setTimeout(() => this.#onDeadline(), this.#deadlines[kind] * 1000);
    this.#timer.unref();
  }
}
