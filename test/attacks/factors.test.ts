import type { FactorId } from "@postern/shared/ids";
import type { Method, Params } from "@postern/shared/messages";
import { stepAt } from "@postern/shared/otp/totp";
import { describe, expect, it } from "vitest";
import { type Account, findAccount, type HotpFactor, putAccount } from "../../packages/server/src/records/account.js";
import { type Entered, entered } from "../support/entered.js";
import { fittingParams, sessionCalls } from "../support/fitting-params.js";
import { MINUTE, SECOND, type TestServer } from "../support/in-process.js";
import { type Authenticator, hotpOf, logIn, type Person, registered, totpOf, tryCode } from "../support/person.js";
import { codeOf, WireClient } from "../support/wire-client.js";

async function resumed({ server, secret }: Entered): Promise<WireClient> {
  const client = await WireClient.open(server);
  await client.resume(secret);
  return client;
}

type Wish = Params<"factor.add">;

/** Adds an authenticator by the first code that it shows. */
async function added({ client, server }: Entered, wish: Wish): Promise<Authenticator & { factor: FactorId }> {
  const offer = await client.ok("factor.add", wish);
  const code = wish.kind === "totp" ? totpOf(offer, server.clock) : hotpOf(offer, 0);
  const { factor } = await client.ok("factor.confirm", { code });
  return { ...offer, factor: factor as FactorId };
}

const verify = (client: WireClient, code: string, second_code?: string) =>
  client.call("session.verify", { code, ...(second_code !== undefined && { second_code }) });

function storedAccount({ barrier }: TestServer, { name }: Person): Promise<Account> {
  return barrier.read(async (tx) => {
    const account = await findAccount(tx, barrier.nameIndex(name));
    if (account === undefined) throw new Error("no such account");
    return account;
  });
}

async function change(server: TestServer, person: Person, edit: (account: Account) => Account): Promise<void> {
  const account = await storedAccount(server, person);
  await server.barrier.transact((tx) => putAccount(tx, server.barrier.nameIndex(person.name), edit(account)));
}

describe("attack 24: an HOTP authenticator", () => {
  it("is found up to five ahead and not six, and never rewinds", async () => {
    const home = await entered();
    const hotp = await added(home, { kind: "hotp" });
    const outcomes: string[] = [];
    for (const counter of [7, 6, 6, 3, 1, 0, 13, 12, 7]) {
      outcomes.push(codeOf(await verify(home.client, hotpOf(hotp, counter))));
      home.server.clock.advance(MINUTE);
    }
    const no = "code_refused";
    expect(outcomes).toEqual([no, "ok", no, no, no, no, no, "ok", no]);
  });

  it("is found again by two codes in a row within fifty, and not at fifty-one", async () => {
    const home = await entered();
    const hotp = await added(home, { kind: "hotp" });
    const pair = async (first: number) =>
      codeOf(await verify(home.client, hotpOf(hotp, first), hotpOf(hotp, first + 1)));
    expect(await pair(1 + 51)).toBe("code_refused");
    expect(await pair(1 + 50)).toBe("ok");
    // 53 is expected now.
    expect(await pair(53 + 51)).toBe("code_refused");
    expect(await pair(52)).toBe("code_refused");
    expect(await pair(53)).toBe("ok");
  });

  it("takes neither code of a pair again, alone or in a pair", async () => {
    const home = await entered();
    const hotp = await added(home, { kind: "hotp" });
    expect(codeOf(await verify(home.client, hotpOf(hotp, 20), hotpOf(hotp, 21)))).toBe("ok");
    const again = [[20], [21], [20, 21], [19, 20], [21, 22]];
    for (const [first = 0, second] of again) {
      const reply = await verify(
        home.client,
        hotpOf(hotp, first),
        second === undefined ? undefined : hotpOf(hotp, second),
      );
      expect(codeOf(reply), `${first} ${second}`).toBe("code_refused");
    }
    home.server.clock.advance(MINUTE);
    expect(await tryCode(home.server, home.alice, hotpOf(hotp, 22), home.device)).toBe("ok");
  });

  it("a pair that is not in a row, is turned round, or has one wrong code is refused, and charged each time", async () => {
    const home = await entered();
    const hotp = await added(home, { kind: "hotp" });
    const wrong = home.alice.wrongCode(home.server.clock);
    const pairs: [string, string][] = [
      [hotpOf(hotp, 10), hotpOf(hotp, 12)],
      [hotpOf(hotp, 11), hotpOf(hotp, 10)],
      [hotpOf(hotp, 10), hotpOf(hotp, 10)],
      [hotpOf(hotp, 10), wrong],
      [wrong, hotpOf(hotp, 11)],
      [hotpOf(hotp, 10), hotpOf(hotp, 11)],
    ];
    const outcomes: string[] = [];
    for (const [code, second] of pairs) outcomes.push(codeOf(await verify(home.client, code, second)));
    expect(outcomes).toEqual([...Array(5).fill("code_refused"), "throttled"]);
    expect((await storedAccount(home.server, home.alice)).factors[1]).toMatchObject({ counter: 1 });
  });

  it("the pair of an HOTP authenticator is no pair of a TOTP one", async () => {
    const { server, alice, client } = await entered();
    const [now, next] = [alice.code(server.clock), alice.code(server.clock, 1)];
    expect(codeOf(await verify(client, now, next))).toBe("code_refused");
    expect(codeOf(await verify(client, now))).toBe("ok");
  });

  it("a hundred uses of one counter at once: one", async () => {
    const home = await entered();
    const hotp = await added(home, { kind: "hotp" });
    const clients = await Promise.all(Array.from({ length: 20 }, () => resumed(home)));
    const code = hotpOf(hotp, 4);
    const uses = Array.from({ length: 5 }, () => clients).flat();
    const outcomes = await Promise.all(
      clients.map(async (client) => {
        const mine: string[] = [];
        for (let use = 0; use < uses.length / clients.length; use++) mine.push(codeOf(await verify(client, code)));
        return mine;
      }),
    );
    expect(outcomes.flat().filter((outcome) => outcome === "ok")).toHaveLength(1);
  });
});

describe("TOTP authenticators of every kind", () => {
  it.each<Wish>([
    { kind: "totp", algorithm: "SHA256" },
    { kind: "totp", algorithm: "SHA512", digits: 8 },
    { kind: "totp", algorithm: "SHA1", digits: 7, period: 60 },
    { kind: "totp", algorithm: "SHA256", digits: 8, period: 60 },
  ])("%o: a code works once, within one step each side, and not the one that enrolled it", async (wish) => {
    const home = await entered();
    const { server, alice, device } = home;
    const totp = await added(home, wish);
    expect(totp).toMatchObject({ algorithm: wish.algorithm, digits: wish.digits ?? 6, period: wish.period ?? 30 });
    const give = (offset: number) => tryCode(server, alice, totpOf(totp, server.clock, offset), device);
    expect(await give(0)).toBe("code_refused");
    server.clock.advance(10 * MINUTE);
    expect(await give(2)).toBe("code_refused");
    expect(await give(-2)).toBe("code_refused");
    expect(await give(-1)).toBe("ok");
    expect(await give(1)).toBe("ok");
    expect(await give(1)).toBe("code_refused");
    expect(await give(0)).toBe("code_refused");
    expect(await tryCode(server, alice, alice.code(server.clock), device)).toBe("ok");
  });

  it("a code that two authenticators show is used up at both, TOTP and HOTP alike", async () => {
    const { server, alice, client } = await entered();
    const { clock } = server;
    const step = stepAt(clock.now(), 30);
    await change(server, alice, (account) => {
      const [own] = account.factors;
      if (own?.kind !== "totp") throw new Error("no TOTP factor");
      const twin = { ...own, id: `fac_${"1".repeat(32)}` as const, label: "twin" };
      const { period: _period, lastStep: _last, ...facts } = own;
      // HOTP(K, T) is what TOTP shows at step T.
      const hotp: HotpFactor = { ...facts, kind: "hotp", id: `fac_${"2".repeat(32)}`, label: "hotp", counter: step };
      return { ...account, factors: [own, twin, hotp] };
    });
    expect(codeOf(await verify(client, alice.code(clock)))).toBe("ok");
    const { factors } = await storedAccount(server, alice);
    expect(factors).toMatchObject([{ lastStep: step }, { lastStep: step }, { counter: step + 1 }]);
    expect(codeOf(await verify(client, alice.code(clock)))).toBe("code_refused");
    await client.ok("factor.remove", { factor: (factors[0]?.id ?? "fac_") as FactorId });
    expect(codeOf(await verify(client, alice.code(clock)))).toBe("code_refused");
  });
});

describe("a person is told that their device's clock is behind", () => {
  it("by a code of a past step, in seconds of that device; not by a future, a used, an HOTP or a wrong one", async () => {
    const home = await entered();
    const { server, alice, client } = home;
    const slow = await added(home, { kind: "totp", period: 60 });
    const hotp = await added(home, { kind: "hotp" });
    expect(codeOf(await verify(client, hotpOf(hotp, 3)))).toBe("ok");
    server.clock.advance(9 * MINUTE);
    const used = alice.code(server.clock);
    expect(codeOf(await verify(client, used))).toBe("ok");
    const hint = async (code: string) => {
      const reply = await verify(client, code);
      expect(codeOf(reply)).toBe("code_refused");
      return reply?.error?.data.clock_behind;
    };
    expect(await hint(totpOf(slow, server.clock, -3))).toBe(180);
    expect(await hint(used)).toBeUndefined();
    expect(await hint(alice.code(server.clock, -2))).toBeUndefined();
    expect(await hint(alice.code(server.clock, 3))).toBeUndefined();
    server.clock.advance(MINUTE);
    expect(codeOf(await verify(client, alice.code(server.clock)))).toBe("ok");
    expect(await hint(hotpOf(hotp, 3))).toBeUndefined();
    expect(await hint(hotpOf(hotp, 2))).toBeUndefined();
    expect(await hint(alice.wrongCode(server.clock))).toBeUndefined();
  });
});

describe("the last authenticator", () => {
  it("stays, and one more cannot be had by removing what one does not have", async () => {
    const { server, alice, client } = await entered();
    const [own] = (await client.ok("factor.list", {})).factors;
    const bob = await registered(server, "bob");
    const bobs = (await storedAccount(server, bob)).factors[0]?.id as FactorId;
    expect(await client.outcome("factor.remove", { factor: own?.factor as FactorId })).toBe("last_factor");
    expect(await client.outcome("factor.remove", { factor: bobs })).toBe("id_unknown");
    expect(await tryCode(server, bob, bob.code(server.clock))).toBe("ok");
    expect(codeOf(await verify(client, alice.code(server.clock)))).toBe("ok");
  });

  it("stays, also when two are removed at once over ten connections", async () => {
    const home = await entered();
    await added(home, { kind: "hotp" });
    const ids = (await home.client.ok("factor.list", {})).factors.map(({ factor }) => factor as FactorId);
    const clients = await Promise.all(Array.from({ length: 10 }, () => resumed(home)));
    const outcomes = await Promise.all(
      clients.map((client, index) => client.outcome("factor.remove", { factor: ids[index % 2] as FactorId })),
    );
    expect(outcomes.filter((outcome) => outcome === "ok")).toHaveLength(1);
    expect(new Set(outcomes)).toEqual(new Set(["ok", "last_factor", "id_unknown"]));
    expect((await storedAccount(home.server, home.alice)).factors).toHaveLength(1);
  });

  it("removed, an authenticator's codes are worth nothing", async () => {
    const home = await entered();
    const hotp = await added(home, { kind: "hotp" });
    await home.client.ok("factor.remove", { factor: hotp.factor });
    expect(await tryCode(home.server, home.alice, hotpOf(hotp, 1), home.device)).toBe("code_refused");
  });
});

describe("eight authenticators at most", () => {
  it("a ninth is refused; of three eighths that are confirmed at once, one is added", async () => {
    const home = await entered();
    for (let made = 1; made < 7; made++) await added(home, { kind: "hotp" });
    const clients = await Promise.all(Array.from({ length: 3 }, () => resumed(home)));
    const codes: string[] = [];
    for (const [index, client] of clients.entries()) {
      codes.push(hotpOf(await client.ok("factor.add", { kind: "hotp", label: `last ${index}` }), 0));
    }
    const outcomes = await Promise.all(
      clients.map((client, index) => client.outcome("factor.confirm", { code: codes[index] ?? "" })),
    );
    expect(outcomes.sort()).toEqual(["ok", "too_many_factors", "too_many_factors"]);
    expect(await home.client.outcome("factor.add", { kind: "totp" })).toBe("too_many_factors");
    expect((await storedAccount(home.server, home.alice)).factors).toHaveLength(8);
  });
});

const badLabels = [
  [" a", "a space before"],
  ["a ", "a space behind"],
  ["-a", "a sign before"],
  ["a/b", "a slash"],
  ["a<b>", "angle brackets"],
  ['a"b', "a quote"],
  ["a\u0007b", "a control character"],
  ["a\u001b[31m", "an escape sequence"],
  ["a\nb", "a line end"],
  ["a\u0085b", "a C1 control"],
  ["a\u2028b", "a line separator"],
  ["a\u202eb", "a right-to-left override"],
  ["a\u2066b\u2069", "an isolate"],
  ["a\u200bb", "a space of no width"],
  ["a\u00a0b", "a no-break space"],
  ["a\ufe0f", "a variation selector"],
  ["authenticator\u034f", "a joiner that does not show"],
  ["a\u3164b", "a letter that does not show"],
  ["\u115f", "nothing that shows"],
  ["📱", "an emoji"],
  ["a".repeat(33), "33 letters"],
] as const;

describe("labels", () => {
  it("that would not show as they are, or are too long, are refused", async () => {
    const { client } = await entered();
    for (const [label, why] of badLabels) {
      expect(await client.outcome("factor.add", { kind: "totp", label }), why).toBe("label_invalid");
    }
    expect((await client.ok("factor.list", {})).factors).toHaveLength(1);
  });

  it("a label that another has is refused, however it is composed; also at the end of two enrolments", async () => {
    const home = await entered();
    await added(home, { kind: "hotp", label: "Büro (2. Stock)" });
    const decomposed = "Bu\u0308ro (2. Stock)";
    expect(await home.client.outcome("factor.add", { kind: "totp", label: decomposed })).toBe("label_taken");
    expect(await home.client.outcome("factor.add", { kind: "totp", label: "authenticator" })).toBe("label_taken");
    const clients = await Promise.all([resumed(home), resumed(home)]);
    const outcomes: string[] = [];
    const offers = await Promise.all(clients.map((client) => client.ok("factor.add", { kind: "hotp" })));
    expect(offers[0]?.label).toBe(offers[1]?.label);
    for (const [index, client] of clients.entries()) {
      outcomes.push(await client.outcome("factor.confirm", { code: hotpOf(offers[index] as Authenticator, 0) }));
    }
    expect(outcomes).toEqual(["ok", "label_taken"]);
  });
});

describe("another authenticator", () => {
  it("counts for nothing before its first code; what is abandoned, by leaving or by ten wrong codes, leaves nothing", async () => {
    const home = await entered();
    const { server, alice, client, device } = home;
    const before = await storedAccount(server, alice);
    const left = await resumed(home);
    const offer = await left.ok("factor.add", { kind: "hotp", label: "left" });
    expect(await tryCode(server, alice, hotpOf(offer, 0), device)).toBe("code_refused");
    await left.close();
    const wrong = await resumed(home);
    const refused = await wrong.ok("factor.add", { kind: "hotp", label: "wrong" });
    const outcomes: string[] = [];
    for (let tries = 0; tries < 10; tries++) outcomes.push(await wrong.outcome("factor.confirm", { code: "12345" }));
    outcomes.push(await wrong.outcome("factor.confirm", { code: hotpOf(refused, 0) }));
    expect(outcomes).toEqual([...Array(10).fill("code_refused"), "out_of_order"]);
    expect(await storedAccount(server, alice)).toEqual(before);
    expect((await client.ok("factor.list", {})).factors).toHaveLength(1);
    expect((await server.audit()).filter(({ event }) => event.startsWith("factor."))).toEqual([]);
  });

  it("shows its secret once: no later call tells it", async () => {
    const home = await entered();
    const { secret } = await added(home, { kind: "totp", label: "phone" });
    const replies = [
      await home.client.call("factor.list", {}),
      await home.client.call("session.whoami", {}),
      await (await resumed(home)).call("factor.list", {}),
    ];
    for (const reply of replies) expect(reply?.text).not.toContain(secret);
    expect(JSON.stringify(await home.server.audit())).not.toContain(secret);
  });

  it("is used up by the code that enrolled it, at login too", async () => {
    const home = await entered();
    const hotp = await added(home, { kind: "hotp" });
    const totp = await added(home, { kind: "totp" });
    const { server, alice, device } = home;
    expect(await tryCode(server, alice, hotpOf(hotp, 0), device)).toBe("code_refused");
    expect(await tryCode(server, alice, totpOf(totp, server.clock), device)).toBe("code_refused");
    expect(await tryCode(server, alice, hotpOf(hotp, 1), device)).toBe("ok");
    expect(await tryCode(server, alice, totpOf(totp, server.clock, 1), device)).toBe("ok");
  });
});

describe("step-up: what decides who gets in takes a code that is no older than five minutes", () => {
  const guarded: { readonly [M in Method]?: Params<M> } = {
    "factor.list": {},
    "factor.add": { kind: "totp" },
    "factor.remove": { factor: `fac_${"0".repeat(32)}` },
    "recovery.regenerate": {},
  };

  async function outcomes(home: Entered): Promise<string[]> {
    const all: string[] = [];
    for (const [method, params] of Object.entries(guarded)) {
      const client = await resumed(home);
      all.push(codeOf(await client.call(method, params)));
      await client.close();
    }
    return all;
  }

  const open = ["ok", "ok", "id_unknown", "ok"];
  const closed = Array(4).fill("step_up_needed");

  it("to the millisecond, and whichever way the clock is moved", async () => {
    const home = await entered();
    const { clock } = home.server;
    clock.advance(4 * MINUTE - 1);
    expect(await outcomes(home)).toEqual(open);
    clock.advance(1);
    expect(await outcomes(home)).toEqual(closed);
    clock.advance(-1);
    expect(await outcomes(home)).toEqual(closed);
    clock.advance(-3 * MINUTE);
    expect(await outcomes(home)).toEqual(closed);
    clock.advance(9 * MINUTE);
    expect(await outcomes(home)).toEqual(closed);
  });

  it("and a clock that was set back makes no code fresh again: six minutes on, three back", async () => {
    const home = await entered();
    const { clock } = home.server;
    clock.advance(5 * MINUTE);
    expect(await home.client.outcome("recovery.regenerate", {})).toBe("step_up_needed");
    clock.advance(-3 * MINUTE);
    expect(await home.client.outcome("recovery.regenerate", {})).toBe("step_up_needed");
    expect(await home.client.outcome("session.verify", { code: home.alice.code(clock) })).toBe("ok");
    expect(await home.client.outcome("recovery.regenerate", {})).toBe("ok");
  });

  it("a wrong or used code does not make a session fresh, a right one does, that session alone", async () => {
    const home = await entered();
    const { server, alice, device } = home;
    const other = await logIn(await WireClient.open(server), alice, alice.code(server.clock), device);
    server.clock.advance(10 * MINUTE);
    const code = alice.code(server.clock);
    expect(codeOf(await verify(home.client, alice.wrongCode(server.clock)))).toBe("code_refused");
    expect(await outcomes(home)).toEqual(closed);
    const facts = await home.client.ok("session.verify", { code });
    expect(facts.fresh_until).toBe(Math.floor((server.clock.now() + 5 * MINUTE) / SECOND));
    expect(codeOf(await verify(home.client, code))).toBe("code_refused");
    expect(await outcomes(home)).toEqual(open);
    expect(await outcomes({ ...home, secret: other.secret })).toEqual(closed);
  });

  it("an enrolment that was begun in time may be finished later, while its session lives", async () => {
    const home = await entered();
    const offer = await home.client.ok("factor.add", { kind: "hotp" });
    home.server.clock.advance(8 * MINUTE);
    expect(await home.client.outcome("factor.confirm", { code: hotpOf(offer, 0) })).toBe("ok");
    expect(await home.client.outcome("factor.add", { kind: "hotp" })).toBe("step_up_needed");
  });
});

describe("attack 27, 34: a connection whose session was ended elsewhere", () => {
  const calls = sessionCalls.filter((method) => method !== "session.logout");

  it("gets nothing more by any call, and what it was about to add is not added", async () => {
    const home = await entered();
    const { server, alice, device } = home;
    const open = await Promise.all(calls.map(() => resumed(home)));
    const adding = await resumed(home);
    const offer = await adding.ok("factor.add", { kind: "hotp" });
    const other = await WireClient.open(server);
    await logIn(other, alice, alice.code(server.clock), device);
    expect(await other.ok("session.revoke_others", {})).toEqual({ revoked: 1 });
    const before = (await server.audit()).length;
    for (const [index, method] of calls.entries()) {
      expect(codeOf(await open[index]?.call(method, fittingParams[method])), method).toBe("session_invalid");
      expect(await open[index]?.outcome("session.whoami", {}), method).toBe("out_of_order");
    }
    expect(await adding.outcome("factor.confirm", { code: hotpOf(offer, 0) })).toBe("session_invalid");
    expect((await storedAccount(server, alice)).factors).toHaveLength(1);
    expect((await server.audit()).length).toBe(before);
  });

  it("another person's session cannot be revoked by its id", async () => {
    const { server, client } = await entered();
    const bob = await registered(server, "bob");
    const his = await WireClient.open(server);
    const { session } = await logIn(his, bob, bob.code(server.clock));
    expect(await client.outcome("session.revoke", { session: session as `ses_${string}` })).toBe("id_unknown");
    await his.ok("session.whoami", {});
  });
});

it("attack 35: every call on a session is a use of it", async () => {
  const { server, client } = await entered();
  for (const method of ["session.list", "device.list", "recovery.status"] as const) {
    for (let calls = 0; calls < 3; calls++) {
      server.clock.advance(20 * MINUTE);
      expect(await client.outcome(method, {}), method).toBe("ok");
    }
  }
});
