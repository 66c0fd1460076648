import { describe, expect, it } from "vitest";
import { findAccount } from "../../packages/server/src/records/account.js";
import { findInvite, inviteKey } from "../../packages/server/src/records/invite.js";
import type { RegistrationMode } from "../../packages/server/src/services/context.js";
import { listInvites, revokeInvite, sweepInvites } from "../../packages/server/src/services/invites.js";
import { DAY, HOUR, newStore, reopened, startInProcess, type TestServer } from "../support/in-process.js";
import { aboutToRegister, inviteSecret, resetSecret } from "../support/operator-tokens.js";
import { codeOf, WireClient } from "../support/wire-client.js";

const invited = (registration: RegistrationMode = "invite") => startInProcess(undefined, { registration });

/** How a registration by an invite begins: `ok`, or the code of its refusal. */
async function beginning(server: TestServer, name: string, invite?: string): Promise<string> {
  const client = await WireClient.open(server);
  const outcome = await client.outcome("register.start", { name, ...(invite !== undefined && { invite }) });
  await client.close();
  return outcome;
}

async function joins(server: TestServer, name: string, invite?: string): Promise<string> {
  return codeOf(await (await aboutToRegister(server, name, invite))());
}

const lastReason = async (server: TestServer) => (await server.audit()).at(-1)?.reason;

describe("promise 2: where registration is by invite", () => {
  it("nobody is told whether a name is taken who has no good invite", async () => {
    const server = await invited();
    const { secret } = await inviteSecret(server, { uses: 2 });
    expect(await joins(server, "alice", secret)).toBe("ok");
    for (const name of ["alice", "nobody"]) {
      expect(await beginning(server, name)).toBe("invite_needed");
      expect(await beginning(server, name, "ab".repeat(16))).toBe("token_invalid");
    }
    expect(await beginning(server, "alice", secret)).toBe("name_taken");
  });

  it("an invite that is wrong, expired, used or withdrawn is answered alike, and told apart in the log alone", async () => {
    const server = await invited();
    const used = await inviteSecret(server);
    expect(await joins(server, "alice", used.secret)).toBe("ok");
    const withdrawn = await inviteSecret(server);
    await revokeInvite(server.context, withdrawn.id);
    const expired = await inviteSecret(server, { lifetime: HOUR });
    server.clock.advance(HOUR);
    const wrong = { secret: "ab".repeat(16) };
    const answers = new Set<string>();
    const reasons: unknown[] = [];
    for (const { secret } of [wrong, expired, used, withdrawn]) {
      const client = await WireClient.open(server);
      answers.add((await client.call("register.start", { name: "bob", invite: secret }))?.text ?? "closed");
      reasons.push(await lastReason(server));
    }
    expect(answers.size).toBe(1);
    expect([...answers][0]).toContain('"token_invalid"');
    expect(reasons).toEqual(["invite_unknown", "invite_expired", "invite_used", "invite_revoked"]);
  });

  it("a reset token is no invite", async () => {
    const server = await invited();
    const { secret } = await inviteSecret(server);
    await joins(server, "alice", secret);
    for (const kind of ["password", "factors"] as const) {
      expect(await beginning(server, "bob", await resetSecret(server, "alice", kind))).toBe("token_invalid");
    }
  });

  it("guesses at invites are counted for their address like every beginning", async () => {
    const server = await startInProcess(undefined, { registration: "invite", limits: { byAddress: true } });
    const client = await WireClient.open(server);
    const guess = () => client.outcome("register.start", { name: "bob", invite: "ab".repeat(16) });
    const outcomes: string[] = [];
    for (let tries = 0; tries < 31; tries++) outcomes.push(await guess());
    expect(outcomes).toEqual([...Array(30).fill("token_invalid"), "rate_limited"]);
  });
});

describe("promise 3: an invite works as often as the operator said", () => {
  it("200 at once, over two servers on one store, make one account", async () => {
    const store = await newStore();
    const servers = [
      await startInProcess(store, { registration: "invite" }),
      await startInProcess(await reopened(store), { registration: "invite" }),
    ];
    const { secret } = await inviteSecret(servers[0] as TestServer);
    const confirm: (() => Promise<unknown>)[] = [];
    for (let made = 0; made < 200; made += 20) {
      const batch = Array.from({ length: 20 }, (_, index) =>
        aboutToRegister(servers[index % 2] as TestServer, `person${made + index}`, secret),
      );
      confirm.push(...(await Promise.all(batch)));
    }
    const replies = (await Promise.all(confirm.map((send) => send()))) as Parameters<typeof codeOf>[0][];
    const outcomes = replies.map(codeOf);
    expect(outcomes.filter((outcome) => outcome === "ok")).toHaveLength(1);
    expect(outcomes.filter((outcome) => outcome === "token_invalid")).toHaveLength(199);
    const done = (await (servers[0] as TestServer).audit()).filter(
      ({ event, outcome }) => event === "register" && outcome === "done",
    );
    expect(done).toHaveLength(1);
  });

  it("an invite for three makes three accounts, each record names it, and a fourth is refused", async () => {
    const server = await invited();
    const { id, secret } = await inviteSecret(server, { uses: 3 });
    for (const name of ["alice", "bob", "carol"]) {
      expect(await joins(server, name, secret)).toBe("ok");
      expect(await lastReason(server)).toBe(id);
    }
    expect(await beginning(server, "dave", secret)).toBe("token_invalid");
    expect(await listInvites(server.context)).toMatchObject([{ id, uses: 3, used: 3 }]);
  });

  it("a registration that is abandoned, or whose first code is wrong, uses up nothing", async () => {
    const server = await invited();
    const { id, secret } = await inviteSecret(server);
    await aboutToRegister(server, "alice", secret);
    const client = await WireClient.open(server);
    await client.ok("register.start", { name: "bob", invite: secret });
    await client.ok("register.verifier", { verifier: "ab".repeat(256) });
    expect(await client.outcome("register.confirm", { code: "000000" })).toBe("code_refused");
    expect(await server.barrier.read((tx) => findInvite(tx, id))).toMatchObject({ used: 0 });
    expect(await joins(server, "carol", secret)).toBe("ok");
  });

  it("one that is withdrawn or expires while a person enrols makes no account", async () => {
    const server = await invited();
    const withdrawn = await inviteSecret(server);
    const expiring = await inviteSecret(server, { lifetime: HOUR });
    const [alice, bob] = [
      await aboutToRegister(server, "alice", withdrawn.secret),
      await aboutToRegister(server, "bob", expiring.secret),
    ];
    await revokeInvite(server.context, withdrawn.id);
    expect(codeOf(await alice())).toBe("token_invalid");
    server.clock.advance(HOUR);
    // The clock has moved on, and with it the app's code.
    expect(codeOf(await bob())).toBe("token_invalid");
    const { barrier } = server;
    for (const name of ["alice", "bob"]) {
      expect(await barrier.read((tx) => findAccount(tx, barrier.nameIndex(name)))).toBeUndefined();
    }
  });

  it("it lives as long as it was given, to the millisecond", async () => {
    const server = await invited();
    const { secret } = await inviteSecret(server, { lifetime: 7 * DAY });
    server.clock.advance(7 * DAY - 1);
    expect(await beginning(server, "alice", secret)).toBe("ok");
    server.clock.advance(1);
    expect(await beginning(server, "alice", secret)).toBe("token_invalid");
  });

  it("its record goes when its time is over, so that no clock revives it", async () => {
    const server = await invited();
    await inviteSecret(server, { lifetime: HOUR });
    const kept = await inviteSecret(server);
    server.clock.advance(HOUR);
    expect(await sweepInvites(server.context)).toBe(1);
    expect((await listInvites(server.context)).map(({ id }) => id)).toEqual([kept.id]);
  });
});

describe("the other ways to register", () => {
  it("closed stays closed, with an invite too, and open needs none", async () => {
    const closed = await invited("closed");
    expect(await beginning(closed, "alice", (await inviteSecret(closed)).secret)).toBe("registration_closed");
    const open = await invited("open");
    expect(await joins(open, "alice")).toBe("ok");
  });

  it("open takes an invite that is good, and none that is not", async () => {
    const server = await invited("open");
    const { id, secret } = await inviteSecret(server);
    expect(await joins(server, "alice", secret)).toBe("ok");
    expect(await server.barrier.read((tx) => findInvite(tx, id))).toMatchObject({ used: 1 });
    expect(await beginning(server, "bob", secret)).toBe("token_invalid");
  });
});

describe("promise 10, 14: what is kept of an invite", () => {
  it("is a hash: neither the token nor its secret is in the store's records or in the log", async () => {
    const server = await invited();
    const { id, secret } = await inviteSecret(server, { note: "for alice" });
    await joins(server, "alice", secret);
    const stored = await server.barrier.read((tx) => tx.get(inviteKey(id)));
    expect(stored?.includes(Buffer.from(secret, "hex"))).toBe(false);
    const told = JSON.stringify([await server.audit(), server.log.entries]);
    expect(told).not.toContain(secret);
    expect(told).not.toContain("ptk_");
    expect(told).not.toContain("for alice");
  });

  it("promise 6: a record that is gone or damaged lets nobody in", async () => {
    const server = await invited();
    const [gone, damaged] = [await inviteSecret(server), await inviteSecret(server)];
    await server.barrier.transact(async (tx) => {
      await tx.delete(inviteKey(gone.id));
      await tx.put(inviteKey(damaged.id), Buffer.from("no record"));
    });
    expect(await beginning(server, "alice", gone.secret)).toBe("token_invalid");
    // The upkeep may have removed it by now.
    expect(["internal", "token_invalid"]).toContain(await beginning(server, "alice", damaged.secret));
    expect(await listInvites(server.context)).toEqual([]);
  });
});
