import { setTimeout } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import { faultsStored, withStore } from "../support/crash-inspect.js";
import {
  faultsServing,
  liveUntilCut,
  newWitness,
  registerWitness,
  systemClock,
  targetOf,
  type Witness,
} from "../support/crash-load.js";
import { expectValue, ServerProcess, served } from "../support/crash-process.js";
import { type Random, seededRandom } from "../support/crash-random.js";
import { Clock, temporaryDirectory } from "../support/in-process.js";
import { adminPassword, Machine } from "../support/programs.js";
import { type Target, WireClient } from "../support/wire-client.js";

/** How often a server is killed; thousands for a long run. */
const KILLS = Number(process.env["POSTERN_TEST_KILLS"] ?? 8);

/** Everything in a store is looked at after each kill: so a long run begins another one now and then. */
const KILLS_A_STORE = 25;

const WORKERS = 6;

interface Life {
  readonly target: Target;
  readonly clock: Clock;
  readonly random: Random;
  readonly prefix: string;
  readonly kill: () => Promise<unknown>;
}

/** Lets people come and go until the server is killed: after so many messages, and then some milliseconds. */
async function loadUntilKilled({ kill, ...life }: Life): Promise<Witness[]> {
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

async function serveAgain(target: Target, clock: Clock, witnesses: readonly Witness[]): Promise<string[]> {
  return (await Promise.all(witnesses.map((witness) => faultsServing(target, clock, witness)))).flat();
}

describe("attack 36, promise 9: kill -9", () => {
  it(`at ${KILLS} random moments of registrations and logins loses nothing that was acknowledged, and leaves no half`, {
    timeout: 60_000 + KILLS * 10_000,
  }, async () => {
    const random = seededRandom("kill -9");
    const clock = new Clock();
    let acknowledged = 0;
    for (let killed = 0; killed < KILLS; ) {
      const directory = await temporaryDirectory();
      const everyone: Witness[] = [];
      let last: Witness[] = [];
      for (const before = killed; killed < KILLS && killed < before + KILLS_A_STORE; killed++) {
        const { process, target } = await served(directory, clock);
        expect(await serveAgain(target, clock, last)).toEqual([]);
        const kill = () => process.kill();
        last = await loadUntilKilled({ target, clock, random, prefix: `k${killed}`, kill });
        expect(await process.ended).toEqual({ code: null, signal: "SIGKILL", stderr: "" });
        everyone.push(...last);
        acknowledged += last.filter(({ registered }) => registered).length;
        expect(await withStore(directory, (barrier) => faultsStored(barrier, everyone))).toEqual([]);
      }
      const { process, target } = await served(directory, clock);
      expect(await serveAgain(target, clock, last)).toEqual([]);
      const { stopped, audit } = expectValue(await process.close());
      expect([stopped, audit]).toMatchObject([{ value: null }, { value: { ok: true } }]);
      expect(await withStore(directory, (barrier) => faultsStored(barrier, everyone))).toEqual([]);
    }
    expect(acknowledged).toBeGreaterThan(KILLS);
  });

  it("at a random moment of the first start leaves what the next start makes a store of", async () => {
    const random = seededRandom("kill -9 of a first start");
    const clock = new Clock();
    for (let killed = 0; killed < 3; killed++) {
      const directory = await temporaryDirectory();
      const first = new ServerProcess();
      await first.loaded();
      const opening = first.open(directory, clock);
      await setTimeout(random.below(300));
      await first.kill();
      await opening;
      const { process, target } = await served(directory, clock);
      const witness = newWitness("alice");
      await registerWitness(await WireClient.open(target), witness, clock);
      expectValue(await process.close());
      expect(await withStore(directory, (barrier) => faultsStored(barrier, [witness]))).toEqual([]);
    }
  });

  it("of posternd itself, twice, loses nothing that was acknowledged", async () => {
    const random = seededRandom("kill -9 of posternd");
    const machine = new Machine();
    try {
      const everyone: Witness[] = [];
      let server = await machine.startServer(["--http", "off", "--address-limits", "off"]);
      for (let killed = 0; killed < 2; killed++) {
        const kill = () => server.process.stop("SIGKILL");
        const life = { target: targetOf(server), clock: systemClock(), random, prefix: `k${killed}`, kill };
        const witnesses = await loadUntilKilled(life);
        expect(await server.process.ended).toMatchObject({ code: 137 });
        server = await machine.startServer(["--http", "off", "--address-limits", "off"]);
        expect(await serveAgain(targetOf(server), systemClock(), witnesses)).toEqual([]);
        everyone.push(...witnesses);
      }
      expect(await server.process.stop()).toMatchObject({ code: 0 });
      const password = Buffer.from(adminPassword);
      expect(await withStore(machine.data, (barrier) => faultsStored(barrier, everyone), { password })).toEqual([]);
    } finally {
      await machine.close();
    }
  });
});
