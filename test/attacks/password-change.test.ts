import type { DeviceId } from "@postern/shared/ids";
import { describe, expect, it } from "vitest";
import { findAccount } from "../../packages/server/src/records/account.js";
import { devicesOf } from "../../packages/server/src/records/device.js";
import { idBytes, prefixes, wholeRange } from "../../packages/server/src/records/keys.js";
import { sessionsOf } from "../../packages/server/src/records/session.js";
import { entered } from "../support/entered.js";
import { HOUR, MINUTE, newStore, reopened, startInProcess, type TestServer } from "../support/in-process.js";
import {
  awaitingCode,
  becomeKnown,
  failPasswords,
  logIn,
  type Person,
  proofOf,
  provePassword,
  registered,
  renewPassword,
  sessionOf,
  startLogin,
  stretchedVerifier,
  tryCode,
  tryPassword,
} from "../support/person.js";
import { codeOf, WireClient } from "../support/wire-client.js";

type AccountId = `acc_${string}`;

const accountOf = ({ barrier }: TestServer, { name }: Person) =>
  barrier.read((tx) => findAccount(tx, barrier.nameIndex(name)));

const renewedAlice = (alice: Person) => alice.renewed("a password that nobody knows");

describe("attack 32: a password that is changed", () => {
  it("ends every other session at once, on open connections of every process; this one stays", async () => {
    const store = await newStore();
    const home = await entered({ at: await startInProcess(store) });
    const { server, alice, device } = home;
    const second = await startInProcess(await reopened(store));
    const there = await WireClient.open(second);
    await there.resume(home.secret);
    await there.ok("session.whoami", {});
    const here = await WireClient.open(server);
    const to = renewedAlice(alice);
    const reply = await renewPassword(here, alice, { to, code: alice.code(server.clock), device });
    expect(codeOf(reply)).toBe("ok");
    expect(await there.outcome("session.token", {})).toBe("session_invalid");
    expect(await home.client.outcome("session.whoami", {})).toBe("session_invalid");
    expect(await there.resumed(home.secret)).toBe("session_invalid");
    await here.ok("session.whoami", {});
    const told = (await server.audit()).slice(-2).map(({ event, outcome }) => [event, outcome]);
    expect(told).toEqual([
      ["password.change", "done"],
      ["login", "granted"],
    ]);
  });

  it("makes every other device a stranger, and keeps this one known under the new password", async () => {
    const { server, alice, device } = await entered();
    const other = await becomeKnown(server, alice, alice.code(server.clock));
    server.clock.advance(MINUTE);
    const to = renewedAlice(alice);
    const client = await WireClient.open(server);
    await renewPassword(client, alice, { to, code: alice.code(server.clock), device });
    const { devices } = await client.ok("device.list", {});
    expect(devices).toMatchObject([{ device: device.device, current: true }]);
    await failPasswords(server, "alice", 5);
    expect(await tryPassword(server, to, other)).toBe("throttled");
    expect(await tryPassword(server, to, device)).toBe("ok");
  });

  it("changes nothing of the second factor: the same authenticator, the same recovery codes, no step given back", async () => {
    const { server, alice, device } = await entered();
    const before = await accountOf(server, alice);
    const code = alice.code(server.clock);
    const to = renewedAlice(alice);
    await renewPassword(await WireClient.open(server), alice, { to, code, device });
    const after = await accountOf(server, alice);
    expect(after?.recovery).toEqual(before?.recovery);
    expect(after?.factors[0]?.secret).toEqual(before?.factors[0]?.secret);
    expect(after?.passwordVersion).toBe((before?.passwordVersion ?? 0) + 1);
    expect(await tryPassword(server, alice, device)).toBe("login_failed");
    expect(await tryCode(server, to, code, device)).toBe("code_refused");
    expect(await tryCode(server, to, alice.recoveryCodes[0] ?? "", device)).toBe("ok");
    expect(await tryCode(server, to, to.code(server.clock, 1), device)).toBe("ok");
  });

  it("with a wrong code stays as it was, sessions and devices with it", async () => {
    const { server, alice, client, device } = await entered();
    const before = await accountOf(server, alice);
    const changing = await WireClient.open(server);
    const to = renewedAlice(alice);
    const reply = await renewPassword(changing, alice, { to, code: alice.wrongCode(server.clock), device });
    expect(codeOf(reply)).toBe("code_refused");
    expect(await accountOf(server, alice)).toEqual(before);
    await client.ok("session.whoami", {});
    expect(await tryPassword(server, to)).toBe("login_failed");
    expect(await tryCode(server, alice, alice.code(server.clock), device)).toBe("ok");
  });

  it("is not mixed with logins that were under way: what the old one proved is worth nothing", async () => {
    const { server, alice, device } = await entered();
    const [proved] = await awaitingCode(server, alice, 1);
    const begun = await WireClient.open(server);
    const challenge = await startLogin(begun, "alice");
    const to = renewedAlice(alice);
    const client = await WireClient.open(server);
    await renewPassword(client, alice, { to, code: alice.code(server.clock), device });
    const code = alice.code(server.clock, 1);
    expect(await proved?.outcome("login.code", { code })).toBe("login_failed");
    const session = await sessionOf(challenge, alice);
    expect(await begun.outcome("login.proof", proofOf(session, begun.exporter))).toBe("login_failed");
    const reasons = (await server.audit()).slice(-2).map(({ reason }) => reason);
    expect(reasons).toEqual(["account_changed", "account_changed"]);
    expect(await tryCode(server, to, code)).toBe("ok");
  });

  it("and a login at once: whichever comes first, no session of the old password lives on", async () => {
    const server = await startInProcess();
    for (let round = 0; round < 6; round++) {
      const alice = await registered(server, `alice${round}`);
      const [login, change] = await awaitingCode(server, alice, 2);
      const challenge = await startLogin(await WireClient.open(server), alice.name);
      const new_verifier = await stretchedVerifier(challenge, renewedAlice(alice));
      const give = () => login?.call("login.code", { code: alice.code(server.clock) });
      const renew = () => change?.call("password.change", { code: alice.code(server.clock, 1), new_verifier });
      const sent = round % 2 === 0 ? [renew(), give()] : [give(), renew()].reverse();
      const outcomes = (await Promise.all(sent)).map(codeOf);
      expect(outcomes[0]).toBe("ok");
      const sessions = await server.barrier.read((tx) => sessionsOf(tx, alice.account as AccountId));
      expect(sessions).toHaveLength(1);
      expect(await login?.outcome("session.whoami", {})).not.toBe("ok");
    }
  });

  it("two at once, with a code each: one is done, the other has lost its password meanwhile", async () => {
    const { server, alice } = await entered();
    const clients = await awaitingCode(server, alice, 2);
    const challenge = await startLogin(await WireClient.open(server), "alice");
    const people = [alice.renewed("the first of the two"), alice.renewed("the second of the two")];
    const outcomes = await Promise.all(
      clients.map(async (client, index) => {
        const new_verifier = await stretchedVerifier(challenge, people[index] as Person);
        return client.outcome("password.change", { code: alice.code(server.clock, index), new_verifier });
      }),
    );
    expect([...outcomes].sort()).toEqual(["login_failed", "ok"]);
    const won = people[outcomes.indexOf("ok")] as Person;
    const lost = people[outcomes.indexOf("login_failed")] as Person;
    expect([await tryPassword(server, won), await tryPassword(server, lost)]).toEqual(["ok", "login_failed"]);
  });

  it.each([
    ["zero", 1, "0".repeat(512)],
    ["one", 1, "1".padStart(512, "0")],
    ["above the group", 1, "f".repeat(512)],
  ])("to a verifier that is %s is refused", async (_name, generation, verifier) => {
    await expectUnfit({ generation, verifier });
  });

  it.each([0, -1, 2, 7, 2 ** 31])(
    "to a verifier of generation %i, which the server does not ask for, is refused",
    async (generation) => {
      await expectUnfit({ generation, verifier: "2".padStart(512, "7") });
    },
  );

  /** The code is not looked at, and whoever leaves then has shown the right password: that is in the log. */
  async function expectUnfit(new_verifier: { generation: number; verifier: string }): Promise<void> {
    const { server, alice } = await entered();
    const before = await accountOf(server, alice);
    const client = await WireClient.open(server);
    await provePassword(client, alice);
    const code = alice.code(server.clock);
    expect(await client.outcome("password.change", { code, new_verifier })).toBe("verifier_invalid");
    expect(await accountOf(server, alice)).toEqual(before);
    await client.close();
    await server.close();
    const told = (await server.audit()).filter(({ reason }) => reason === "no_code");
    expect(told).toMatchObject([{ event: "login.code", outcome: "refused", account: alice.account }]);
  }

  it("a right password with a verifier that is none at login leaves a record too, and the code is still good", async () => {
    const { server, alice } = await entered();
    const code = alice.code(server.clock);
    const client = await WireClient.open(server);
    await provePassword(client, alice);
    const restretched = { generation: 2, verifier: "0".repeat(512) };
    expect(await client.outcome("login.code", { code, restretched })).toBe("verifier_invalid");
    expect(await client.outcome("login.code", { code })).toBe("ok");
    const other = await WireClient.open(server);
    await provePassword(other, alice);
    await other.outcome("login.code", { code, restretched });
    await other.close();
    await server.close();
    expect((await server.audit()).map(({ reason }) => reason)).toContain("no_code");
  });
});

describe("a stolen session", () => {
  it("neither changes the password nor deletes the account: that takes a code, however fresh it is", async () => {
    const { server, alice, secret } = await entered();
    const thief = await WireClient.open(server);
    await thief.resume(secret);
    const code = alice.wrongCode(server.clock);
    expect(await thief.outcome("account.delete", { code })).toBe("code_refused");
    const new_verifier = { generation: 1, verifier: "2".padStart(512, "7") };
    expect(await thief.outcome("password.change", { code, new_verifier })).toBe("out_of_order");
    expect(await accountOf(server, alice)).toBeDefined();
  });
});

describe("an account that is deleted", () => {
  it("leaves no record of it but in the log; others keep theirs", async () => {
    const { server, alice, client } = await entered();
    await becomeKnown(server, alice, alice.code(server.clock));
    const bob = await registered(server, "bob");
    await logIn(await WireClient.open(server), bob, bob.code(server.clock));
    await failPasswords(server, "alice", 1);
    await client.ok("account.delete", { code: alice.code(server.clock, 1) });
    expect(await client.outcome("session.whoami", {})).toBe("out_of_order");
    const id = alice.account as AccountId;
    const left = await server.barrier.read((tx) => tx.scan(wholeRange));
    const log: readonly number[] = [
      prefixes.auditHead,
      prefixes.auditEntry,
      prefixes.auditFields,
      prefixes.auditErasure,
    ];
    const rest = left.filter(({ key }) => !log.includes(key.readUInt8(0)));
    for (const { key, value } of rest) {
      const both = Buffer.concat([key, value]);
      expect(both.includes(idBytes(id)) || both.includes(id), key.toString("hex")).toBe(false);
      expect(value.includes("alice")).toBe(false);
    }
    const told = (await server.audit()).find(({ event }) => event === "account.delete");
    expect(told).toMatchObject({ outcome: "done", account: id });
    expect(await server.verifyAudit()).toMatchObject({ ok: true });
    expect(await tryCode(server, bob, bob.code(server.clock, 1))).toBe("ok");
  });

  it("frees its name for somebody else, for whom its sessions, devices and logins are worth nothing", async () => {
    const { server, alice, client, secret, device } = await entered();
    const [proved] = await awaitingCode(server, alice, 1);
    const begun = await WireClient.open(server);
    const challenge = await startLogin(begun, "alice", device);
    await client.ok("account.delete", { code: alice.code(server.clock) });
    expect(await tryPassword(server, alice, device)).toBe("login_failed");

    const other = await registered(server, "alice");
    expect(other.account).not.toBe(alice.account);
    const anew = await WireClient.open(server);
    expect(await anew.resumed(secret)).toBe("session_invalid");
    expect(await proved?.outcome("login.code", { code: other.code(server.clock) })).toBe("login_failed");
    const session = await sessionOf(challenge, alice);
    expect(await begun.outcome("login.proof", proofOf(session, begun.exporter))).toBe("login_failed");
    await failPasswords(server, "alice", 5);
    expect(await tryPassword(server, other, device)).toBe("throttled");
    server.clock.advance(HOUR);
    const mine = await WireClient.open(server);
    await logIn(mine, other, other.code(server.clock));
    expect(await mine.outcome("device.forget", { device: device.device as DeviceId })).toBe("id_unknown");
    expect((await mine.ok("session.list", {})).sessions).toHaveLength(1);
    expect(await server.barrier.read((tx) => devicesOf(tx, alice.account as AccountId))).toEqual([]);
  });

  it("deleted over two connections at once with two codes is deleted once", async () => {
    const { server, alice, client, secret } = await entered();
    const other = await WireClient.open(server);
    await other.resume(secret);
    const outcomes = await Promise.all(
      [client, other].map((each, index) => each.outcome("account.delete", { code: alice.code(server.clock, index) })),
    );
    expect(outcomes.sort()).toEqual(["ok", "session_invalid"]);
    expect((await server.audit()).filter(({ event }) => event === "account.delete")).toHaveLength(1);
  });
});
