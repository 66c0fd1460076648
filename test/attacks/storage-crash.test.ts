import { setTimeout } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import { faultsStored, withStore } from "../support/crash-inspect.js";
import { newWitness, registerWitness, systemClock, targetOf, type Witness } from "../support/crash-load.js";
import { killOverAndOver, loadUntilKilled, serveAgain } from "../support/crash-loop.js";
import { expectValue, ServerProcess, served } from "../support/crash-process.js";
import { seededRandom } from "../support/crash-random.js";
import { Clock, temporaryDirectory } from "../support/in-process.js";
import { adminPassword, Machine } from "../support/programs.js";
import { WireClient } from "../support/wire-client.js";

/** How often a server is killed; `npm run test:long -- crash` kills a thousand. */
const KILLS = Number(process.env["POSTERN_TEST_KILLS"] ?? 8);

describe("attack 36, promise 9: kill -9", () => {
  it(`at ${KILLS} random moments of registrations and logins loses nothing that was acknowledged, and leaves no half`, {
    timeout: 240_000 + KILLS * 10_000,
  }, async () => {
    const { registrations } = await killOverAndOver({ kills: KILLS, random: seededRandom("kill -9") });
    expect(registrations).toBeGreaterThan(KILLS);
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

  it("between a registration and its answer leaves a person whose name is taken, who can log in, and no fault", async () => {
    const clock = new Clock();
    const directory = await temporaryDirectory();
    const { process: first, target } = await served(directory, clock);
    const witness = newWitness("alice");
    await registerWitness(await WireClient.open(target), witness, clock);
    await first.kill();
    const unanswered = { ...witness, registered: false };
    const { process, target: again } = await served(directory, clock);
    expect(await serveAgain(again, clock, [unanswered])).toEqual([]);
    expect(unanswered.registered).toBe(true);
    expectValue(await process.close());
    expect(await withStore(directory, (barrier) => faultsStored(barrier, [unanswered]))).toEqual([]);
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
