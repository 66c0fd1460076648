import { setTimeout } from "node:timers/promises";
import { expect, onTestFinished } from "vitest";
import { faultsStored, withStore } from "./crash-inspect.js";
import type { Witness } from "./crash-load.js";
import { type Closed, expectValue, type Served, ServerProcess } from "./crash-process.js";
import type { Random } from "./crash-random.js";
import { type Drill, type DrillSum, live, newSum } from "./drill-load.js";
import { Clock } from "./in-process.js";
import { type Cluster, startCluster } from "./postgres.js";
import { startRoundRobin } from "./round-robin.js";

/**
 * Several nodes on one PostgreSQL behind a balancer, while people register, log in and come back: nodes are killed and
 * started again, the database is stopped, and crashes. Afterwards nothing that was acknowledged may be lost, and nothing
 * may have been granted without its record, or twice for one code.
 */
export interface DrillPlan {
  readonly nodes: number;
  /** How many people are at it at once. */
  readonly people: number;
  readonly random: Random;
  /** Whether the balancer asks nodes whether they are ready, at an HTTPS port; else whether they take connections. */
  readonly readiness: boolean;
  /** How many processes are loaded in advance, to take the places of killed ones. By default none is. */
  readonly spares?: number;
  /** What goes wrong meanwhile; the people stop coming when it is over. */
  readonly trouble: (house: House) => Promise<void>;
}

export interface House {
  readonly sum: DrillSum;
  /** Resolves when so many more things were asked. */
  asked(count: number): Promise<void>;
  /** The nodes that serve. */
  readonly up: readonly number[];
  /** Kills a node, and resolves when it serves again at its place. */
  killNode(index: number): Promise<void>;
  /** Ends the database, in order or as a crash does, and starts it again after some milliseconds. */
  restartDatabase(how: "stop" | "crash", milliseconds: number): Promise<void>;
}

export interface DrillEnd {
  readonly people: readonly Witness[];
  readonly sum: DrillSum;
  readonly kills: number;
  readonly restarts: number;
}

/** A clock that goes. */
function runningClock(): Clock {
  return Object.assign(new Clock(), { now: Date.now });
}

/** A node's place: who is there changes, its ports do not. */
class Place {
  readonly #database: string;
  readonly #newProcess: () => ServerProcess;
  process: ServerProcess | undefined;
  served: Served | undefined;
  up = false;

  constructor(database: string, newProcess: () => ServerProcess) {
    this.#database = database;
    this.#newProcess = newProcess;
  }

  async start(readiness: boolean): Promise<Served> {
    const { port, httpPort = readiness ? 0 : undefined } = this.served ?? {};
    const ports = { ...(port !== undefined && { port }), ...(httpPort !== undefined && { httpPort }) };
    this.process = this.#newProcess();
    this.served = expectValue(await this.process.open(this.#database, undefined, ports));
    this.up = true;
    return this.served;
  }
}

/** The nodes in their places, the database below them, and what has become of both. */
class Troubled implements House {
  readonly sum = newSum();
  readonly faults: string[] = [];
  readonly #cluster: Cluster;
  readonly #places: readonly Place[];
  readonly #readiness: boolean;
  readonly #waiting: { readonly at: number; wake(): void }[] = [];
  #asked = 0;
  kills = 0;
  restarts = 0;

  constructor(cluster: Cluster, { nodes, readiness, spares = 0 }: DrillPlan) {
    this.#cluster = cluster;
    this.#readiness = readiness;
    const waiting = Array.from({ length: spares }, () => new ServerProcess());
    const newProcess = () => waiting.shift() ?? new ServerProcess();
    this.#places = Array.from({ length: nodes }, () => new Place(cluster.url, newProcess));
  }

  /** Starts all nodes. The first one makes the store. */
  async begin(): Promise<readonly Served[]> {
    const [first, ...others] = this.#places;
    const served = await first?.start(this.#readiness);
    const more = await Promise.all(others.map((place) => place.start(this.#readiness)));
    return served === undefined ? more : [served, ...more];
  }

  get up(): readonly number[] {
    return this.#places.flatMap(({ up }, index) => (up ? [index] : []));
  }

  tick(): void {
    this.#asked++;
    for (const { at, wake } of this.#waiting) if (at === this.#asked) wake();
  }

  asked(count: number): Promise<void> {
    return new Promise((wake) => this.#waiting.push({ at: this.#asked + count, wake }));
  }

  async killNode(index: number): Promise<void> {
    const place = this.#places[index] as Place;
    place.up = false;
    this.kills++;
    await place.process?.kill();
    await startAgain(place, this.#readiness);
  }

  async restartDatabase(how: "stop" | "crash", milliseconds: number): Promise<void> {
    await this.#cluster[how]();
    this.restarts++;
    await setTimeout(milliseconds);
    await this.#cluster.restart();
  }

  /** Ends all nodes in order: none has logged what it should not, and the audit log holds for each of them. */
  async end(): Promise<void> {
    for (const { process } of this.#places) {
      const { stopped, audit, logged } = expectValue(await (process as ServerProcess).close());
      expect([stopped, audit]).toMatchObject([{ value: null }, { value: { ok: true } }]);
      expect(unexpected(logged)).toEqual([]);
    }
  }
}

/** Fails a test when anything that was acknowledged is lost, or anything was granted that should not have been. */
export async function drill(plan: DrillPlan): Promise<DrillEnd> {
  const cluster = await startCluster();
  onTestFinished(cluster.remove);
  const house = new Troubled(cluster, plan);
  const nodes = await house.begin();
  const front = await startRoundRobin(nodes);
  const { random, trouble } = plan;
  const { sum, faults } = house;
  const load: Drill = { front, nodes, clock: runningClock(), random, sum, faults, tick: () => house.tick() };
  const people = await liveDuring(load, plan.people, () => trouble(house));
  expect(faults).toEqual([]);
  await house.end();
  expect(await withStore(cluster.url, (barrier) => faultsStored(barrier, people))).toEqual([]);
  return { people, sum, kills: house.kills, restarts: house.restarts };
}

/** People come, so many at once, until the trouble is over; whoever is there then comes to their end. */
async function liveDuring(load: Drill, atOnce: number, trouble: () => Promise<void>): Promise<Witness[]> {
  const everyone: Witness[] = [];
  let over = false;
  const one = async (number: number) => {
    for (let count = 0; !over; count++) everyone.push(await live(load, `d${number}n${count}`));
  };
  const working = Promise.all(Array.from({ length: atOnce }, (_, number) => one(number)));
  await Promise.race([working, trouble()]);
  over = true;
  await working;
  return everyone;
}

/** A node that starts while the database is away ends at once: it is started again, as a supervisor does. */
async function startAgain(place: Place, readiness: boolean): Promise<void> {
  for (;;) {
    try {
      await place.start(readiness);
      return;
    } catch (thrown) {
      if (!/store_unreachable|store_failed/.test((thrown as Error).message)) throw thrown;
      await place.process?.kill();
      await setTimeout(100);
    }
  }
}

/** What a node may log as an error: that the database is away, once each time, and a commit of which nobody knows. */
function unexpected(logged: Closed["logged"]): readonly unknown[] {
  const known = ["store_unreachable", "store_failed"];
  return logged.filter(({ level, code = "" }) => level === "error" && !known.includes(code));
}
