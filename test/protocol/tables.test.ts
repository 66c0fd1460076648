import { type ErrorCode, errors, isErrorCode, PosternError } from "@postern/shared/errors";
import { fingerprintOf } from "@postern/shared/fingerprint";
import { MAX_DEPTH } from "@postern/shared/frames/strict-json";
import { stretchCeiling, stretchFloor } from "@postern/shared/kdf";
import { deadlines, factorKinds, lineLimits, type Method, methods, PROTOCOL } from "@postern/shared/messages";
import { newRecoveryCodes, RECOVERY_CODES } from "@postern/shared/otp/recovery-code";
import { DEFAULT_PORT } from "@postern/shared/server-address";
import { group2048 } from "@postern/shared/srp/group";
import { describe, expect, it } from "vitest";
import { defaultLimits } from "../../packages/server/src/server.js";
import { budgetState, CODE_FAILURES_MAX, chargeBudget } from "../../packages/server/src/services/budget.js";
import { sessionLimits } from "../../packages/server/src/services/sessions.js";
import { TOKEN_LIFETIME } from "../../packages/server/src/services/tokens.js";
import { AddressLimits } from "../../packages/server/src/wire/address-limits.js";
import { type Awaits, deadlineOf, type State } from "../../packages/server/src/wire/states.js";
import { recoverable, type StepContext, stateAfter, takeStep } from "../../packages/server/src/wire/steps.js";
import * as byThePage from "./by-the-page.js";
import { fields, page, section, sentences, tableRows } from "./page.js";

const calls = Object.keys(methods) as Method[];

describe("the calls of the page", () => {
  it.each(calls)("%s: its parameters and its result, no field more and none less", (method) => {
    expect(fields(method, "Params")).toEqual(Object.keys(methods[method].params.shape));
    expect(fields(method, "Result").toSorted()).toEqual(Object.keys(methods[method].result.shape).toSorted());
  });

  it("are those that the programs know", () => {
    const headings = [...page.matchAll(/^### `(.+)`$/gm)].map(([, method]) => method);
    expect(headings.toSorted()).toEqual(calls.toSorted());
  });

  it("say what Argon2id's parameters are called", () => {
    const { stretch } = methods["login.start"].result.shape;
    for (const field of Object.keys(stretch.shape)) expect(section("## Values")).toContain(`\`${field}\``);
  });

  it("name every factor, algorithm and way to register that there is", () => {
    const { algorithm } = methods["register.verifier"].result.shape;
    const { registration } = methods.hello.result.shape;
    for (const value of [...factorKinds, ...algorithm.options, ...registration.options]) {
      expect(page).toContain(`\`"${value}"\``);
    }
  });
});

/** A name of the page: the programs write it with a dash. */
const state = (cell = "") => cell.replace(" ", "-") as Awaits;

describe("the states of the page", () => {
  const rows = tableRows(section("## Steps"));
  const awaited = Object.keys(deadlineOf) as Awaits[];

  it("are the server's, each with the calls that are possible in it and no other", async () => {
    const possible: [Awaits, string][] = [];
    for (const awaits of awaited) {
      for (const method of calls) if (await isPossible(awaits, method)) possible.push([awaits, method]);
    }
    expect(rows.map(([from, method]) => [state(from), method]).toSorted()).toEqual(possible.toSorted());
  });

  it("wait as long as the server does", () => {
    const seconds = (cell = "") => (cell.startsWith("the rest") ? deadlines.registration : Number(cell.split(" ")[0]));
    for (const [from, method, , time] of rows) {
      expect(seconds(time), method).toBe(defaultLimits.deadlines[deadlineOf[state(from)]]);
    }
  });

  it("lead to states that exist", () => {
    for (const [, method, next] of rows) expect(awaited, method).toContain(state(next));
  });
});

/** Whether a state takes a call: with nothing behind it, one that it takes fails in another way than by its order. */
async function isPossible(awaits: Awaits, method: Method): Promise<boolean> {
  const nothing = new Proxy({}, { get: () => expect.fail("beyond the step") }) as StepContext;
  try {
    await takeStep({ awaits } as State, method, someParams[method], nothing);
    return true;
  } catch (thrown) {
    return !(thrown instanceof PosternError && thrown.code === "out_of_order");
  }
}

const someParams: Record<Method, object> = {
  hello: { client: "c", version: "1", features: [] },
  "register.start": { name: "alice" },
  "register.verifier": { verifier: "ab".repeat(256) },
  "register.confirm": { code: "123456" },
  "login.start": { name: "alice", A: "ab".repeat(256) },
  "login.proof": { M1: "ab".repeat(32), mac: "ab".repeat(32) },
  "login.code": { code: "123456" },
  "session.resume": { secret: `pss_${"ab".repeat(32)}_${"cd".repeat(32)}` },
  "session.whoami": {},
  "session.token": {},
  "session.logout": {},
};

describe("the errors of the page", () => {
  const rows = tableRows(section("## Errors"));

  it.each(rows)("%s has the number %s of the programs", (code, number) => {
    expect(isErrorCode(code) && errors[code].rpc).toBe(Number(number));
  });

  it.each(rows)("%s (%s): what becomes of the connection is what the server does", (code, _number, _when, then) => {
    const next = stateAfter({ awaits: "code" } as State, new PosternError(code as ErrorCode));
    const becomes = { start: "goes on", code: "stays", closed: "closes" } as Record<string, string>;
    expect(then).toBe(becomes[next?.awaits ?? "closed"]);
  });

  it("are each listed once, with all after which a connection goes on", () => {
    const codes = rows.map(([code]) => code);
    expect(new Set(codes).size).toBe(codes.length);
    expect(codes).toEqual(expect.arrayContaining([...recoverable]));
  });
});

describe("the numbers of the page", () => {
  /** By what is allowed: the first beyond it. */
  const ordinals: Record<number, string> = { 8: "a ninth" };
  const count = (number: number) => number.toLocaleString("en-US");

  it.each([
    `# The wire protocol \`${PROTOCOL}\``,
    `by default port ${DEFAULT_PORT}`,
    `ALPN protocol name \`${PROTOCOL}\``,
    `The handshake has to be done within ${deadlines.handshake} seconds.`,
    `at most ${count(lineLimits.unauthenticated)} bytes while the connection has no session`,
    `${count(lineLimits.authenticated)} bytes while it has one`,
    `nesting of more than ${MAX_DEPTH} levels`,
    `connections without a session are open (${defaultLimits.unauthenticated}), or with one (${count(defaultLimits.authenticated)})`,
    `${ordinals[defaultLimits.perAddress]} connection without a session comes from one network address`,
    `below ${count(stretchFloor.memory_kib)} KiB or ${stretchFloor.passes} passes`,
    `above ${count(stretchCeiling.memory_kib)} KiB or ${stretchCeiling.passes} passes`,
    `ends ${sessionLimits.absoluteMs / 3_600_000} hours after the login`,
    `not used for ${sessionLimits.idleMs / 60_000} minutes`,
    `\`expires_in\` (integer): seconds; ${TOKEN_LIFETIME}.`,
    `\`cache-control: public, max-age=${TOKEN_LIFETIME}\``,
    `After ${CODE_FAILURES_MAX} wrong codes in a row`,
    `k is \`${byThePage.k.toString("hex")}\``,
  ])("hold: %s", (sentence) => {
    expect(sentences.includes(sentence)).toBe(true);
  });

  it("spell N of the group that the programs use", () => {
    expect(byThePage.N).toBe(group2048.prime);
  });

  it("tell how guesses are paid for: four free, then 30 seconds, doubling to an hour", () => {
    let budget = { failures: 0, lastFailure: 0, blockedUntil: 0 };
    const waits = Array.from({ length: 13 }, () => {
      budget = chargeBudget(budget, 0);
      const charged = budgetState(budget, 0);
      return charged.kind === "blocked" ? charged.retryAfter : 0;
    });
    expect(waits).toEqual([0, 0, 0, 0, 30, 60, 120, 240, 480, 960, 1920, 3600, 3600]);
    expect(sentences.includes("The first four in a row are free. The fifth closes the name for 30 seconds")).toBe(true);
  });

  it("tell how often an address may begin", () => {
    const limits = new AddressLimits({ now: () => 0, exempt: () => false });
    const waits = Array.from({ length: 32 }, () => limits.takeStart("192.0.2.1"));
    expect(waits).toEqual([...Array<number>(30).fill(0), 2, 2]);
    expect(sentences.includes("thirty at once, and then one more every 2 seconds")).toBe(true);
  });

  it("count ten sessions, and ten recovery codes of the alphabet that is given", () => {
    const [, alphabet = ""] = /25 characters of `(\w{32})`/.exec(page) ?? [];
    const every = Buffer.from(Array.from({ length: 32 }, (_, index) => index));
    const drawn = newRecoveryCodes(() => every.subarray(0, 25)).concat(newRecoveryCodes(() => every.subarray(7)));
    expect(new Set(drawn.join(""))).toEqual(new Set(alphabet));
    expect([RECOVERY_CODES, sessionLimits.perAccount]).toEqual([10, 10]);
    expect(sentences.includes("`recovery_codes` (array of strings): ten codes")).toBe(true);
    expect(sentences.includes("A person has at most ten sessions")).toBe(true);
  });

  it("count the characters of a fingerprint", () => {
    const [prefix, digest = ""] = fingerprintOf(Buffer.from("key")).split(":");
    expect(sentences.includes(`The fingerprint is \`${prefix}:\` followed by the base64`)).toBe(true);
    expect(sentences.includes(`without padding: ${digest.length} characters`)).toBe(true);
  });
});
