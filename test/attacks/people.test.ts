import { randomBytes } from "node:crypto";
import type { AccountId } from "@postern/shared/ids";
import { describe, expect, it } from "vitest";
import { findAccount, putAccount } from "../../packages/server/src/records/account.js";
import { recordKey } from "../../packages/server/src/records/keys.js";
import {
  endAllSessions,
  endAnySession,
  endSessionsOf,
  liveSessions,
} from "../../packages/server/src/services/all-sessions.js";
import type { AuditContext } from "../../packages/server/src/services/context.js";
import { listPeople, type PeopleFilter, readPerson } from "../../packages/server/src/services/people.js";
import {
  deletePerson,
  disablePerson,
  enablePerson,
  unlockPerson,
} from "../../packages/server/src/services/people-care.js";
import { readSettings } from "../../packages/server/src/services/store.js";
import { entered } from "../support/entered.js";
import { DAY, newStore, reopened, startInProcess, type TestStore } from "../support/in-process.js";
import {
  becomeKnown,
  failCodes,
  failPasswords,
  guessPassword,
  lockCodes,
  logIn,
  provePassword,
  registered,
  renewPassword,
  startLogin,
  tryCode,
  tryPassword,
} from "../support/person.js";
import { codeOf, WireClient } from "../support/wire-client.js";

/** What `posternd user …` works with: the store that a server has open, opened once more. */
async function operatorOf(store: TestStore): Promise<AuditContext> {
  const { barrier, clock } = await reopened(store);
  const { node } = await readSettings(barrier);
  return { barrier, node, now: clock.now, random: randomBytes };
}

const who = (name: string) => ({ name });

describe("attack 34: a person who is disabled", () => {
  it("is out at once, on open connections of every server, and every login under way ends in nothing", async () => {
    const store = await newStore();
    const { server, alice, client, secret, device } = await entered({ at: await startInProcess(store) });
    const second = await startInProcess(await reopened(store));
    const there = await WireClient.open(second);
    await there.resume(secret);
    const halfway = await WireClient.open(second);
    await provePassword(halfway, alice);
    const operator = await operatorOf(store);
    expect(await disablePerson(operator, who("alice"))).toMatchObject({ changed: true, ended: 1 });
    expect(await client.outcome("session.whoami", {})).toBe("session_invalid");
    expect(await there.outcome("session.token", {})).toBe("session_invalid");
    expect(await halfway.outcome("login.code", { code: alice.code(server.clock) })).toBe("account_disabled");
    const again = await WireClient.open(server);
    expect(await again.resumed(secret)).toBe("session_invalid");
    await provePassword(again, alice, device);
    expect(await again.outcome("login.code", { code: alice.code(server.clock, 1) })).toBe("account_disabled");
    const sessions: unknown[] = [];
    for await (const session of liveSessions(store.barrier, server.clock.now())) sessions.push(session);
    expect(sessions).toEqual([]);
  });

  it("gets no new password in by the old one, and a recovery code opens nothing", async () => {
    const { server, alice } = await entered();
    await disablePerson(await operatorOf(server), who("alice"));
    const client = await WireClient.open(server);
    const to = alice.renewed("a password that nobody knows");
    const renewed = await renewPassword(client, alice, { to, code: alice.code(server.clock) });
    expect(codeOf(renewed)).toBe("account_disabled");
    expect(await tryPassword(server, to)).toBe("login_failed");
    expect(await tryCode(server, alice, alice.recoveryCodes[0] ?? "")).toBe("account_disabled");
  });

  it("has no use of a session that is there all the same, on any path", async () => {
    const { server, alice, client, secret } = await entered();
    const { barrier, clock } = server;
    // As if disabling had left the session: the store of a backup, put together from parts.
    await barrier.transact(async (tx) => {
      const nameIndex = barrier.nameIndex("alice");
      const account = await findAccount(tx, nameIndex);
      if (account !== undefined) await putAccount(tx, nameIndex, { ...account, disabledAt: clock.now() });
    });
    expect(await client.outcome("session.token", {})).toBe("session_invalid");
    for (const [method, params] of [
      ["session.verify", { code: alice.code(clock, 1) }],
      ["account.delete", { code: alice.code(clock, 1) }],
      ["session.list", {}],
      ["factor.list", {}],
    ] as const) {
      const other = await WireClient.open(server);
      expect(await other.resumed(secret)).toBe("session_invalid");
      expect(await other.outcome(method, params)).toBe("out_of_order");
    }
    expect(await namesOf(server, { disabled: true })).toEqual(["alice"]);
  });

  it("shows to nobody who has not proved both factors: answers, waits and refusals are as ever", async () => {
    const server = await startInProcess();
    const alice = await registered(server, "alice");
    const bob = await registered(server, "bob");
    await disablePerson(await operatorOf(server), who("alice"));
    const told = async (person: typeof alice) => {
      const said: (string | undefined)[] = [];
      const client = await WireClient.open(server);
      const challenge = await startLogin(client, person.name);
      said.push(Object.keys(challenge).sort().join());
      await client.close();
      const proving = await WireClient.open(server);
      const { factors } = await provePassword(proving, person);
      said.push(factors.join(), await proving.outcome("login.code", { code: person.wrongCode(server.clock) }));
      await proving.close();
      for (let guess = 0; guess < 6; guess++) {
        const guessing = await WireClient.open(server);
        said.push(codeOf(await guessPassword(guessing, person.name)));
        await guessing.close();
      }
      return said;
    };
    expect(await told(alice)).toEqual(await told(bob));
  });

  it("is recorded: by whom it was closed, and who came with both factors all the same", async () => {
    const { server, alice } = await entered();
    const operator = await operatorOf(server);
    await disablePerson(operator, who("alice"));
    expect(await disablePerson(operator, who("alice"))).toMatchObject({ changed: false, ended: 0 });
    expect(await tryCode(server, alice, alice.code(server.clock))).toBe("account_disabled");
    expect(await tryCode(server, alice, alice.code(server.clock))).toBe("code_refused");
    await enablePerson(operator, who("alice"));
    expect(await enablePerson(operator, who("alice"))).toMatchObject({ changed: false });
    expect(await tryCode(server, alice, alice.code(server.clock, 1))).toBe("ok");
    const rows = (await server.audit()).filter(({ account }) => account === alice.account).slice(-5);
    expect(rows.map(({ event, outcome, reason }) => [event, outcome, reason])).toEqual([
      ["user.disable", "done", undefined],
      ["login.code", "refused", "disabled"],
      ["login.code", "refused", "replayed_code"],
      ["user.enable", "done", undefined],
      ["login", "granted", "totp new_device"],
    ]);
    expect(await server.verifyAudit()).toMatchObject({ ok: true });
  });
});

describe("attack 55: an operator who unlocks somebody", () => {
  it("opens what strangers and known devices had closed, passwords and codes, and says which", async () => {
    const { server, alice, device } = await entered();
    const operator = await operatorOf(server);
    expect(await unlockPerson(operator, who("alice"))).toMatchObject({ changed: false });
    await failPasswords(server, "alice", 5);
    await failCodes(server, alice, 5, device);
    expect(await tryPassword(server, alice)).toBe("throttled");
    expect(await tryCode(server, alice, alice.code(server.clock), device)).toBe("throttled");
    const { account, passwordBudget, devices } = await readPerson(server.barrier, who("alice"), server.clock.now());
    expect([passwordBudget.failures, devices[0]?.codeBudget.failures, account.codeBudget.failures]).toEqual([5, 5, 0]);
    const unlocked = await unlockPerson(operator, { account: account.id });
    expect(unlocked).toMatchObject({ changed: true, passwords: true, codes: false, devices: 1 });
    expect(await tryCode(server, alice, alice.code(server.clock), device)).toBe("ok");
    expect(await tryPassword(server, alice)).toBe("ok");
  });

  it("takes codes again after a hundred wrong ones", async () => {
    const server = await startInProcess();
    const alice = await registered(server);
    await lockCodes(server, alice);
    expect(await tryCode(server, alice, alice.code(server.clock))).toBe("codes_locked");
    const locked = await namesOf(server, { locked: true });
    await unlockPerson(await operatorOf(server), who("alice"));
    expect(await tryCode(server, alice, alice.code(server.clock))).toBe("ok");
    expect([locked, await namesOf(server, { locked: true })]).toEqual([["alice"], []]);
  });
});

async function namesOf({ barrier, clock }: TestStore, filter: PeopleFilter): Promise<string[]> {
  const { people } = await listPeople(barrier, filter, { limit: 100 }, clock.now());
  return people.map(({ name }) => name);
}

describe("a person whom an operator deletes", () => {
  it("is unknown from then on, and gone from the log, which holds", async () => {
    const { server, alice, client, secret } = await entered();
    const before = await startLogin(await WireClient.open(server), "alice");
    await deletePerson(await operatorOf(server), who("alice"));
    expect(await client.outcome("session.whoami", {})).toBe("session_invalid");
    expect(await (await WireClient.open(server)).resumed(secret)).toBe("session_invalid");
    const after = await startLogin(await WireClient.open(server), "alice");
    expect(after.salt).toBe(before.salt);
    expect(await tryPassword(server, alice)).toBe("login_failed");
    const rows = await server.audit();
    expect(rows.filter(({ account }) => account === alice.account).at(-2)).toMatchObject({ event: "user.delete" });
    expect(JSON.stringify(rows)).not.toContain("alice");
    expect(await server.verifyAudit()).toMatchObject({ ok: true });
    await expect(deletePerson(await operatorOf(server), who("alice"))).rejects.toMatchObject({ code: "user_unknown" });
    expect((await registered(server)).account).not.toBe(alice.account);
  });
});

describe("what an operator sees of people", () => {
  it("is everybody who passes the filter, and no one else", async () => {
    const server = await startInProcess();
    const { clock } = server;
    for (const name of ["alice", "bob.smith", "zoë"]) await registered(server, name);
    clock.advance(100 * DAY);
    const dora = await registered(server, "dora");
    await becomeKnown(server, dora, dora.code(clock));
    await disablePerson(await operatorOf(server), who("zoë"));
    expect(await namesOf(server, {})).toEqual(["alice", "bob.smith", "dora", "zoë"]);
    expect(await namesOf(server, { match: "*.s*" })).toEqual(["bob.smith"]);
    expect(await namesOf(server, { match: "b*b" })).toEqual([]);
    expect(await namesOf(server, { disabled: true })).toEqual(["zoë"]);
    expect(await namesOf(server, { inactiveSince: clock.now() - DAY })).toEqual(["alice", "bob.smith", "zoë"]);
    const { account } = await readPerson(server.barrier, who("dora"), clock.now());
    expect(account.lastLoginAt).toBe(clock.now());
  });

  it("has no login of somebody disabled, though both factors were right", async () => {
    const { server, alice } = await entered();
    const { clock } = server;
    const lastLogin = async () => (await readPerson(server.barrier, who("alice"), clock.now())).account.lastLoginAt;
    const before = await lastLogin();
    expect(before).toBeDefined();
    await disablePerson(await operatorOf(server), who("alice"));
    expect(await tryCode(server, alice, alice.code(clock))).toBe("account_disabled");
    expect(await lastLogin()).toBe(before);
  });
});

describe("a long list of people", () => {
  it("is gone through by name, a part at a time, each of them once", async () => {
    const server = await startInProcess();
    const names = ["anna", "bert", "carla", "dirk", "emil"];
    for (const name of names.toReversed()) await registered(server, name);
    const seen: string[] = [];
    for (let after: string | undefined, more = true; more; after = seen.at(-1)) {
      const page = await listPeople(server.barrier, {}, { limit: 2, after }, server.clock.now());
      seen.push(...page.people.map(({ name }) => name));
      more = page.more;
    }
    expect(seen).toEqual(names);
  });

  it("is not cut short by damaged accounts, which are counted", async () => {
    const server = await startInProcess();
    await registered(server, "alice");
    await server.barrier.transact((tx) => tx.put(recordKey("account", Buffer.alloc(32)), Buffer.from("junk")));
    const unsealed = Buffer.concat([Buffer.of(1), recordKey("account", Buffer.alloc(32, 1))]);
    await server.storage.transact((tx) => tx.put(unsealed, Buffer.from("no envelope")));
    const { people, damaged } = await listPeople(server.barrier, {}, { limit: 9 }, server.clock.now());
    expect([people.map(({ name }) => name), damaged]).toEqual([["alice"], 2]);
  });

  it("tells whom strangers keep waiting, by passwords too", async () => {
    const server = await startInProcess();
    for (const name of ["alice", "bob"]) await registered(server, name);
    await failPasswords(server, "bob", 5);
    expect(await namesOf(server, { locked: true })).toEqual(["bob"]);
    server.clock.advance(DAY);
    expect(await namesOf(server, { locked: true })).toEqual([]);
    expect((await readPerson(server.barrier, who("bob"), server.clock.now())).passwordBudget.failures).toBe(0);
  });
});

describe("an account's id", () => {
  it("finds its person, and nobody who has the name since", async () => {
    const server = await startInProcess();
    const alice = await registered(server);
    const operator = await operatorOf(server);
    const account = alice.account as AccountId;
    expect((await readPerson(server.barrier, { account }, server.clock.now())).account.identity).toBe("alice");
    await deletePerson(operator, { account });
    await registered(server);
    await expect(disablePerson(operator, { account })).rejects.toMatchObject({ code: "user_unknown" });
    await expect(deletePerson(operator, { name: "alice", account })).rejects.toMatchObject({ code: "user_unknown" });
    expect(await namesOf(server, {})).toEqual(["alice"]);
  });
});

describe("sessions that an operator ends", () => {
  it("are one, a person's, or everybody's, at once and recorded", async () => {
    const server = await startInProcess();
    const { clock } = server;
    const clients: WireClient[] = [];
    for (const name of ["alice", "bob", "carol"]) {
      const person = await registered(server, name);
      const client = await WireClient.open(server);
      await logIn(client, person, person.code(clock));
      clients.push(client);
    }
    const operator = await operatorOf(server);
    const live = async () => {
      const names: string[] = [];
      for await (const { identity } of liveSessions(server.barrier, clock.now())) names.push(identity);
      return names.sort();
    };
    expect(await live()).toEqual(["alice", "bob", "carol"]);
    for await (const session of liveSessions(server.barrier, clock.now())) {
      if (session.identity === "alice") await endAnySession(operator, session);
    }
    expect(await live()).toEqual(["bob", "carol"]);
    expect(await endSessionsOf(operator, who("bob"))).toBe(1);
    expect(await endSessionsOf(operator, who("bob"))).toBe(0);
    expect(await endAllSessions(operator)).toBe(1);
    expect(await live()).toEqual([]);
    for (const client of clients) expect(await client.outcome("session.whoami", {})).toBe("session_invalid");
    const rows = (await server.audit()).filter(({ event }) => event === "session.revoke");
    expect(rows.map(({ reason, personal }) => [reason, personal.name])).toEqual([
      ["operator", "alice"],
      ["operator all", "bob"],
      ["operator", "carol"],
    ]);
  });
});
