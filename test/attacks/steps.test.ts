import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Method } from "@postern/shared/messages";
import { clientEphemeral } from "@postern/shared/srp/client";
import { describe, expect, expectTypeOf, it } from "vitest";
import type { AuditRow } from "../../packages/server/src/records/audit-log.js";
import { sessionsOf } from "../../packages/server/src/records/session.js";
import type { grantSession } from "../../packages/server/src/services/sessions.js";
import type { CodeVerified, PasswordVerified } from "../../packages/server/src/services/witnesses.js";
import type { StateOf } from "../../packages/server/src/wire/states.js";
import { everyMethod, fittingParams, sessionCalls } from "../support/fitting-params.js";
import { startInProcess, type TestServer } from "../support/in-process.js";
import { resetProof, resetSecret } from "../support/operator-tokens.js";
import { guessedProof, logIn, Person, provePassword, register, registered, startLogin } from "../support/person.js";
import { codeOf, WireClient } from "../support/wire-client.js";

interface Awaiting {
  readonly reach: (server: TestServer, alice: Person) => Promise<WireClient>;
  readonly calls: readonly Method[];
}

const nameAsked = async (server: TestServer) => {
  const client = await WireClient.open(server);
  await client.ok("register.start", { name: "mallory" });
  return client;
};

const states: Record<string, Awaiting> = {
  hello: { reach: (server) => WireClient.connect(server), calls: ["hello"] },
  start: {
    reach: (server) => WireClient.open(server),
    calls: ["register.start", "login.start", "reset.start", "session.resume"],
  },
  verifier: { reach: nameAsked, calls: ["register.verifier"] },
  "first-code": {
    reach: async (server) => {
      const client = await nameAsked(server);
      await client.ok("register.verifier", { verifier: clientEphemeral().publicHex });
      return client;
    },
    calls: ["register.confirm"],
  },
  proof: {
    reach: async (server) => {
      const client = await WireClient.open(server);
      await startLogin(client, "alice");
      return client;
    },
    calls: ["login.proof"],
  },
  code: {
    reach: async (server, alice) => {
      const client = await WireClient.open(server);
      await provePassword(client, alice);
      return client;
    },
    calls: ["login.code", "password.change", "reset.factors"],
  },
  "reset-code": {
    reach: async (server) => {
      const client = await WireClient.open(server);
      await client.ok("reset.start", resetProof(client, "alice", await resetSecret(server, "alice", "password")));
      return client;
    },
    calls: ["reset.password"],
  },
  "replacement-code": {
    reach: async (server, alice) => {
      const client = await WireClient.open(server);
      await provePassword(client, alice);
      await client.ok("reset.factors", { token: await resetSecret(server, "alice", "factors") });
      return client;
    },
    calls: ["reset.confirm"],
  },
  "session-call": {
    reach: async (server, alice) => {
      const client = await WireClient.open(server);
      server.clock.advance(30_000);
      await logIn(client, alice, alice.code(server.clock));
      return client;
    },
    calls: sessionCalls,
  },
  "factor-code": {
    reach: async (server, alice) => {
      const client = await WireClient.open(server);
      server.clock.advance(30_000);
      await logIn(client, alice, alice.code(server.clock));
      await client.ok("factor.add", { kind: "totp" });
      return client;
    },
    calls: ["factor.confirm"],
  },
};

/** What the way to a state leaves in the log. */
const reaching: ReadonlySet<string> = new Set([
  "login.code",
  "login",
  "user.reset-password",
  "user.reset-factors",
  "password.reset.start",
  "factor.reset.start",
]);

/** The way is gone more than ten times: the oldest sessions and devices make room. */
const isNoLimit = ({ reason = "" }: AuditRow) => !reason.endsWith("limit");

describe("attack 3: a step skipped, repeated or out of order", () => {
  it.each(Object.entries(states))("awaiting %s, every other call ends the connection", async (_name, state) => {
    const server = await startInProcess();
    const alice = await registered(server);
    const told = async () =>
      (await server.audit()).filter(({ event }) => !reaching.has(event)).filter(isNoLimit).length;
    const before = await told();
    for (const method of everyMethod.filter((other) => !state.calls.includes(other))) {
      const client = await state.reach(server, alice);
      expect(codeOf(await client.call(method, fittingParams[method])), method).toBe("out_of_order");
      expect(await client.reply(), method).toBeUndefined();
    }
    expect(await told()).toBe(before);
  });

  it("after a refusal the connection stands at the start again: nothing of the login before is left", async () => {
    const server = await startInProcess();
    const alice = await registered(server);
    const client = await WireClient.open(server);
    await startLogin(client, "alice");
    expect(await client.outcome("login.proof", guessedProof())).toBe("login_failed");
    expect(await client.outcome("login.code", { code: alice.code(server.clock) })).toBe("out_of_order");
  });
});

/** What a proved password awaits: each takes a code before anything else. */
const takeCode: ReadonlySet<Method> = new Set(["login.code", "password.change", "reset.factors"]);

describe("attack 27: half-authenticated state", () => {
  it("after the password alone there is no session to be had by any call", async () => {
    const server = await startInProcess();
    const alice = await registered(server);
    for (const method of everyMethod.filter((other) => !takeCode.has(other))) {
      const client = await WireClient.open(server);
      await provePassword(client, alice);
      expect(codeOf(await client.call(method, fittingParams[method])), method).toBe("out_of_order");
    }
    const sessions = await server.barrier.read((tx) => sessionsOf(tx, alice.account as `acc_${string}`));
    expect(sessions).toEqual([]);
  });

  it("the password of one person does not open the way for the code of another", async () => {
    const server = await startInProcess();
    const [alice, bob] = [await registered(server, "alice"), await registered(server, "bob")];
    const client = await WireClient.open(server);
    await provePassword(client, alice);
    expect(await client.outcome("login.code", { code: bob.code(server.clock) })).toBe("code_refused");
    await startAnew(server, bob);
  });

  it("a login that stops after the right password leaves a record of it", async () => {
    const server = await startInProcess();
    const alice = await registered(server);
    const client = await WireClient.open(server);
    await provePassword(client, alice);
    await client.close();
    await server.close();
    expect(await server.audit()).toContainEqual(
      expect.objectContaining({ event: "login.code", outcome: "refused", reason: "no_code", account: alice.account }),
    );
  });

  it("a registration that stops before its first code leaves no account, and the name is free", async () => {
    const server = await startInProcess();
    const client = await nameAsked(server);
    await client.ok("register.verifier", { verifier: clientEphemeral().publicHex });
    expect(await client.outcome("register.confirm", { code: "000000" })).toBe("code_refused");
    await client.close();
    await registered(server, "mallory");
  });

  it("an enrolment takes ten wrong first codes and no more", async () => {
    const server = await startInProcess();
    const client = await nameAsked(server);
    await client.ok("register.verifier", { verifier: clientEphemeral().publicHex });
    const outcomes: string[] = [];
    for (let tries = 0; tries < 11; tries++) outcomes.push(await client.outcome("register.confirm", { code: "x" }));
    expect(outcomes).toEqual([...Array(10).fill("code_refused"), "out_of_order"]);
  });

  it("of two who enrol for one name at once, the second to confirm is told name_taken", async () => {
    const server = await startInProcess();
    const people = [new Person("mallory"), new Person("mallory", "another password")];
    const clients = await Promise.all(people.map(() => WireClient.open(server)));
    const outcomes = await Promise.allSettled(
      people.map((person, index) => register(clients[index] as WireClient, person, server)),
    );
    expect(outcomes.filter(({ status }) => status === "fulfilled")).toHaveLength(1);
    const [lost] = outcomes.filter((outcome) => outcome.status === "rejected");
    expect(String(lost?.reason)).toContain("name_taken");
  });
});

async function startAnew(server: TestServer, person: Person): Promise<void> {
  const client = await WireClient.open(server);
  await logIn(client, person, person.code(server.clock));
}

describe("promise 5: a forgotten factor is a type error", () => {
  it("grantSession takes both witnesses, which nothing but the checks can make", () => {
    type Needs = Parameters<typeof grantSession>[3];
    expectTypeOf<Needs["password"]>().toEqualTypeOf<PasswordVerified>();
    expectTypeOf<Needs["code"]>().toEqualTypeOf<CodeVerified>();
    expectTypeOf<
      Pick<PasswordVerified, "account" | "identity" | "nameIndex" | "passwordVersion" | "guesser">
    >().not.toExtend<PasswordVerified>();
    expectTypeOf<Pick<CodeVerified, "amr">>().not.toExtend<CodeVerified>();
    expectTypeOf<PasswordVerified>().not.toExtend<CodeVerified>();
  });

  it("each witness is made behind its check, and nowhere else", async () => {
    const source = fileURLToPath(new URL("../../packages/server/src", import.meta.url));
    const made: string[] = [];
    for (const file of (await readdir(source, { recursive: true })).filter((name) => name.endsWith(".ts"))) {
      const text = await readFile(join(source, file), "utf8");
      for (const [cast] of text.matchAll(
        /\bas (?:unknown as )?(?:PasswordVerified|CodeVerified|FreshSession|ResetTokenShown)\b/g,
      )) {
        made.push(`${file}: ${cast}`);
      }
    }
    expect(made.sort()).toEqual([
      "services/code-guess.ts: as CodeVerified",
      "services/login.ts: as PasswordVerified",
      "services/password-reset.ts: as ResetTokenShown",
      "services/step-up.ts: as FreshSession",
    ]);
  });

  it("a state that awaits a code carries the proved password and no session", () => {
    expectTypeOf<StateOf<"code">["password"]>().toEqualTypeOf<PasswordVerified>();
    expectTypeOf<keyof StateOf<"code">>().toEqualTypeOf<"awaits" | "password" | "tried">();
    expectTypeOf<keyof StateOf<"proof">>().toEqualTypeOf<"awaits" | "challenge">();
    expectTypeOf<keyof StateOf<"start">>().toEqualTypeOf<"awaits">();
  });
});
