import { setTimeout } from "node:timers/promises";
import { expect } from "vitest";
import { faultsStored, withStore } from "./crash-inspect.js";
import { faultsServing, liveUntilCut, type Witness } from "./crash-load.js";
import { expectValue, served } from "./crash-process.js";
import type { Random } from "./crash-random.js";
import { Clock, temporaryDirectory } from "./in-process.js";
import type { Target } from "./wire-client.js";

/**
 * Servers under load that are killed at random moments, over and over: after each kill everything in the store is
 * looked at, and the next server must keep what the last one had acknowledged.
 */

/** Everything in a store is looked at after each kill: so a long run begins another one now and then. */
const KILLS_A_STORE = 25;

const WORKERS = 6;

export interface Life {
  readonly target: Target;
  readonly clock: Clock;
  readonly random: Random;
  /** Names begin with it. */
  readonly prefix: string;
  readonly kill: () => Promise<unknown>;
}

/** Lets people come and go until the server is killed: after so many messages, and then some milliseconds. */
export async function loadUntilKilled({ kill, ...life }: Life): Promise<Witness[]> {
  const witnesses: Witness[] = [];
  let messages = 20 + life.random.below(160);
  const delay = life.random.below(2) * life.random.below(12);
  const tick = () => {
    messages -= 1;
    if (messages === 0) void setTimeout(delay).then(kill);
  };
  const workers = Array.from({ length: WORKERS }, (_, worker) => liveUntilCut({ ...life, tick }, worker, witnesses));
  await Promise.all(workers);
  return witnesses;
}

export async function serveAgain(target: Target, clock: Clock, witnesses: readonly Witness[]): Promise<string[]> {
  const faults: string[] = [];
  // A few at a time: a server gives a handshake five seconds, however busy the machine is.
  for (let next = 0; next < witnesses.length; next += WORKERS) {
    const few = witnesses.slice(next, next + WORKERS);
    faults.push(...(await Promise.all(few.map((witness) => faultsServing(target, clock, witness)))).flat());
  }
  return faults;
}

export interface CrashLoop {
  readonly kills: number;
  readonly random: Random;
  /** Hears how far it has come, after each kill whose store was found whole. */
  readonly onKill?: (sum: CrashSum) => void;
}

/** Kills so far, and the registrations and logins that were acknowledged before them. */
export interface CrashSum {
  readonly killed: number;
  readonly registrations: number;
  readonly logins: number;
}

/** Fails a test when anything is lost or half there after any of the kills. */
export async function killOverAndOver({ kills, random, onKill }: CrashLoop): Promise<CrashSum> {
  let sum: CrashSum = { killed: 0, registrations: 0, logins: 0 };
  const note = (witnesses: readonly Witness[]) => {
    const granted = witnesses.flatMap(({ logins }) => logins).filter((login) => login.granted !== undefined);
    const registrations = sum.registrations + witnesses.filter(({ registered }) => registered).length;
    sum = { killed: sum.killed + 1, registrations, logins: sum.logins + granted.length };
    onKill?.(sum);
  };
  while (sum.killed < kills) {
    const before = sum.killed;
    await liveAndDie({ kills: Math.min(KILLS_A_STORE, kills - before), prefix: `k${before}`, random }, note);
  }
  return sum;
}

/** One store, and the servers that die over it; the last one ends in order. */
async function liveAndDie(
  { kills, prefix, random }: Omit<CrashLoop, "onKill"> & Pick<Life, "prefix">,
  note: (witnesses: readonly Witness[]) => void,
): Promise<void> {
  const clock = new Clock();
  const directory = await temporaryDirectory();
  const everyone: Witness[] = [];
  const faults = () => withStore(directory, (barrier) => faultsStored(barrier, everyone));
  let last: Witness[] = [];
  for (let killed = 0; killed < kills; killed++) {
    const { process, target } = await served(directory, clock);
    expect(await serveAgain(target, clock, last)).toEqual([]);
    const kill = () => process.kill();
    last = await loadUntilKilled({ target, clock, random, prefix: `${prefix}d${killed}`, kill });
    expect(await process.ended).toEqual({ code: null, signal: "SIGKILL", stderr: "" });
    everyone.push(...last);
    expect(await faults()).toEqual([]);
    note(last);
  }
  const { process, target } = await served(directory, clock);
  expect(await serveAgain(target, clock, last)).toEqual([]);
  const { stopped, audit } = expectValue(await process.close());
  expect([stopped, audit]).toMatchObject([{ value: null }, { value: { ok: true } }]);
  expect(await faults()).toEqual([]);
}
