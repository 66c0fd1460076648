import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { faultsStored, withStore } from "../support/crash-inspect.js";
import { liveUntilCut, systemClock, targetOf, type Witness } from "../support/crash-load.js";
import { serveAgain } from "../support/crash-loop.js";
import { seededRandom } from "../support/crash-random.js";
import { logIn, Person, register, tryCode } from "../support/person.js";
import { adminPassword, Machine, type Server } from "../support/programs.js";
import { WireClient } from "../support/wire-client.js";

const machine = new Machine();
let here: Server;
let there: Server;

beforeAll(async () => {
  here = await machine.startServer(["--http", "off", "--address-limits", "off"]);
  there = await machine.startServer(["--http", "off", "--address-limits", "off"]);
});

afterAll(() => machine.close());

describe("two posternd over one data directory", () => {
  it("are one server: the same identity, accounts, used codes, and logouts at once (promises 3, 12)", async () => {
    expect(there.fingerprint).toBe(here.fingerprint);
    const clock = systemClock();
    const alice = await register(await WireClient.open(targetOf(here)), new Person("alice"), { clock, offset: 0 });
    const first = await WireClient.open(targetOf(there));
    const { secret } = await logIn(first, alice, alice.code(clock, 1));
    expect(await tryCode(targetOf(here), alice, alice.code(clock, 1))).toBe("code_refused");
    const second = await WireClient.open(targetOf(here));
    await second.resume(secret);
    await first.ok("session.logout", {});
    expect(await second.outcome("session.whoami", {})).toBe("session_invalid");
    await Promise.all([first.close(), second.close()]);
  });

  it("go on one without the other: what the killed one acknowledged is there at once (promise 9)", async () => {
    const random = seededRandom("kill -9 of one of two");
    const clock = systemClock();
    const witnesses: Witness[] = [];
    let messages = 200 + random.below(100);
    const tick = () => {
      messages -= 1;
      if (messages === 0) here.process.signal("SIGKILL");
    };
    const load = { target: targetOf(here), clock, random, prefix: "w", tick };
    await Promise.all(Array.from({ length: 4 }, (_, worker) => liveUntilCut(load, worker, witnesses)));
    expect(await serveAgain(targetOf(there), systemClock(), witnesses)).toEqual([]);
    expect(await here.process.ended).toMatchObject({ code: 137 });
    expect(await there.process.stop()).toMatchObject({ code: 0 });
    const password = Buffer.from(adminPassword);
    expect(await withStore(machine.data, (barrier) => faultsStored(barrier, witnesses), { password })).toEqual([]);
  });
});
