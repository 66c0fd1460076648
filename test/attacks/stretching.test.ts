import { createHash } from "node:crypto";
import { decodeSecret } from "@postern/shared/otp/secret";
import { clientEphemeral } from "@postern/shared/srp/client";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { findAccountHead } from "../../packages/server/src/records/account.js";
import { stranger } from "../../packages/server/src/services/guesser.js";
import { beginLogin, nameLogin } from "../../packages/server/src/services/login.js";
import { placeOf } from "../../packages/server/src/services/salts.js";
import {
  countAccount,
  raiseStretch,
  readStretchCensus,
  unknownGeneration,
} from "../../packages/server/src/services/stretching.js";
import { createMemoryStorage } from "../../packages/server/src/storage/memory.js";
import type { Entry, ReadTransaction, Storage } from "../../packages/server/src/storage/storage.js";
import {
  contextOf,
  MINUTE,
  newStore,
  reopened,
  startInProcess,
  type TestServer,
  type TestStore,
} from "../support/in-process.js";
import {
  becomeKnown,
  type KnownDevice,
  logIn,
  Person,
  proofOf,
  provePassword,
  register,
  registered,
  sessionOf,
  startLogin,
  startOf,
  stretchedVerifier,
  tryPassword,
} from "../support/person.js";
import { WireClient } from "../support/wire-client.js";

const A = clientEphemeral().publicHex;

/** The generation that a name is answered with at `login.start`. */
async function generationOf(store: TestStore, name: string): Promise<number> {
  const context = await contextOf(store);
  return (await beginLogin(context, nameLogin(context, name, A), stranger)).stretch.generation;
}

const nobodies = (count: number) => Array.from({ length: count }, (_, index) => `nobody${index}`);

/** What unknown names are answered with, as `beginLogin` has it, without its arithmetic. */
async function unknownGenerations(store: TestStore, names: readonly string[]): Promise<number[]> {
  const census = await readStretchCensus(store);
  return names.map((name) => unknownGeneration(census, placeOf(store.barrier, name)));
}

async function crowd(server: TestServer, count: number): Promise<Person[]> {
  const client = await WireClient.open(server);
  const people: Person[] = [];
  for (let made = 0; made < count; made++) {
    people.push(await register(client, new Person(`person${made}`), server));
  }
  await client.close();
  return people;
}

/** A login that brings the verifier that it is asked for. */
async function moveUp(server: TestServer, person: Person): Promise<void> {
  const client = await WireClient.open(server);
  const challenge = await provePassword(client, person);
  if (challenge.restretch === undefined) throw new Error("nothing to move to");
  const restretched = await stretchedVerifier(challenge, person, challenge.restretch.generation);
  await client.ok("login.code", { code: person.code(server.clock), restretched });
  await client.close();
}

async function headOf({ barrier }: TestStore, name: string) {
  return barrier.read((tx) => findAccountHead(tx, barrier.nameIndex(name)));
}

describe("promise 2, raised parameters", () => {
  it("known names move at their next login and only then; unknown ones answer in the same proportion", async () => {
    const server = await startInProcess();
    const people = await crowd(server, 10);
    await raiseStretch(server.context, 2);
    const names = nobodies(2000);
    const old = async () => (await unknownGenerations(server, names)).filter((generation) => generation === 1).length;
    expect(await old()).toBe(2000);
    const shares: number[] = [];
    for (const [moved, person] of people.entries()) {
      expect(await generationOf(server, person.name)).toBe(1);
      await provePassword(await WireClient.open(server), person);
      expect(await generationOf(server, person.name)).toBe(1);
      await moveUp(server, person);
      expect(await generationOf(server, person.name)).toBe(2);
      shares.push((await old()) / 2000 - (people.length - moved - 1) / people.length);
    }
    // Five standard deviations of a share among 2,000.
    for (const off of shares) expect(Math.abs(off)).toBeLessThan(0.056);
    expect(await old()).toBe(0);
    const told = (await server.audit()).filter(({ event }) => event === "login.restretch");
    expect(told).toHaveLength(10);
  });

  it("an unknown name's answer is what its place says, over the wire, in another process and after a restart", async () => {
    const store = await newStore();
    const server = await startInProcess(store);
    const [one] = await crowd(server, 4);
    await raiseStretch(server.context, 2);
    await moveUp(server, one as Person);
    const names = nobodies(60);
    const expected = await unknownGenerations(server, names);
    expect(new Set(expected)).toEqual(new Set([1, 2]));
    const client = await WireClient.open(server);
    const overWire: number[] = [];
    for (const name of names) {
      overWire.push((await client.ok("login.start", { name, A })).stretch.generation);
      await client.outcome("login.proof", { M1: "0".repeat(64), mac: "0".repeat(64) });
    }
    expect(overWire).toEqual(expected);
    await server.close();
    const again = await reopened(store);
    await startInProcess(again);
    for (const [index, name] of names.entries()) expect(await generationOf(again, name)).toBe(expected[index]);
  });

  it("a registration that was under way when they were raised begins anew: no name turns up on the old ones", async () => {
    const server = await startInProcess();
    const client = await WireClient.open(server);
    const alice = new Person("alice");
    const challenge = {
      ...(await client.ok("register.start", { name: "alice" })),
      B: "",
      ephemeral: clientEphemeral(),
    };
    const { verifier } = await stretchedVerifier(challenge, alice);
    alice.secret = decodeSecret((await client.ok("register.verifier", { verifier })).secret);
    await raiseStretch(server.context, 2);
    expect(await client.outcome("register.confirm", { code: alice.code(server.clock) })).toBe("busy");
    expect(await headOf(server, "alice")).toBeUndefined();
    expect((await client.ok("register.start", { name: "alice" })).stretch.generation).toBe(2);
    expect(await generationOf(server, "alice")).toBe(2);
  });

  it("unknown names never go back, whatever accounts come, move and go (random operations)", async () => {
    const names = nobodies(100);
    const operation = fc.oneof(
      { weight: 4, arbitrary: fc.constant("come" as const) },
      { weight: 4, arbitrary: fc.record({ moves: fc.nat() }) },
      { weight: 3, arbitrary: fc.record({ goes: fc.nat() }) },
      { weight: 1, arbitrary: fc.constant("raise" as const) },
    );
    await fc.assert(
      fc.asyncProperty(fc.array(operation, { minLength: 5, maxLength: 40 }), async (operations) => {
        const store = await newStore();
        const context = await contextOf(store);
        const accounts: number[] = [];
        const base: Record<number, number> = {};
        let current = 1;
        let before = await unknownGenerations(store, names);
        for (const each of operations) {
          if (each === "raise") {
            if (current === 3) continue;
            base[current] = accounts.length;
            current += 1;
            await raiseStretch(context, current);
          } else if (each === "come") {
            accounts.push(current);
            await store.barrier.transact((tx) => countAccount(tx, { to: current }));
          } else if (accounts.length > 0) {
            const at = ("moves" in each ? each.moves : each.goes) % accounts.length;
            const from = accounts[at] ?? current;
            const to = "moves" in each ? current : undefined;
            if (from === to) continue;
            accounts.splice(at, 1, ...(to === undefined ? [] : [to]));
            await store.barrier.transact((tx) => countAccount(tx, { from, ...(to !== undefined && { to }) }));
          }
          const after = await unknownGenerations(store, names);
          expect(after.every((generation, index) => generation >= (before[index] ?? 0))).toBe(true);
          before = after;
          const { generations } = await readStretchCensus(store);
          for (const { generation, accounts: counted, threshold } of generations) {
            expect(counted).toBe(accounts.filter((on) => on === generation).length);
            const left = accounts.filter((on) => on <= generation).length;
            const share = left === 0 ? 0 : left / (base[generation] ?? 1);
            if (generation !== current) expect(threshold).toBeLessThanOrEqual(share);
          }
        }
      }),
      { numRuns: 25 },
    );
  });
});

describe("a verifier of the same password at another generation", () => {
  it.each([1, 0, -1, 3, 4, 1_000_000])(
    "of generation %i, which was not asked for, is passed over",
    async (generation) => {
      const server = await startInProcess();
      const alice = await registered(server);
      await raiseStretch(server.context, 2);
      const before = await headOf(server, "alice");
      const client = await WireClient.open(server);
      const challenge = await provePassword(client, alice);
      const restretched = await stretchedVerifier(challenge, alice.renewed("not the password"), generation);
      expect(await client.outcome("login.code", { code: alice.code(server.clock), restretched })).toBe("ok");
      expect(await headOf(server, "alice")).toEqual(before);
    },
  );

  it("of a generation between, that no name is answered with, is passed over, and refused as a new password", async () => {
    const server = await startInProcess();
    const alice = await registered(server);
    await raiseStretch(server.context, 3);
    const before = { head: await headOf(server, "alice"), census: await readStretchCensus(server) };
    const client = await WireClient.open(server);
    const challenge = await provePassword(client, alice);
    const between = await stretchedVerifier(challenge, alice, 2);
    const code = alice.code(server.clock);
    expect(await client.outcome("password.change", { code, new_verifier: between })).toBe("verifier_invalid");
    expect(await client.outcome("login.code", { code, restretched: between })).toBe("ok");
    expect({ head: await headOf(server, "alice"), census: await readStretchCensus(server) }).toEqual(before);
  });

  it("with a wrong code moves nothing; brought unasked on the highest generation, neither", async () => {
    const server = await startInProcess();
    const alice = await registered(server);
    const other = alice.renewed("not the password");
    const unasked = await WireClient.open(server);
    const challenge = await provePassword(unasked, alice);
    expect(challenge.restretch).toBeUndefined();
    const restretched = await stretchedVerifier(challenge, other, 2);
    expect(await unasked.outcome("login.code", { code: alice.code(server.clock), restretched })).toBe("ok");
    await raiseStretch(server.context, 2);
    const client = await WireClient.open(server);
    await provePassword(client, alice);
    const code = alice.wrongCode(server.clock);
    expect(await client.outcome("login.code", { code, restretched })).toBe("code_refused");
    expect(await tryPassword(server, other)).toBe("login_failed");
    expect(await headOf(server, "alice")).toMatchObject({ stretch: 1 });
  });

  it("of two logins at once the first moves the account, and it is counted once", async () => {
    const server = await startInProcess();
    const alice = await registered(server);
    await crowd(server, 2);
    await raiseStretch(server.context, 2);
    const clients = await Promise.all([WireClient.open(server), WireClient.open(server)]);
    const challenges = await Promise.all(clients.map((client) => provePassword(client, alice)));
    const outcomes = await Promise.all(
      clients.map(async (client, index) => {
        const challenge = challenges[index];
        if (challenge === undefined) throw new Error("no challenge");
        const restretched = await stretchedVerifier(challenge, alice, 2);
        return client.outcome("login.code", { code: alice.code(server.clock, index), restretched });
      }),
    );
    expect(outcomes).toEqual(["ok", "ok"]);
    const { generations } = await readStretchCensus(server);
    expect(generations.map(({ accounts }) => accounts)).toEqual([2, 1]);
    expect(await tryPassword(server, alice)).toBe("ok");
  });

  it("raised between a login's start and its proof moves it to what it began with, and by the next login to the rest", async () => {
    const server = await startInProcess();
    const alice = await registered(server);
    const asked = async (raiseTo: number) => {
      const client = await WireClient.open(server);
      const challenge = await startLogin(client, alice.name);
      await raiseStretch(server.context, raiseTo);
      const session = await sessionOf(challenge, alice);
      const { restretch } = await client.ok("login.proof", proofOf(session, client.exporter));
      return { client, challenge, restretch };
    };
    expect((await asked(2)).restretch).toBeUndefined();
    const { client, challenge, restretch } = await asked(3);
    expect(restretch?.generation).toBe(2);
    const restretched = await stretchedVerifier({ ...challenge, stretch: restretch ?? challenge.stretch }, alice);
    await client.ok("login.code", { code: alice.code(server.clock), restretched });
    expect(await headOf(server, "alice")).toMatchObject({ stretch: 2 });
    server.clock.advance(MINUTE);
    await moveUp(server, alice);
    expect(await headOf(server, "alice")).toMatchObject({ stretch: 3 });
    expect((await readStretchCensus(server)).generations.map(({ accounts }) => accounts)).toEqual([0, 0, 1]);
  });

  it("keeps other sessions, devices and logins under way: the password is the same", async () => {
    const server = await startInProcess();
    const alice = await registered(server);
    const client = await WireClient.open(server);
    const { new_device } = await logIn(client, alice, alice.code(server.clock));
    await raiseStretch(server.context, 2);
    server.clock.advance(MINUTE);
    await moveUp(server, alice);
    await client.ok("session.whoami", {});
    const { devices } = await client.ok("device.list", {});
    expect(devices.map(({ device }) => device)).toContain(new_device?.device);
  });

  it.each([1, 0, 4, 1.5])("a raise to %d is refused when it is not above, or not known", async (generation) => {
    const context = await contextOf(await newStore());
    await expect(raiseStretch(context, generation)).rejects.toMatchObject({ code: "usage" });
    expect(await readStretchCensus(context)).toMatchObject({ current: 1 });
  });
});

/** How large what came of a get or a scan is. */
function sizesOf(found: unknown): string {
  const values = Array.isArray(found) ? found.map((entry: Entry) => entry.value) : [found];
  return values.map((value) => (Buffer.isBuffer(value) ? value.length : 0)).join("+");
}

/** A storage that notes what is asked of it, by the form of the keys alone. */
function watched(): { storage: Storage; asked: string[] } {
  const inner = createMemoryStorage();
  const asked: string[] = [];
  const watch = <T extends ReadTransaction>(tx: T): T =>
    new Proxy(tx, {
      get(target, name) {
        const value: unknown = Reflect.get(target, name);
        if (typeof value !== "function") return value;
        return async (...args: unknown[]) => {
          const [key] = args;
          const found: unknown = await Reflect.apply(value, target, args);
          asked.push(`${String(name)} ${key instanceof Uint8Array ? key.length : "range"} ${sizesOf(found)}`);
          return found;
        };
      },
    });
  const storage: Storage = {
    transact: (fn) => inner.transact((tx) => fn(watch(tx))),
    read: (fn) => inner.read((tx) => fn(watch(tx))),
    close: () => inner.close(),
  };
  return { storage, asked };
}

describe("promise 2: what is read for a name", () => {
  const bogus: KnownDevice = { device: `dev_${"0".repeat(32)}`, secret: createHash("sha256").digest("hex") };

  it.each([
    ["no device", undefined],
    ["a device that is none of theirs", bogus],
  ])("at login.start, with %s offered: as many records for a known as for an unknown name", async (_name, device) => {
    const { storage, asked } = watched();
    const server = await startInProcess(await newStore({ storage }));
    const alice = await registered(server);
    await becomeKnown(server, alice, alice.code(server.clock));
    await registered(server, "carol");
    const calls: string[][] = [];
    for (const name of ["alice", "carol", "nobody", "nobody2"]) {
      const client = await WireClient.open(server);
      asked.length = 0;
      await startLogin(client, name, device);
      calls.push([...asked]);
    }
    expect(calls[0]).toContainEqual(expect.stringMatching(/^scan range \d{4}$/));
    expect(calls[0]?.every((each) => /^(?:get|scan) /.test(each))).toBe(true);
    for (const others of calls.slice(1)) expect(others).toEqual(calls[0]);
  });

  it("at login.proof of a wrong password: as many records read, written and looked for", async () => {
    const { storage, asked } = watched();
    const server = await startInProcess(await newStore({ storage }));
    await registered(server);
    const calls: string[][] = [];
    for (const name of ["alice", "malle"]) {
      const client = await WireClient.open(server);
      await client.ok("login.start", startOf(client, name, A, bogus));
      asked.length = 0;
      await client.outcome("login.proof", { M1: "0".repeat(64), mac: "0".repeat(64) });
      calls.push(asked.map((each) => each.split(" ").slice(0, 2).join(" ")));
    }
    expect(calls[0]).toEqual(calls[1]);
    expect(calls[0]?.length).toBeGreaterThan(3);
  });
});
