import { readdirSync, readFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { findAccount, putAccount } from "../../packages/server/src/records/account.js";
import { untouchedBudget } from "../../packages/server/src/records/budget.js";
import { putCounterQuota } from "../../packages/server/src/records/stranger-counter.js";
import { NEW_COUNTERS_AN_HOUR } from "../../packages/server/src/services/stranger-counters.js";
import { section, tableRows } from "./page.js";
import { type Failure, PageClient } from "./page-client.js";
import { addAuthenticator, login, proof, provePassword, type Registered, register } from "./page-person.js";
import { startTestServer, type TestServer, type TestServerOptions } from "./test-server.js";

const password = "purple monkey dishwasher";
const alice = { name: "alice", password };
const wrongProof = { M1: "ab".repeat(32), mac: "cd".repeat(32) };
const one = `${"0".repeat(511)}1`;

let server: TestServer;
let registered: Registered;
const opened: TestServer[] = [];

async function anotherServer(options: TestServerOptions = {}): Promise<TestServer> {
  const another = await startTestServer(options);
  opened.push(another);
  return another;
}

beforeAll(async () => {
  server = await anotherServer();
  registered = await register(await PageClient.open(server), server, alice);
});
afterAll(() => Promise.all(opened.map((each) => each.close())));

/** An error as a client meets it. */
interface Answer {
  readonly failure: Failure;
  readonly client: PageClient;
  /** Where the connection is left, if it goes on. */
  readonly awaits?: "start" | "session call";
}

/** How to get each error of the page's table out of a server. */
const provocations: Record<string, () => Promise<Answer>> = {
  bad_request: () => refusedBy("session.nothing", {}),
  out_of_order: () => refusedBy("session.whoami", {}),
  name_invalid: () => refusedBy("login.start", { name: "two words", A: "ab".repeat(256) }),
  name_taken: () => refusedBy("register.start", { name: "ALICE" }),
  ephemeral_invalid: () => refusedBy("login.start", { name: "alice", A: one }),
  session_invalid: () =>
    refusedBy("session.resume", {
      account: `acc_${"ab".repeat(16)}`,
      session: `ses_${"ab".repeat(16)}`,
      mac: "cd".repeat(32),
    }),

  line_too_long: async () => {
    const client = await PageClient.open(server);
    client.write(" ".repeat(4097));
    return unasked(client);
  },
  step_timeout: async () => unasked(await PageClient.silent(await anotherServer({ deadlines: { step: 0.01 } }))),
  shutting_down: async () => {
    const stopping = await startTestServer();
    const client = await PageClient.open(stopping);
    await stopping.close();
    return unasked(client);
  },
  internal: () => failedBy(true),
  unavailable: () => failedBy("away"),
  busy: async () => {
    const full = await anotherServer();
    const quota = { hour: Math.floor(full.time / 3600), made: NEW_COUNTERS_AN_HOUR, noted: false };
    await full.barrier.transact((tx) => putCounterQuota(tx, quota));
    return wrongPassword(await PageClient.open(full), "bob");
  },

  registration_closed: async () => {
    const client = await PageClient.open(await anotherServer({ registration: "closed" }));
    return { client, failure: await client.refused("register.start", { name: "bob" }) };
  },
  invite_needed: async () => {
    const client = await PageClient.open(await anotherServer({ registration: "invite" }));
    return { client, failure: await client.refused("register.start", { name: "bob" }) };
  },
  token_invalid: () => refusedBy("reset.start", { name: "alice", mac: "ab".repeat(32) }),
  verifier_invalid: async () => {
    const client = await PageClient.open(server);
    await client.call("register.start", { name: "bob" });
    return { client, failure: await client.refused("register.verifier", { verifier: one }) };
  },
  login_failed: async () => wrongPassword(await PageClient.open(server), "nobody"),
  code_refused: async () => {
    const client = await PageClient.open(server);
    await client.call("register.start", { name: "bob" });
    await client.call("register.verifier", { verifier: "ab".repeat(256) });
    for (let left = 9; left > 0; left--) await client.refused("register.confirm", { code: "no code" });
    return { client, failure: await client.refused("register.confirm", { code: "no code" }) };
  },
  throttled: async () => {
    const client = await PageClient.open(server);
    for (let charged = 0; charged < 5; charged++) await wrongPassword(client, "carol");
    return wrongPassword(client, "carol");
  },
  rate_limited: async () => {
    const limiting = await anotherServer({ byAddress: true });
    const client = await PageClient.open(limiting);
    const start = () => client.refused("register.start", { name: "two words" });
    for (let begun = 0; begun < 30; begun++) await start();
    const failure = await start();
    limiting.time += 2;
    return { client, failure };
  },
  codes_locked: async () => {
    const { barrier } = server;
    await barrier.transact(async (tx) => {
      const index = barrier.nameIndex("alice");
      const account = await findAccount(tx, index);
      if (account === undefined) throw new Error("alice is gone");
      const codeBudget = { ...untouchedBudget, failures: 100 };
      await putAccount(tx, index, { ...account, codeBudget });
    });
    const client = await PageClient.open(server);
    await provePassword(client, alice);
    const failure = await client.refused("login.code", { code: "123456" });
    await provePassword(client, alice);
    await client.call("login.code", { code: registered.recoveryCodes[0] });
    await client.call("session.logout", {});
    return { client, failure };
  },
  account_disabled: async () => {
    const { barrier } = server;
    const index = barrier.nameIndex("alice");
    const putDisabled = (disabledAt: number | undefined) =>
      barrier.transact(async (tx) => {
        const account = await findAccount(tx, index);
        if (account === undefined) throw new Error("alice is gone");
        const { disabledAt: _before, ...open } = account;
        await putAccount(tx, index, disabledAt === undefined ? open : { ...open, disabledAt });
      });
    await putDisabled(1);
    const client = await PageClient.open(server);
    await provePassword(client, alice);
    const failure = await client.refused("login.code", { code: registered.recoveryCodes[5] });
    await putDisabled(undefined);
    return { client, failure };
  },

  step_up_needed: async () => {
    const client = await loggedIn();
    server.time += 300;
    return refusedInSession(client, "factor.list", {});
  },
  id_unknown: async () => refusedInSession(await loggedIn(), "device.forget", { device: `dev_${"ab".repeat(16)}` }),
  last_factor: async () => {
    const client = await loggedIn();
    const { factors } = await client.call("factor.list", {});
    return refusedInSession(client, "factor.remove", { factor: factors[0]?.factor });
  },
  too_many_factors: async () => {
    const client = await PageClient.open(server);
    await login(client, server, await register(client, server, { ...alice, name: "grace" }));
    for (let has = 1; has < 8; has++) await addAuthenticator(client, server, { kind: "totp" });
    return refusedInSession(client, "factor.add", { kind: "totp" });
  },
  label_invalid: async () => refusedInSession(await loggedIn(), "factor.add", { kind: "hotp", label: " phone" }),
  label_taken: async () => refusedInSession(await loggedIn(), "factor.add", { kind: "hotp", label: "authenticator" }),
};

async function failedBy(broken: true | "away"): Promise<Answer> {
  const failing = await anotherServer();
  const client = await PageClient.open(failing);
  const { params } = await proof(client, alice);
  failing.broken = broken;
  const failure = await client.refused("login.proof", params);
  failing.broken = false;
  return { client, failure };
}

async function loggedIn(): Promise<PageClient> {
  const client = await PageClient.open(server);
  await login(client, server, registered);
  return client;
}

async function refusedInSession(client: PageClient, method: string, params: object): Promise<Answer> {
  return { client, failure: await client.refused(method, params), awaits: "session call" };
}

async function refusedBy(method: string, params: object): Promise<Answer> {
  const client = await PageClient.open(server);
  return { client, failure: await client.refused(method, params) };
}

async function unasked(client: PageClient): Promise<Answer> {
  return { client, failure: JSON.parse((await client.line()) ?? "") };
}

async function wrongPassword(client: PageClient, name: string): Promise<Answer> {
  await client.call("login.start", { name, A: "ab".repeat(256) });
  return { client, failure: await client.refused("login.proof", wrongProof) };
}

const rows = tableRows(section("## Errors"));
const withoutId = ["line_too_long", "step_timeout", "shutting_down"];

describe("each row of the page's table of errors", () => {
  it.each(rows)("is what a server answers: %s", async (code = "", number, _when, then, retryAfter) => {
    const provoke = provocations[code];
    if (provoke === undefined) throw new Error(`no server was made to answer ${code}`);
    const { client, failure, awaits = "start" } = await provoke();
    const { id, error } = failure;
    expect({ code: error.data.code, number: error.code }).toEqual({ code, number: Number(number) });
    expect(typeof error.message).toBe("string");
    expect(error.data.retry_after !== undefined).toBe(retryAfter === "yes");
    expect(id === null).toBe(withoutId.includes(code));
    if (then === "closes") expect(await client.line()).toBeUndefined();
    else if (awaits === "session call") expect(await client.call("session.whoami", {})).toHaveProperty("session");
    else expect(await client.call("login.start", { name: "dave", A: "ab".repeat(256) })).toHaveProperty("B");
    client.close();
  });

  it("names how long to wait in whole seconds", async () => {
    const client = await PageClient.open(server);
    for (let charged = 0; charged < 5; charged++) await wrongPassword(client, "erin");
    server.time += 10;
    const { failure } = await wrongPassword(client, "erin");
    expect(failure.error.data.retry_after).toBe(20);
    client.close();
  });

  it("is there for every code that the server's rules can throw", () => {
    const listed = new Set(rows.map(([code]) => code));
    expect(thrownByTheRules().filter((code) => !listed.has(code) && !unsaid.test(code))).toEqual([]);
  });
});

describe("a wrong code", () => {
  it("leaves a registration where it was, until the tenth", async () => {
    const client = await PageClient.open(server);
    await client.call("register.start", { name: "frank" });
    await client.call("register.verifier", { verifier: "ab".repeat(256) });
    const codes: string[] = [];
    for (let tries = 0; tries < 11; tries++) codes.push(await client.refusal("register.confirm", { code: "no code" }));
    expect(codes).toEqual([...Array<string>(10).fill("code_refused"), "out_of_order"]);
  });

  it("leaves a login where it was: the next code counts", async () => {
    const client = await PageClient.open(server);
    await provePassword(client, alice);
    expect(await client.refusal("login.code", { code: "12345" })).toBe("code_refused");
    const [, code] = registered.recoveryCodes;
    expect(await client.call("login.code", { code })).toHaveProperty("secret");
    client.close();
  });

  it("leaves a new authenticator where it was, until the tenth: then the session goes on", async () => {
    const client = await loggedIn();
    await client.call("factor.add", { kind: "totp" });
    for (let tries = 0; tries < 10; tries++) {
      expect(await client.refusal("factor.confirm", { code: "no code" })).toBe("code_refused");
    }
    expect((await client.call("factor.list", {})).factors).toHaveLength(1);
    client.close();
  });

  it.each(["session.verify", "account.delete"])("leaves a session where it was, in %s too", async (method) => {
    const client = await loggedIn();
    for (let charged = 0; charged < 5; charged++) {
      expect(await client.refusal(method, { code: "no code" })).toBe("code_refused");
    }
    const { error } = await client.refused(method, { code: "no code" });
    expect(error.data).toMatchObject({ code: "throttled", retry_after: 30 });
    expect(await client.call("session.whoami", {})).toHaveProperty("session");
    client.close();
  });
});

describe("an error in the middle of a login", () => {
  it("leaves it where it is, when it is unavailable: the same code is taken when the database is back", async () => {
    const another = await anotherServer();
    const client = await PageClient.open(another);
    const { recoveryCodes } = await register(client, another, alice);
    await provePassword(client, alice);
    another.broken = "away";
    for (const code of ["no code", recoveryCodes[0]]) {
      expect(await client.refusal("login.code", { code })).toBe("unavailable");
    }
    another.broken = false;
    expect(await client.call("login.code", { code: recoveryCodes[0] })).toHaveProperty("secret");
    client.close();
  });

  it("leads back to its start, as throttled does", async () => {
    const another = await anotherServer();
    const client = await PageClient.open(another);
    await register(client, another, alice);
    await provePassword(client, alice);
    for (let tries = 0; tries < 5; tries++) await client.refused("login.code", { code: "no code" });
    expect(await client.refusal("login.code", { code: "no code" })).toBe("throttled");
    expect(await client.refusal("login.code", { code: "no code" })).toBe("out_of_order");
  });

  it("leaves it where it is, when it is verifier_invalid: no code was looked at", async () => {
    const another = await anotherServer();
    const client = await PageClient.open(another);
    await register(client, another, alice);
    await provePassword(client, alice);
    const restretched = { generation: 2, verifier: one };
    expect(await client.refusal("login.code", { code: "no code", restretched })).toBe("verifier_invalid");
    expect(await client.refusal("login.code", { code: "no code" })).toBe("code_refused");
  });
});

/** What a peer never sees: the server says `internal` for it, or it is thrown where there is no peer. */
const unsaid = /^(?:bug|usage|user_unknown|(?:store|audit|address|nodes?)_\w+)$/;

/** The codes that stand in the source of what a request passes through; what applications ask comes by HTTPS alone. */
function thrownByTheRules(): string[] {
  const folders = ["server/src/wire", "server/src/services", "shared/src/names"].map(
    (folder) => new URL(`../../packages/${folder}/`, import.meta.url),
  );
  const parsers = ["frames/line-splitter", "srp/server", "srp/parse"].map(
    (name) => new URL(`../../packages/shared/src/${name}.ts`, import.meta.url),
  );
  const files = folders.flatMap((folder) =>
    readdirSync(folder, { encoding: "utf8", recursive: true }).flatMap((file) =>
      file.endsWith(".ts") && !/^(?:applications|challenges)\//.test(file) ? [new URL(file, folder)] : [],
    ),
  );
  const sources = [...files, ...parsers].map((file) => readFileSync(file, "utf8")).join("\n");
  const thrown = [...sources.matchAll(/PosternError\("(\w+)"/g)].map(([, code = ""]) => code);
  expect(thrown.length).toBeGreaterThan(20);
  return [...new Set(thrown)];
}
