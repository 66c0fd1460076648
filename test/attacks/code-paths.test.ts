import { describe, expect, it } from "vitest";
import { allPaths, type Known, paths } from "../support/code-paths.js";
import { type Entered, entered } from "../support/entered.js";
import { HOUR, MINUTE, newStore, reopened, SECOND, startInProcess, type TestServer } from "../support/in-process.js";
import { failCodes, guessPassword, type KnownDevice, lockCodes, provePassword, tryCode } from "../support/person.js";
import { codeOf, type Target, WireClient } from "../support/wire-client.js";

/** The same with the session and the device as what the paths of codes start from. */
async function knownAt(at?: TestServer): Promise<Pick<Entered, "server" | "alice"> & { known: Required<Known> }> {
  const { server, alice, secret, device } = await entered(at === undefined ? {} : { at });
  return { server, alice, known: { secret, device } };
}

describe("attack 26: every path that takes a code shares the count", () => {
  it.each(Object.keys(paths).map((name, index) => [name, index] as const))(
    "on a known device: four wrong ones at the others and one at %s close them all, for the right code too",
    async (_name, last) => {
      const { server, alice, known } = await knownAt();
      const gives = await allPaths([server], alice, known);
      const wrong = alice.wrongCode(server.clock);
      for (let turn = 1; turn <= 4; turn++) {
        expect(codeOf(await gives[(last + turn) % 4]?.(wrong))).toBe("code_refused");
      }
      expect(codeOf(await gives[last]?.(wrong))).toBe("code_refused");
      const answers = await Promise.all(gives.map((give) => give(alice.code(server.clock))));
      expect(answers.map((reply) => reply?.error?.data)).toEqual(
        Array(4).fill(expect.objectContaining({ code: "throttled", retry_after: 30 })),
      );
      expect(await tryCode(server, alice, alice.code(server.clock))).toBe("ok");
    },
  );

  it("attack 25: so they do over a restart, and over two servers on one store", async () => {
    const store = await newStore();
    const { server, alice, known } = await knownAt(await startInProcess(store));
    const second = await startInProcess(await reopened(store));
    const wrong = alice.wrongCode(server.clock);
    const [one, two] = await allPaths([second, server], alice, known);
    expect([codeOf(await one?.(wrong)), codeOf(await two?.(wrong))]).toEqual(Array(2).fill("code_refused"));
    await server.close();
    const restarted = await startInProcess(await reopened(store));
    const gives = await allPaths([second, restarted], alice, known);
    const outcomes: string[] = [];
    for (const give of gives) outcomes.push(codeOf(await give(wrong)));
    expect(outcomes).toEqual([...Array(3).fill("code_refused"), "throttled"]);
    for (const give of await allPaths([restarted], alice, known)) {
      expect(codeOf(await give(alice.code(server.clock)))).toBe("throttled");
    }
  });

  it("a session whose device was forgotten pays as strangers do", async () => {
    const { server, alice, known } = await knownAt();
    const client = await WireClient.open(server);
    await client.resume(known.secret);
    await client.ok("device.forget", { device: known.device?.device as KnownDevice["device"] });
    await failCodes(server, alice, 5);
    expect(await client.outcome("session.verify", { code: alice.code(server.clock) })).toBe("throttled");
    expect(await client.outcome("account.delete", { code: alice.code(server.clock) })).toBe("throttled");
  });

  it("a code that is malformed, or one of a pair that no device shows, counts as a wrong one", async () => {
    const { server, alice, known } = await knownAt();
    const code = alice.code(server.clock);
    const gives = await allPaths([server], alice, known);
    for (const give of gives) expect(codeOf(await give(`${code} `))).toBe("code_refused");
    const client = await WireClient.open(server);
    await client.resume(known.secret);
    const pair = { code, second_code: alice.code(server.clock, 1) };
    expect(await client.outcome("session.verify", pair)).toBe("code_refused");
    expect(await client.outcome("session.verify", pair)).toBe("throttled");
  });
});

describe("attack 55: codes that are locked", () => {
  it("are so on every path and whatever the clock says, for strangers alone; a recovery code opens them", async () => {
    const { server, alice, known } = await knownAt();
    await lockCodes(server, alice);
    const strange = { login: paths["login.code"], change: paths["password.change"] };
    for (const later of [0, -30 * MINUTE, 400 * 24 * HOUR]) {
      server.clock.advance(later);
      for (const path of Object.values(strange)) {
        const give = await path(server, alice, { secret: known.secret });
        expect(codeOf(await give(alice.code(server.clock))), `${later} ms later`).toBe("codes_locked");
      }
    }
    const give = await strange.login(server, alice, known);
    expect(codeOf(await give(alice.code(server.clock)))).toBe("ok");
    expect(await tryCode(server, alice, alice.code(server.clock, 1))).toBe("codes_locked");
    expect(await tryCode(server, alice, alice.recoveryCodes[0] ?? "")).toBe("ok");
    expect(await tryCode(server, alice, alice.code(server.clock, 1))).toBe("ok");
  });

  it("are not opened by what only looks like a recovery code, alone or with a second code", async () => {
    const { server, alice } = await knownAt();
    await lockCodes(server, alice);
    const [code = ""] = alice.recoveryCodes;
    const client = await WireClient.open(server);
    await provePassword(client, alice);
    const second_code = alice.code(server.clock);
    expect(await client.outcome("login.code", { code, second_code })).toBe("code_refused");
    server.clock.advance(HOUR);
    expect(await client.outcome("login.code", { code: second_code, second_code: code })).toBe("codes_locked");
  });
});

describe("attack 28b: on every path", () => {
  it("a code that is right for a step to come gives no hint, one of the past says how far behind, once", async () => {
    const { server, alice, known } = await knownAt();
    server.clock.advance(5 * MINUTE);
    for (const path of Object.values(paths)) {
      const give = await path(server, alice, known);
      const [wrong, future] = [await give(alice.wrongCode(server.clock)), await give(alice.code(server.clock, 3))];
      expect(future?.error).toEqual(wrong?.error);
      expect((await give(alice.code(server.clock, -4)))?.error?.data).toMatchObject({ clock_behind: 120 });
      server.clock.advance(5 * MINUTE);
      // One on the way: a right one, that the count begins anew.
      await tryCode(server, alice, alice.code(server.clock), known.device);
      server.clock.advance(5 * MINUTE);
      await givesBackSession(server, known);
    }
  });
});

/** A session is idle for no half an hour. */
async function givesBackSession(server: Target, { secret }: Known): Promise<void> {
  const client = await WireClient.open(server);
  await client.resume(secret);
  await client.close();
}

describe("a log that whoever guesses would like to fill", () => {
  it("tells of each guess that was judged, and once of those that were turned away in a block, on all paths", async () => {
    const { server, alice, known } = await knownAt();
    await failCodes(server, alice, 5, known.device);
    const judged = async () => (await server.audit()).filter(({ reason }) => reason !== "no_code");
    const before = (await judged()).length;
    const gives = await allPaths([server], alice, known);
    for (const give of gives) expect(codeOf(await give(alice.wrongCode(server.clock)))).toBe("throttled");
    for (let tries = 0; tries < 10; tries++) {
      for (const give of gives.slice(2)) expect(codeOf(await give(alice.code(server.clock)))).toBe("throttled");
    }
    const told = (await judged()).slice(before);
    expect(told.map(({ event, reason }) => [event, reason])).toEqual([["login.code", "throttled"]]);
    server.clock.advance(30 * SECOND);
    expect(codeOf(await gives[3]?.(alice.wrongCode(server.clock)))).toBe("code_refused");
    for (let tries = 0; tries < 10; tries++) await gives[2]?.("000000");
    const again = (await judged()).slice(before + 1).map(({ event, reason }) => [event, reason]);
    expect(again).toEqual([
      ["account.delete", "wrong_code"],
      ["session.verify", "throttled"],
    ]);
  });

  it("tells once that codes are locked, and each time that the password was right", async () => {
    const { server, alice } = await knownAt();
    await lockCodes(server, alice);
    const before = (await server.audit()).length;
    for (let tries = 0; tries < 5; tries++) expect(await tryCode(server, alice, "000000")).toBe("codes_locked");
    const reasons = async () => (await server.audit()).slice(before).map(({ reason }) => reason);
    await expect.poll(async () => (await reasons()).filter((reason) => reason === "no_code")).toHaveLength(5);
    expect((await reasons()).filter((reason) => reason !== "no_code")).toEqual(["locked"]);
  });

  it("tells once of passwords that were turned away, of strangers and of a device", async () => {
    const { server, known } = await knownAt();
    const before = (await server.audit()).length;
    for (const device of [undefined, known.device]) {
      const client = await WireClient.open(server);
      for (let tries = 0; tries < 15; tries++) await guessPassword(client, "alice", device);
    }
    const reasons = (await server.audit()).slice(before).map(({ reason, device }) => [reason, device !== undefined]);
    const once = (onDevice: boolean) => [...Array(5).fill(["wrong_password", onDevice]), ["throttled", onDevice]];
    expect(reasons).toEqual([...once(false), ...once(true)]);
  });
});
