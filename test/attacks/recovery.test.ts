import { describe, expect, it } from "vitest";
import { entered } from "../support/entered.js";
import { MINUTE, newStore, reopened, startInProcess } from "../support/in-process.js";
import { awaitingCode, logIn, registered, tryCode } from "../support/person.js";
import { codeOf, WireClient } from "../support/wire-client.js";

const at = (codes: readonly string[], index: number) => codes[index] ?? "";

describe("attack 29: a recovery code works once", () => {
  it("of a hundred uses at once, at login and in a session, one is right, and there is one less", async () => {
    const { server, alice, secret, device } = await entered({ since: 0 });
    const code = at(alice.recoveryCodes, 0);
    const logins = await awaitingCode(server, alice, 20);
    const sessions = await Promise.all(
      Array.from({ length: 80 }, async () => {
        const client = await WireClient.open(server);
        await client.resume(secret);
        return client;
      }),
    );
    const replies = await Promise.all([
      ...logins.map((client) => client.call("login.code", { code })),
      ...sessions.map((client) => client.call("session.verify", { code })),
    ]);
    expect(replies.map(codeOf).filter((outcome) => outcome === "ok")).toHaveLength(1);
    server.clock.advance(MINUTE);
    const client = await WireClient.open(server);
    await logIn(client, alice, at(alice.recoveryCodes, 1), device);
    expect(await client.ok("recovery.status", {})).toEqual({ left: 8, total: 10 });
  });

  it("used for one thing, it is used for all: step-up, login, deletion", async () => {
    const { server, alice, client } = await entered({ since: 0 });
    const code = at(alice.recoveryCodes, 0);
    expect(await client.outcome("session.verify", { code })).toBe("ok");
    for (const method of ["session.verify", "account.delete"] as const) {
      expect(await client.outcome(method, { code }), method).toBe("code_refused");
    }
    expect(await tryCode(server, alice, code)).toBe("code_refused");
  });
});

describe("attack 30: another person's recovery code", () => {
  it("is refused on every path, and stays that person's", async () => {
    const { server, client } = await entered({ since: 0 });
    const bob = await registered(server, "bob");
    const code = at(bob.recoveryCodes, 0);
    for (const method of ["session.verify", "account.delete"] as const) {
      expect(await client.outcome(method, { code }), method).toBe("code_refused");
    }
    expect(await tryCode(server, bob, code)).toBe("ok");
  });
});

describe("attack 31: new recovery codes", () => {
  it("take a fresh session, and a recovery code makes it fresh as any code does", async () => {
    const { server, alice, client } = await entered({ since: 0 });
    server.clock.advance(5 * MINUTE);
    expect(await client.outcome("recovery.regenerate", {})).toBe("step_up_needed");
    expect(await tryCode(server, alice, at(alice.recoveryCodes, 0))).toBe("ok");
    await client.ok("session.verify", { code: at(alice.recoveryCodes, 1) });
    expect(await client.ok("recovery.status", {})).toEqual({ left: 8, total: 10 });
    expect((await client.ok("recovery.regenerate", {})).recovery_codes).toHaveLength(10);
    expect(await client.ok("recovery.status", {})).toEqual({ left: 10, total: 10 });
  });

  it("kill the old ones at once, in every process; each of the new ones works once", async () => {
    const store = await newStore();
    const home = await entered({ at: await startInProcess(store), since: 0 });
    const { server, alice, client } = home;
    const second = await startInProcess(await reopened(store));
    const waiting = await awaitingCode(second, alice, 2);
    const { recovery_codes: fresh } = await client.ok("recovery.regenerate", {});
    expect(new Set([...fresh, ...alice.recoveryCodes]).size).toBe(20);
    for (const [index, open] of waiting.entries()) {
      expect(await open.outcome("login.code", { code: at(alice.recoveryCodes, index) })).toBe("code_refused");
    }
    expect(await tryCode(server, alice, at(alice.recoveryCodes, 5))).toBe("code_refused");
    for (const code of fresh) expect(await tryCode(second, alice, code)).toBe("ok");
    expect(await tryCode(server, alice, at(fresh, 9))).toBe("code_refused");
    const told = (await server.audit()).filter(({ event }) => event === "recovery.regenerate");
    expect(told).toHaveLength(1);
    expect(JSON.stringify(await server.audit())).not.toContain(at(fresh, 0));
  });

  it("asked for while an old one is used: either it was used before, or it is dead", async () => {
    const server = await startInProcess();
    for (let round = 0; round < 6; round++) {
      const { alice, client, device } = await entered({ at: server, name: `alice${round}`, since: 0 });
      const [login] = await awaitingCode(server, alice, 1);
      const old = at(alice.recoveryCodes, 0);
      const use = () => login?.call("login.code", { code: old });
      const renew = () => client.call("recovery.regenerate", {});
      const [used, renewed] =
        round % 2 === 0 ? await Promise.all([use(), renew()]) : (await Promise.all([renew(), use()])).reverse();
      expect(codeOf(renewed)).toBe("ok");
      expect(["ok", "code_refused"]).toContain(codeOf(used));
      // What the old code took away is not taken from the new set.
      expect(await client.ok("recovery.status", {})).toEqual({ left: 10, total: 10 });
      expect(await tryCode(server, alice, old, device)).toBe("code_refused");
    }
  });

  it("asked for many times at once: the last set counts, and no other", async () => {
    const { server, alice, client, secret } = await entered({ since: 0 });
    const clients = [client];
    for (let made = 0; made < 4; made++) {
      const more = await WireClient.open(server);
      await more.resume(secret);
      clients.push(more);
    }
    const sets = await Promise.all(clients.map((each) => each.ok("recovery.regenerate", {})));
    const outcomes = await Promise.all(sets.map(({ recovery_codes }) => tryCode(server, alice, at(recovery_codes, 0))));
    expect(outcomes.filter((outcome) => outcome === "ok")).toHaveLength(1);
  });
});
