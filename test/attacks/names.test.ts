import { clientEphemeral } from "@postern/shared/srp/client";
import { describe, expect, it } from "vitest";
import { HOUR, MINUTE, newStore, reopened, SECOND, startInProcess, type TestServer } from "../support/in-process.js";
import { guessedProof, guessPassword, logIn, Person, register, registered } from "../support/person.js";
import { codeOf, type Reply, WireClient } from "../support/wire-client.js";

/** One password guess over a connection of its own. */
async function guess(server: TestServer, name: string): Promise<Reply | undefined> {
  const client = await WireClient.open(server);
  const reply = await guessPassword(client, name);
  await client.close();
  return reply;
}

/** The same guesses for a name, at the same times: all that an attacker sees of them. */
async function seen(server: TestServer, name: string): Promise<string[]> {
  const answers: string[] = [];
  for (let tries = 0; tries < 8; tries++) answers.push((await guess(server, name))?.text ?? "closed");
  return answers;
}

describe("attack 49: spellings of one name", () => {
  const spellings = ["Zoë", "zoë", "ZOË", "zoe\u0308", "ＺＯＥ\u0308", "zOë"];

  it("are one account: each of them logs in, and none of them registers again", async () => {
    const server = await startInProcess();
    const zoe = await registered(server, "Zoë");
    for (const [index, spelling] of spellings.entries()) {
      const client = await WireClient.open(server);
      expect(await client.outcome("register.start", { name: spelling })).toBe("name_taken");
      server.clock.advance(30 * SECOND);
      const alias = Object.assign(new Person(spelling), { secret: zoe.secret });
      const { account, name } = await logIn(client, alias, alias.code(server.clock, index === 0 ? 0 : 1));
      expect({ account, name }).toEqual({ account: zoe.account, name: "zoë" });
    }
  });

  it("have one count of wrong guesses", async () => {
    const server = await startInProcess();
    await registered(server, "Zoë");
    const outcomes: string[] = [];
    for (const spelling of spellings) outcomes.push(codeOf(await guess(server, spelling)));
    expect(outcomes).toEqual([...Array(5).fill("login_failed"), "throttled"]);
  });

  it("nobody's name has one count for its spellings too", async () => {
    const server = await startInProcess();
    const outcomes: string[] = [];
    for (const spelling of spellings) outcomes.push(codeOf(await guess(server, spelling)));
    expect(outcomes).toEqual([...Array(5).fill("login_failed"), "throttled"]);
  });

  it.each([" alice", "alice ", "al ice", "alice\u200b", "alice\u00a0", "аlice", "alice\u202e", "a/b", "", "\u0000"])(
    "%j is no name, at registration and at login alike, and the connection goes on",
    async (name) => {
      const server = await startInProcess();
      await registered(server, "alice");
      const client = await WireClient.open(server);
      const expected = name === "" ? "bad_request" : "name_invalid";
      expect(await client.outcome("login.start", { name, A: clientEphemeral().publicHex })).toBe(expected);
      const other = await WireClient.open(server);
      expect(await other.outcome("register.start", { name })).toBe(expected);
      if (name !== "") await register(other, new Person("somebody"), server);
    },
  );
});

describe("attack 50: names that nobody has", () => {
  it("are answered, slowed and told to wait exactly like names that somebody has", async () => {
    const server = await startInProcess();
    await registered(server, "alice");
    const known = await seen(server, "alice");
    const unknown = await seen(server, "nobod");
    expect(unknown).toEqual(known);
    expect(known.map((text) => /"code":"([a-z_]+)"/.exec(text)?.[1])).toEqual([
      ...Array(5).fill("login_failed"),
      ...Array(3).fill("throttled"),
    ]);
    expect(known.at(-1)).toContain('"retry_after":30');
  });

  it("over a restart too: the counts and the waits go on", async () => {
    const store = await newStore();
    const before = await startInProcess(store);
    await registered(before, "alice");
    for (const name of ["alice", "nobod"]) {
      for (let tries = 0; tries < 5; tries++) expect(codeOf(await guess(before, name))).toBe("login_failed");
    }
    await before.close();
    const after = await startInProcess(await reopened(store));
    after.clock.advance(10 * SECOND);
    const answers = [await guess(after, "alice"), await guess(after, "nobod")];
    expect(answers[0]).toMatchObject({ error: { data: { code: "throttled", retry_after: 20 } } });
    expect(answers[1]?.text).toBe(answers[0]?.text);
    after.clock.advance(20 * SECOND);
    expect(await seen(after, "alice")).toEqual(await seen(after, "nobod"));
  });

  it("have challenges of the same fields and lengths, and the same salt each time, also after a restart", async () => {
    const store = await newStore();
    const before = await startInProcess(store);
    await registered(before, "alice");
    const challenge = async (server: TestServer, name: string) => {
      const client = await WireClient.open(server);
      const reply = await client.call("login.start", { name, A: clientEphemeral().publicHex });
      if (reply === undefined) throw new Error("no reply");
      return reply;
    };
    const known = await challenge(before, "alice");
    const unknown = await challenge(before, "nobod");
    const shape = ({ text }: Reply) => text.replace(/[0-9a-f]{64,}/g, (hex) => `hex ${hex.length}`);
    expect(shape(unknown).replace("nobod", "alice")).toBe(shape(known));
    await before.close();
    const after = await startInProcess(await reopened(store));
    for (const [name, first] of [
      ["alice", known],
      ["nobod", unknown],
    ] as const) {
      const again = await challenge(after, name);
      expect(again.result?.["salt"]).toBe(first.result?.["salt"]);
      expect(again.result?.["B"]).not.toBe(first.result?.["B"]);
    }
  });

  it("get the salt before anyone registers that they have after", async () => {
    const server = await startInProcess();
    const client = await WireClient.open(server);
    const salts: unknown[] = [];
    const ask = async () => {
      salts.push((await client.ok("login.start", { name: "carol", A: clientEphemeral().publicHex })).salt);
      await client.call("login.proof", guessedProof());
    };
    await ask();
    await register(client, new Person("carol"), server);
    await ask();
    expect(salts[1]).toBe(salts[0]);
  });

  it("a right password does not differ from a wrong one while a name is blocked", async () => {
    const server = await startInProcess();
    const alice = await registered(server);
    for (let tries = 0; tries < 5; tries++) await guess(server, "alice");
    const blocked = await guess(server, "alice");
    const client = await WireClient.open(server);
    await expect(logIn(client, alice, alice.code(server.clock))).rejects.toThrow("throttled");
    expect(codeOf(blocked)).toBe("throttled");
    // One record a block: guesses that cost nothing must not fill the log.
    expect((await server.audit()).filter(({ reason }) => reason === "throttled")).toHaveLength(1);
    server.clock.advance(MINUTE);
    await logIn(await WireClient.open(server), alice, alice.code(server.clock));
  });

  it("are forgotten a day after the last guess, and not before", async () => {
    const server = await startInProcess();
    for (let tries = 0; tries < 4; tries++) await guess(server, "nobod");
    server.clock.advance(24 * HOUR - SECOND);
    expect(codeOf(await guess(server, "nobod"))).toBe("login_failed");
    expect(codeOf(await guess(server, "nobod"))).toBe("throttled");
    server.clock.advance(24 * HOUR);
    for (let tries = 0; tries < 5; tries++) expect(codeOf(await guess(server, "nobod"))).toBe("login_failed");
  });
});
