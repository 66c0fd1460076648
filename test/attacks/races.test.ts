import { randomBytes } from "node:crypto";
import { clientEphemeral } from "@postern/shared/srp/client";
import { describe, expect, it } from "vitest";
import { sessionsOf } from "../../packages/server/src/records/session.js";
import { stranger } from "../../packages/server/src/services/guesser.js";
import { beginLogin, type LoginChallenge, nameLogin, provePassword } from "../../packages/server/src/services/login.js";
import { startInProcess, type TestServer } from "../support/in-process.js";
import { awaitingCode, type Person, proofOf, registered, sessionOf } from "../support/person.js";
import { codeOf } from "../support/wire-client.js";

const peer = { address: "203.0.113.7", client: "test" };

function counted(outcomes: readonly string[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const outcome of outcomes) counts[outcome] = (counts[outcome] ?? 0) + 1;
  return counts;
}

async function sessionCount({ barrier }: TestServer, { account }: Person): Promise<number> {
  return (await barrier.read((tx) => sessionsOf(tx, account as `acc_${string}`))).length;
}

describe("attack 20: 200 parallel uses of one code", () => {
  it("over as many connections, give exactly one session", async () => {
    const server = await startInProcess();
    const alice = await registered(server);
    const clients = await awaitingCode(server, alice, 200);
    const code = alice.code(server.clock);
    const replies = await Promise.all(clients.map((client) => client.call("login.code", { code })));
    const { ok, ...refused } = counted(replies.map(codeOf));
    expect(ok).toBe(1);
    expect(Object.keys(refused).sort()).toEqual(["code_refused", "throttled"]);
    expect(refused["code_refused"]).toBe(5);
    expect(await sessionCount(server, alice)).toBe(1);
    expect((await server.audit()).filter(({ event }) => event === "login")).toHaveLength(1);
    expect(await server.verifyAudit()).toMatchObject({ ok: true });
  });

  it("attack 21: the codes of T-1, T and T+1 at once never go backwards", async () => {
    const server = await startInProcess();
    const alice = await registered(server);
    server.clock.advance(120_000);
    const clients = await awaitingCode(server, alice, 30);
    const replies = await Promise.all(
      clients.map((client, index) => client.call("login.code", { code: alice.code(server.clock, (index % 3) - 1) })),
    );
    const granted = replies.filter((reply) => codeOf(reply) === "ok").length;
    expect(granted).toBeGreaterThanOrEqual(1);
    expect(granted).toBeLessThanOrEqual(3);
    expect(await sessionCount(server, alice)).toBe(granted);
  });
});

describe("attack 29: 100 parallel uses of one recovery code", () => {
  it("give exactly one session", async () => {
    const server = await startInProcess();
    const alice = await registered(server);
    const clients = await awaitingCode(server, alice, 100);
    const [code = ""] = alice.recoveryCodes;
    const replies = await Promise.all(clients.map((client) => client.call("login.code", { code })));
    expect(counted(replies.map(codeOf))["ok"]).toBe(1);
    expect(await sessionCount(server, alice)).toBe(1);
    expect(replies.find(({ result } = { text: "", id: null }) => result !== undefined)?.result).toMatchObject({
      recovery_codes_left: 9,
    });
  });
});

describe("attack 28a: a thousand parallel password guesses", () => {
  // One after another, two more guesses get a verdict behind three wrong ones, and five behind a right one.
  it.each([
    ["the last of which is right", 996, { login_failed: 2, throttled: 995 }],
    ["the first of which is right", 0, { granted: 1, login_failed: 5, throttled: 991 }],
  ] as const)(
    "%s: at a nearly blocked budget they get no more verdicts than one after another",
    async (_n, at, want) => {
      const server = await startInProcess();
      const alice = await registered(server);
      for (let tries = 0; tries < 3; tries++) expect(await (await guess(server, alice, false))()).toBe("login_failed");
      const guesses = await Promise.all(Array.from({ length: 997 }, (_, index) => guess(server, alice, index === at)));
      expect(counted(await Promise.all(guesses.map((run) => run())))).toEqual(want);
    },
  );

  const strangersA = clientEphemeral();

  /** A challenge whose proof is ready to be judged, as a connection holds it. */
  async function guess({ context }: TestServer, alice: Person, right: boolean): Promise<() => Promise<string>> {
    const ephemeral = right ? clientEphemeral() : strangersA;
    const challenge = await beginLogin(context, nameLogin(context, alice.name, ephemeral.publicHex), stranger);
    const exporter = randomBytes(32);
    const proof = right ? await rightProof(challenge, alice, ephemeral, exporter) : wrongProof();
    return () =>
      provePassword(context, peer, challenge, { ...proof, exporter }).then(
        () => "granted",
        (error: { code: string }) => error.code,
      );
  }

  function wrongProof() {
    return { proofHex: randomBytes(32).toString("hex"), mac: randomBytes(32) };
  }

  async function rightProof(
    { identity, salt, stretch, ephemeral: { publicHex: B } }: LoginChallenge,
    alice: Person,
    ephemeral: ReturnType<typeof clientEphemeral>,
    exporter: Buffer,
  ) {
    const session = await sessionOf({ identity, salt: salt.toString("hex"), stretch, B, ephemeral }, alice);
    const { M1, mac } = proofOf(session, exporter);
    return { proofHex: M1, mac: Buffer.from(mac, "hex") };
  }
});

describe("attack 28a: parallel guesses at a code", () => {
  it("of a nearly blocked budget give one verdict, and the right code among them changes nothing", async () => {
    const server = await startInProcess();
    const alice = await registered(server);
    const clients = await awaitingCode(server, alice, 100);
    const [first] = clients;
    const wrong = { code: alice.wrongCode(server.clock) };
    for (let tries = 0; tries < 4; tries++) expect(codeOf(await first?.call("login.code", wrong))).toBe("code_refused");
    const codes = clients.map((_client, index) => (index === 99 ? alice.code(server.clock) : wrong.code));
    const calls = clients.map((client, index) => client.call("login.code", { code: codes[index] }));
    const replies = await Promise.all(calls);
    const counts = counted(replies.map(codeOf));
    expect((counts["code_refused"] ?? 0) + (counts["ok"] ?? 0)).toBeLessThanOrEqual(counts["ok"] === 1 ? 6 : 1);
    expect(counts["throttled"]).toBeGreaterThanOrEqual(94);
  });
});
