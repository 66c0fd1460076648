import { setTimeout } from "node:timers/promises";
import { expect, onTestFinished } from "vitest";
import { faultsStored, withStore } from "./crash-inspect.js";
import type { Witness } from "./crash-load.js";
import { type Closed, expectValue, type Served, ServerProcess } from "./crash-process.js";
import type { Random } from "./crash-random.js";
import { type Drill, type DrillSum, live, newSum } from "./drill-load.js";
import { Clock } from "./in-process.js";
import { startCluster } from "./postgres.js";
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

export async function drill({ nodes, people, random, readiness, spares = 0, trouble }: DrillPlan): Promise<DrillEnd> {
  const cluster = await startCluster();
  onTestFinished(cluster.remove);
  const waitingProcesses = Array.from({ length: spares }, () => new ServerProcess());
  await Promise.all(waitingProcesses.map((process) => process.loaded()));
  const newProcess = () => waitingProcesses.pop() ?? new ServerProcess();
  const places = Array.from({ length: nodes }, () => new Place(cluster.url, newProcess));
  // The first one makes the store.
  for (const place of places.slice(0, 1)) await place.start(readiness);
  await Promise.all(places.slice(1).map((place) => place.start(readiness)));
  const targets = places.map(({ served }) => served as Served);
  const front = await startRoundRobin(targets);
  const sum = newSum();
  const faults: string[] = [];
  let kills = 0;
  let restarts = 0;
  let asked = 0;
  const waiting: { readonly at: number; wake(): void }[] = [];
  const tick = () => {
    asked++;
    for (const { at, wake } of waiting) if (at === asked) wake();
  };

  const house: House = {
    sum,
    asked: (count) => new Promise((wake) => waiting.push({ at: asked + count, wake })),
    get up() {
      return places.flatMap(({ up }, index) => (up ? [index] : []));
    },
    killNode: async (index) => {
      const place = places[index] as Place;
      place.up = false;
      kills++;
      await place.process?.kill();
      await startAgain(place, readiness);
    },
    restartDatabase: async (how, milliseconds) => {
      await cluster[how]();
      restarts++;
      await setTimeout(milliseconds);
      await cluster.restart();
    },
  };

  let over = false;
  const everyone: Witness[] = [];
  const load: Drill = { front, nodes: targets, clock: runningClock(), random, sum, faults, tick };
  const worker = async (number: number) => {
    for (let count = 0; !over; count++) everyone.push(await live(load, `d${number}n${count}`));
  };
  const working = Promise.all(Array.from({ length: people }, (_, number) => worker(number)));
  await Promise.race([working, trouble(house)]);
  over = true;
  await working;
  expect(faults).toEqual([]);

  const closed = await Promise.all(
    places.map(async ({ process }) => expectValue(await (process as ServerProcess).close())),
  );
  for (const { stopped, audit, logged } of closed) {
    expect([stopped, audit]).toMatchObject([{ value: null }, { value: { ok: true } }]);
    expect(unexpected(logged)).toEqual([]);
  }
  expect(await withStore(cluster.url, (barrier) => faultsStored(barrier, everyone))).toEqual([]);
  return { people: everyone, sum, kills, restarts };
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
