/**
 * One of several processes that are one server (`--workers`): what it knows of the others, and what it has them count.
 * Nothing that decides who gets in is here: that is in the store.
 */
export interface CrewMember {
  /** From 1. */
  readonly worker: number;
  readonly workers: number;
  /** Does what a server does once: its upkeep, its callbacks, and what the store and the audit log know of it. */
  readonly leads: boolean;
  /** It takes the place of one that ended: the server itself was started before. */
  readonly replaces: boolean;
  /** Of the server, not of this process. */
  readonly server: CrewServer;
  /** Counts a start, by a key of `AddressLimits`, for all: 0 when it may go on, else the whole seconds to wait. */
  takeStart(key: string): Promise<number>;
  readonly places: CrewPlaces;
  /** Something is in the outbox: whoever leads looks at once. */
  enqueued(): void;
  /** What `enqueued` of the others does here. */
  onEnqueued(wake: () => void): void;
  /** The metrics of all, as text. */
  metrics(): Promise<string>;
}

export interface CrewServer {
  /** Random, 32 hex digits: another one at each start. */
  readonly instance: string;
  readonly pid: number;
  /** Milliseconds since 1970. */
  readonly startedAt: number;
}

/** Ports that count what one address, or one person, holds open. */
export type CountedPort = "wire" | "http";

/** Who of all holds how many places. A place is taken at once; where it is one too many, one is given up soon after. */
export interface CrewPlaces {
  /** `limit`: how many the group may have in all. */
  taken(port: CountedPort, group: string, limit: number): void;
  left(port: CountedPort, group: string): void;
  /** Gives up one place of a group. */
  onExcess(port: CountedPort, giveUp: (group: string) => void): void;
}

/** A worker's part of what the server as a whole may hold: connections are dealt to the workers in turn. */
export function shareOf(whole: number, crew: Pick<CrewMember, "workers"> | undefined): number {
  return Math.ceil(whole / (crew?.workers ?? 1));
}
