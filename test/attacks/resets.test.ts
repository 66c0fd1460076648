import { randomBytes } from "node:crypto";
import { describe, expect, it } from "vitest";
import { findAccount } from "../../packages/server/src/records/account.js";
import { devicesOf } from "../../packages/server/src/records/device.js";
import {
  findResetToken,
  type ResetKind,
  resetOwner,
  resetTokenKey,
} from "../../packages/server/src/records/reset-token.js";
import { sessionsOf } from "../../packages/server/src/records/session.js";
import { disablePerson, enablePerson } from "../../packages/server/src/services/people-care.js";
import { issueResetToken, sweepResetTokens } from "../../packages/server/src/services/reset-tokens.js";
import { entered } from "../support/entered.js";
import { DAY, HOUR, MINUTE, newStore, reopened, startInProcess, type TestServer } from "../support/in-process.js";
import {
  aboutToResetFactors,
  aboutToResetPassword,
  inviteSecret,
  resetProof,
  resetSecret,
} from "../support/operator-tokens.js";
import {
  failCodes,
  lockCodes,
  type Person,
  provePassword,
  registered,
  renewPassword,
  tryCode,
  tryPassword,
} from "../support/person.js";
import { codeOf, type Reply, WireClient } from "../support/wire-client.js";

type AccountId = `acc_${string}`;

const NEW_PASSWORD = "another fine long phrase";
const wrong = () => randomBytes(16).toString("hex");

const accountOf = ({ barrier }: TestServer, { name }: Person) =>
  barrier.read((tx) => findAccount(tx, barrier.nameIndex(name)));

const tokenOf = ({ barrier }: TestServer, { account }: Person, kind: ResetKind) =>
  barrier.read((tx) => findResetToken(tx, resetOwner(account as AccountId), kind));

/** How a reset of the password is begun: `ok`, or the code of its refusal. */
async function beginning(server: TestServer, name: string, token: string): Promise<string> {
  const client = await WireClient.open(server);
  return client.outcome("reset.start", resetProof(client, name, token));
}

/** How a token is taken behind the password. */
async function offering(server: TestServer, person: Person, token: string): Promise<string> {
  const client = await WireClient.open(server);
  await provePassword(client, person);
  return client.outcome("reset.factors", { token });
}

const told = async (server: TestServer, count: number) =>
  (await server.audit()).slice(-count).map(({ event, outcome, reason }) => [event, outcome, reason]);

describe("attack 32: a password that is reset by an operator's token", () => {
  it("takes a code too: the second factor stays, sessions and devices end, and nobody is logged in", async () => {
    const { server, alice, client, secret } = await entered();
    const before = await accountOf(server, alice);
    const to = alice.renewed(NEW_PASSWORD);
    const give = await aboutToResetPassword(server, to, await resetSecret(server, "alice", "password"));
    const reply = await give(alice.code(server.clock));
    expect(reply?.result).toEqual({ account: alice.account, name: "alice" });
    const after = await accountOf(server, alice);
    expect(after?.factors[0]?.secret).toEqual(before?.factors[0]?.secret);
    expect(after?.recovery).toEqual(before?.recovery);
    expect(after?.passwordVersion).toBe(1);
    const id = alice.account as AccountId;
    expect(await server.barrier.read((tx) => sessionsOf(tx, id))).toEqual([]);
    expect(await server.barrier.read((tx) => devicesOf(tx, id))).toEqual([]);
    expect(await client.outcome("session.whoami", {})).toBe("session_invalid");
    expect(await (await WireClient.open(server)).resumed(secret)).toBe("session_invalid");
    expect(await tryPassword(server, alice)).toBe("login_failed");
    expect(await tryCode(server, to, alice.code(server.clock))).toBe("code_refused");
    expect(await tryCode(server, to, alice.code(server.clock, 1))).toBe("ok");
  });

  it("is on record in the same transaction: who made the token, who began, and that it was done", async () => {
    const { server, alice } = await entered();
    const give = await aboutToResetPassword(server, alice, await resetSecret(server, "alice", "password"));
    await give(alice.code(server.clock));
    expect(await told(server, 3)).toEqual([
      ["user.reset-password", "done", undefined],
      ["password.reset.start", "granted", undefined],
      ["password.reset", "done", "totp"],
    ]);
    expect(await server.verifyAudit()).toMatchObject({ ok: true });
  });

  it("promise 5: the token alone changes nothing, and a connection that has shown it can do nothing but give a code", async () => {
    const { server, alice, client } = await entered();
    const before = await accountOf(server, alice);
    const token = await resetSecret(server, "alice", "password");
    const give = await aboutToResetPassword(server, alice.renewed(NEW_PASSWORD), token);
    expect(codeOf(await give(alice.wrongCode(server.clock)))).toBe("code_refused");
    expect(codeOf(await give("not a code"))).toBe("code_refused");
    expect({ ...(await accountOf(server, alice)), codeBudget: undefined }).toEqual({
      ...before,
      codeBudget: undefined,
    });
    await client.ok("session.whoami", {});
    expect(codeOf(await give(alice.code(server.clock)))).toBe("ok");
  });

  it("promise 3: 200 redemptions at once, over two servers on one store, set one password", async () => {
    const store = await newStore();
    const servers = [await startInProcess(store), await startInProcess(await reopened(store))];
    const [first] = servers as [TestServer];
    const alice = await registered(first);
    const token = await resetSecret(first, "alice", "password");
    const gives: ((code: string) => Promise<Reply | undefined>)[] = [];
    for (let made = 0; made < 200; made += 20) {
      const batch = Array.from({ length: 20 }, (_, index) =>
        aboutToResetPassword(servers[index % 2] as TestServer, alice.renewed(`${NEW_PASSWORD} ${made + index}`), token),
      );
      gives.push(...(await Promise.all(batch)));
    }
    const codes = alice.recoveryCodes;
    const replies = await Promise.all(gives.map((give, index) => give(codes[index % codes.length] ?? "")));
    expect(replies.filter((reply) => codeOf(reply) === "ok")).toHaveLength(1);
    expect(replies.filter((reply) => codeOf(reply) === "token_invalid")).toHaveLength(199);
    // Of ten good codes nine were not looked at: the token was used up before them.
    expect((await accountOf(first, alice))?.recovery).toHaveLength(9);
  });

  it("promise 2: wrong tokens for names that exist and for names that do not are answered alike", async () => {
    const server = await startInProcess();
    await registered(server);
    await resetSecret(server, "alice", "password");
    const answers = new Set<string>();
    for (const name of ["alice", "nobody", "bob"]) {
      const client = await WireClient.open(server);
      answers.add((await client.call("reset.start", resetProof(client, name, wrong())))?.text ?? "closed");
    }
    expect(answers.size).toBe(1);
    expect([...answers][0]).toContain('"token_invalid"');
    const names = (await server.audit()).slice(-3).map(({ personal }) => personal.name);
    expect(names).toEqual(["alice", expect.stringMatching(/^unknown:/), expect.stringMatching(/^unknown:/)]);
  });

  it("a password that was changed meanwhile is not reset any more by a token that was shown before", async () => {
    const { server, alice, device } = await entered();
    const token = await resetSecret(server, "alice", "password");
    const give = await aboutToResetPassword(server, alice.renewed(NEW_PASSWORD), token);
    const to = alice.renewed("a password that nobody knows");
    await renewPassword(await WireClient.open(server), alice, { to, code: alice.code(server.clock), device });
    expect(codeOf(await give(alice.code(server.clock, 1)))).toBe("token_invalid");
    expect(await tryPassword(server, to, device)).toBe("ok");
  });

  it("a verifier out of range, or of a generation that was not asked for, leaves token and code good", async () => {
    const server = await startInProcess();
    const alice = await registered(server);
    const token = await resetSecret(server, "alice", "password");
    const client = await WireClient.open(server);
    await client.ok("reset.start", resetProof(client, "alice", token));
    const code = alice.code(server.clock);
    for (const new_verifier of [
      { generation: 1, verifier: `${"0".repeat(511)}1` },
      { generation: 2, verifier: "ab".repeat(256) },
    ]) {
      expect(await client.outcome("reset.password", { code, new_verifier })).toBe("verifier_invalid");
    }
    const new_verifier = { generation: 1, verifier: "ab".repeat(256) };
    expect(await client.outcome("reset.password", { code, new_verifier })).toBe("ok");
  });

  it("attack 26: its codes are counted with those of logins, and a closed budget answers throttled", async () => {
    const server = await startInProcess();
    const alice = await registered(server);
    await failCodes(server, alice, 4);
    const give = await aboutToResetPassword(server, alice, await resetSecret(server, "alice", "password"));
    expect(codeOf(await give(alice.wrongCode(server.clock)))).toBe("code_refused");
    expect(codeOf(await give(alice.code(server.clock)))).toBe("throttled");
    expect(await tryCode(server, alice, alice.code(server.clock))).toBe("throttled");
  });

  it("promise 11: what showed the token on one connection shows nothing on another, and the token never goes over it", async () => {
    const server = await startInProcess();
    await registered(server);
    const token = await resetSecret(server, "alice", "password");
    const [here, there] = [await WireClient.open(server), await WireClient.open(server)];
    const shown = resetProof(here, "alice", token);
    expect(JSON.stringify(shown)).not.toContain(token);
    expect(await there.outcome("reset.start", shown)).toBe("token_invalid");
    const { mac } = await here.ok("reset.start", shown);
    expect(await there.outcome("reset.start", { name: "alice", mac })).toBe("token_invalid");
  });

  it("a stranger who guesses at the password does not keep its person from resetting it", async () => {
    const server = await startInProcess();
    const alice = await registered(server);
    for (let tries = 0; tries < 5; tries++) await tryPassword(server, alice.renewed("wrong"));
    expect(await tryPassword(server, alice)).toBe("throttled");
    const give = await aboutToResetPassword(server, alice, await resetSecret(server, "alice", "password"));
    expect(codeOf(await give(alice.code(server.clock)))).toBe("ok");
  });
});

describe("attack 32: authenticators that are reset by an operator's token", () => {
  it("are all replaced, with the recovery codes; sessions end, and nobody is logged in", async () => {
    const { server, alice, client } = await entered();
    const old = alice.code(server.clock);
    const token = await resetSecret(server, "alice", "factors");
    const { secret, confirm } = await aboutToResetFactors(server, alice, token);
    expect((await accountOf(server, alice))?.factors[0]?.secret).toEqual(alice.secret);
    const reply = await confirm();
    expect(reply?.result).toMatchObject({ account: alice.account, name: "alice" });
    const codes = reply?.result?.["recovery_codes"] as readonly string[];
    const after = await accountOf(server, alice);
    expect(after?.factors).toHaveLength(1);
    expect(after?.factors[0]?.secret).toEqual(secret);
    expect(await client.outcome("session.whoami", {})).toBe("session_invalid");
    expect(await tryCode(server, alice, old)).toBe("code_refused");
    expect(await tryCode(server, alice, alice.recoveryCodes[0] ?? "")).toBe("code_refused");
    expect(await tryCode(server, alice, codes[0] ?? "")).toBe("ok");
    const anew = Object.assign(alice.renewed(alice.password), { secret });
    expect(await tryCode(server, anew, anew.code(server.clock))).toBe("code_refused");
    expect(await tryCode(server, anew, anew.code(server.clock, 1))).toBe("ok");
  });

  it("is on record: who made the token, who began, and that it was done", async () => {
    const server = await startInProcess();
    const alice = await registered(server);
    const { confirm } = await aboutToResetFactors(server, alice, await resetSecret(server, "alice", "factors"));
    await confirm();
    expect(await told(server, 3)).toEqual([
      ["user.reset-factors", "done", undefined],
      ["factor.reset.start", "granted", undefined],
      ["factor.reset", "done", expect.stringMatching(/^fac_/)],
    ]);
  });

  it("promise 5: the token is no code: it logs nobody in, and is not taken before the password", async () => {
    const server = await startInProcess();
    const alice = await registered(server);
    const token = await resetSecret(server, "alice", "factors");
    expect(await tryCode(server, alice, token)).toBe("code_refused");
    expect(await (await WireClient.open(server)).outcome("reset.factors", { token })).toBe("out_of_order");
    expect(await offering(server, alice, token)).toBe("ok");
  });

  it("promise 3: 60 redemptions at once, over two servers on one store, replace them once", async () => {
    const store = await newStore();
    const servers = [await startInProcess(store), await startInProcess(await reopened(store))];
    const [first] = servers as [TestServer];
    const alice = await registered(first);
    const token = await resetSecret(first, "alice", "factors");
    const begun: Awaited<ReturnType<typeof aboutToResetFactors>>[] = [];
    for (let made = 0; made < 60; made += 20) {
      const batch = Array.from({ length: 20 }, (_, index) =>
        aboutToResetFactors(servers[index % 2] as TestServer, alice, token),
      );
      begun.push(...(await Promise.all(batch)));
    }
    const outcomes = (await Promise.all(begun.map(({ confirm }) => confirm()))).map(codeOf);
    expect(outcomes.filter((outcome) => outcome === "ok")).toHaveLength(1);
    const winner = begun[outcomes.indexOf("ok")]?.secret;
    expect((await accountOf(first, alice))?.factors.map(({ secret }) => secret)).toEqual([winner]);
    expect(new Set(outcomes)).toEqual(new Set(["ok", "token_invalid", "throttled"]));
  });

  it("attack 26: a wrong token is a wrong code: it is charged, and a closed budget is throttled with a right one", async () => {
    const server = await startInProcess();
    const alice = await registered(server);
    const token = await resetSecret(server, "alice", "factors");
    for (let tries = 0; tries < 4; tries++) expect(await offering(server, alice, wrong())).toBe("token_invalid");
    expect(await tryCode(server, alice, alice.wrongCode(server.clock))).toBe("code_refused");
    expect(await offering(server, alice, token)).toBe("throttled");
    expect(await tryCode(server, alice, alice.code(server.clock))).toBe("throttled");
    server.clock.advance(MINUTE);
    expect(await offering(server, alice, token)).toBe("ok");
  });

  it("attack 55: where codes are locked, the token is taken, and opens them again", async () => {
    const server = await startInProcess();
    const alice = await registered(server);
    await lockCodes(server, alice);
    expect(await tryCode(server, alice, alice.code(server.clock))).toBe("codes_locked");
    const { secret, confirm } = await aboutToResetFactors(server, alice, await resetSecret(server, "alice", "factors"));
    expect(codeOf(await confirm())).toBe("ok");
    expect((await told(server, 2)).map(([event]) => event)).toEqual(["codes.reopen", "factor.reset"]);
    const anew = Object.assign(alice.renewed(alice.password), { secret });
    expect(await tryCode(server, anew, anew.code(server.clock, 1))).toBe("ok");
  });

  it("ten wrong first codes end it, and the token is still good", async () => {
    const server = await startInProcess();
    const alice = await registered(server);
    const token = await resetSecret(server, "alice", "factors");
    const client = await WireClient.open(server);
    await provePassword(client, alice);
    await client.ok("reset.factors", { token });
    const outcomes: string[] = [];
    for (let tries = 0; tries < 11; tries++) outcomes.push(await client.outcome("reset.confirm", { code: "x" }));
    expect(outcomes).toEqual([...Array(10).fill("code_refused"), "out_of_order"]);
    expect(await offering(server, alice, token)).toBe("ok");
  });
});

describe("promise 12: a person whose account is disabled", () => {
  it("is told so once the code is right, and the password stays; a token is kept for when it is enabled again", async () => {
    const server = await startInProcess();
    const alice = await registered(server);
    const token = await resetSecret(server, "alice", "password");
    await disablePerson(server.context, { name: "alice" });
    const give = await aboutToResetPassword(server, alice.renewed(NEW_PASSWORD), token);
    expect(codeOf(await give(alice.wrongCode(server.clock)))).toBe("code_refused");
    expect(codeOf(await give(alice.code(server.clock)))).toBe("account_disabled");
    expect(await told(server, 1)).toEqual([["password.reset", "refused", "disabled"]]);
    expect(await tryPassword(server, alice)).toBe("ok");
    await enablePerson(server.context, { name: "alice" });
    const again = await aboutToResetPassword(server, alice.renewed(NEW_PASSWORD), token);
    expect(codeOf(await again(alice.code(server.clock, 1)))).toBe("ok");
  });

  it("is told so once password and token are right, and keeps authenticators, recovery codes and token", async () => {
    const server = await startInProcess();
    const alice = await registered(server);
    const token = await resetSecret(server, "alice", "factors");
    const { confirm } = await aboutToResetFactors(server, alice, token);
    const before = await accountOf(server, alice);
    await disablePerson(server.context, { name: "alice" });
    expect(await offering(server, alice, wrong())).toBe("token_invalid");
    expect(await offering(server, alice, token)).toBe("account_disabled");
    expect(await tokenOf(server, alice, "factors")).toBeDefined();
    expect(codeOf(await confirm())).toBe("account_disabled");
    const after = await accountOf(server, alice);
    expect({ factors: after?.factors, recovery: after?.recovery }).toEqual({
      factors: before?.factors,
      recovery: before?.recovery,
    });
  });
});

describe("a reset token", () => {
  it("is for one person and one kind: no other one's, no invite, and not the other way round", async () => {
    const server = await startInProcess();
    const [alice, bob] = [await registered(server, "alice"), await registered(server, "bob")];
    const tokens = {
      password: await resetSecret(server, "bob", "password"),
      factors: await resetSecret(server, "bob", "factors"),
    };
    const { secret: invite } = await inviteSecret(server);
    for (const token of [tokens.password, tokens.factors, invite]) {
      expect(await beginning(server, "alice", token)).toBe("token_invalid");
      expect(await offering(server, alice, token)).toBe("token_invalid");
    }
    expect(await beginning(server, "bob", tokens.factors)).toBe("token_invalid");
    expect(await offering(server, bob, tokens.password)).toBe("token_invalid");
    expect(await beginning(server, "bob", tokens.password)).toBe("ok");
    expect(await offering(server, bob, tokens.factors)).toBe("ok");
  });

  it("takes the place of the one before of its kind, and of no other", async () => {
    const server = await startInProcess();
    const alice = await registered(server);
    const factors = await resetSecret(server, "alice", "factors");
    const old = await resetSecret(server, "alice", "password");
    const begun = await aboutToResetPassword(server, alice, old);
    const next = await resetSecret(server, "alice", "password");
    expect(codeOf(await begun(alice.code(server.clock)))).toBe("token_invalid");
    expect(await beginning(server, "alice", old)).toBe("token_invalid");
    expect(await beginning(server, "alice", next)).toBe("ok");
    expect(await offering(server, alice, factors)).toBe("ok");
  });

  it("expires, also between its two calls, and then its record goes", async () => {
    const server = await startInProcess();
    const alice = await registered(server);
    const token = await resetSecret(server, "alice", "password", HOUR);
    const give = await aboutToResetPassword(server, alice, token);
    const { confirm } = await aboutToResetFactors(server, alice, await resetSecret(server, "alice", "factors", HOUR));
    server.clock.advance(HOUR);
    expect(codeOf(await give(alice.code(server.clock)))).toBe("token_invalid");
    expect(await beginning(server, "alice", token)).toBe("token_invalid");
    expect(await told(server, 1)).toEqual([["password.reset.start", "refused", "token_expired"]]);
    expect(codeOf(await confirm())).toBe("token_invalid");
    expect(await sweepResetTokens(server.context)).toBe(2);
    expect(await tokenOf(server, alice, "password")).toBeUndefined();
  });

  it("promise 6: missing or damaged opens nothing, and leaves a login as it was", async () => {
    const server = await startInProcess();
    const alice = await registered(server);
    const tokens = {
      password: await resetSecret(server, "alice", "password"),
      factors: await resetSecret(server, "alice", "factors"),
    };
    const key = (kind: ResetKind) => resetTokenKey({ account: alice.account as AccountId, resets: kind });
    await server.barrier.transact(async (tx) => {
      await tx.delete(key("password"));
      await tx.put(key("factors"), Buffer.from("no record"));
    });
    expect(await beginning(server, "alice", tokens.password)).toBe("token_invalid");
    // The upkeep may have removed it by now.
    expect(["internal", "token_invalid"]).toContain(await offering(server, alice, tokens.factors));
    expect(await tryCode(server, alice, alice.wrongCode(server.clock))).toBe("code_refused");
    expect(await tryCode(server, alice, alice.code(server.clock))).toBe("ok");
  });

  it("ends with its account: who registers by that name later has none", async () => {
    const { server, alice, client } = await entered();
    const token = await resetSecret(server, "alice", "password");
    await client.ok("account.delete", { code: alice.code(server.clock) });
    expect(await tokenOf(server, alice, "password")).toBeUndefined();
    await registered(server);
    expect(await beginning(server, "alice", token)).toBe("token_invalid");
  });

  it("is made for nobody who is not registered", async () => {
    const server = await startInProcess();
    const issued = issueResetToken(server.context, { name: "nobody" }, { resets: "password", lifetime: DAY });
    await expect(issued).rejects.toMatchObject({ code: "user_unknown" });
  });

  it("promise 14: stands neither in the store nor in the log", async () => {
    const server = await startInProcess();
    const alice = await registered(server);
    for (const kind of ["password", "factors"] as const) {
      const secret = await resetSecret(server, "alice", kind);
      const stored = await server.barrier.read((tx) =>
        tx.get(resetTokenKey({ account: alice.account as AccountId, resets: kind })),
      );
      expect(stored?.includes(Buffer.from(secret, "hex"))).toBe(false);
      await beginning(server, "alice", secret);
      const seen = JSON.stringify([await server.audit(), server.log.entries]);
      expect(seen).not.toContain(secret);
      expect(seen).not.toContain("ptk_");
    }
  });

  it("guesses at it are counted for their address like every beginning", async () => {
    const server = await startInProcess(undefined, { limits: { byAddress: true } });
    const client = await WireClient.open(server);
    const outcomes: string[] = [];
    for (let tries = 0; tries < 31; tries++) {
      outcomes.push(await client.outcome("reset.start", resetProof(client, "alice", wrong())));
    }
    expect(outcomes).toEqual([...Array(30).fill("token_invalid"), "rate_limited"]);
  });
});
