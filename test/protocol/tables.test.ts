import { channelExporter } from "@postern/shared/channel";
import { type ErrorCode, errors, isErrorCode, PosternError } from "@postern/shared/errors";
import { fingerprintOf } from "@postern/shared/fingerprint";
import { MAX_DEPTH } from "@postern/shared/frames/strict-json";
import { firstStretchGeneration, stretchCeiling, stretchFloor, stretchGenerations } from "@postern/shared/kdf";
import { deadlines, factorKinds, lineLimits, type Method, methods, PROTOCOL } from "@postern/shared/messages";
import {
  digitLimits,
  HOTP_LOOK_AHEAD,
  HOTP_RESYNC_RANGE,
  otpAlgorithms,
  periodLimits,
  totpDefaults,
} from "@postern/shared/otp/parameters";
import { newRecoveryCodes, RECOVERY_CODES } from "@postern/shared/otp/recovery-code";
import { PAST_STEPS } from "@postern/shared/otp/totp";
import { DEFAULT_PORT } from "@postern/shared/server-address";
import { group2048 } from "@postern/shared/srp/group";
import { describe, expect, it } from "vitest";
import { untouchedBudget } from "../../packages/server/src/records/budget.js";
import { defaultLimits } from "../../packages/server/src/server.js";
import { budgetState, CODE_FAILURES_MAX, chargeBudget } from "../../packages/server/src/services/budget.js";
import { DEVICES_MAX } from "../../packages/server/src/services/devices.js";
import { FACTORS_MAX } from "../../packages/server/src/services/own-factors.js";
import { sessionLimits } from "../../packages/server/src/services/sessions.js";
import { FRESH_MS } from "../../packages/server/src/services/step-up.js";
import { TOKEN_LIFETIME } from "../../packages/server/src/services/tokens.js";
import { type Awaits, deadlineOf, type State } from "../../packages/server/src/wire/states.js";
import { recoverable, type StepContext, stateAfter, takeStep } from "../../packages/server/src/wire/steps.js";
import * as byThePage from "./by-the-page.js";
import { type Field, fields, page, section, sentences, tableRows, tables } from "./page.js";

const calls = Object.keys(methods) as Method[];

describe("the calls of the page", () => {
  it.each(calls)(
    "%s: its parameters and its result, no field more and none less, and which may be missing",
    (method) => {
      const { params, result } = methods[method];
      expect(fields(method, "Params").map(outline)).toEqual(outlines(params));
      const byName = (a: Outline, b: Outline) => a.name.localeCompare(b.name);
      expect(fields(method, "Result").map(outline).toSorted(byName)).toEqual(outlines(result).toSorted(byName));
    },
  );

  it("are those that the programs know", () => {
    const headings = [...page.matchAll(/^### `(.+)`$/gm)].map(([, method]) => method);
    expect(headings.toSorted()).toEqual(calls.toSorted());
  });

  it("say what stands in the objects that have a name of their own", () => {
    const { stretch } = methods["login.start"].result.shape;
    const { new_verifier: stretched } = methods["password.change"].params.shape;
    const said = (value: string) => tableRows(section("## Values")).find(([name]) => name === value)?.[2];
    for (const field of Object.keys(stretch.shape)) expect(said("stretch")).toContain(field);
    for (const field of Object.keys(stretched.shape)) expect(said("stretched verifier")).toContain(field);
  });

  it("name every factor, algorithm and way to register that there is", () => {
    const { algorithm } = methods["register.verifier"].result.shape;
    const { registration } = methods.hello.result.shape;
    for (const value of [...factorKinds, ...algorithm.options, ...registration.options]) {
      expect(page).toContain(`\`"${value}"\``);
    }
  });
});

/** A field's name, whether it may be missing, and what stands within it. */
interface Outline {
  readonly name: string;
  readonly optional: boolean;
  readonly within: readonly Outline[];
}

function outline({ name, type, optional, within }: Field): Outline {
  const named = /^stretch/.test(type) ? namedObjects[type as keyof typeof namedObjects] : within.map(outline);
  return { name, optional, within: named };
}

/** As much of a schema of messages.ts as says what stands in it. */
interface Schema {
  readonly def: {
    readonly type: string;
    readonly shape?: Readonly<Record<string, Schema>>;
    readonly element?: Schema;
    readonly innerType?: Schema;
  };
}

function outlines({ def: { shape = {} } }: Schema): Outline[] {
  return Object.entries(shape).map(([name, { def }]) => {
    const inner = def.innerType?.def ?? def;
    const { def: element } = inner.element ?? { def: inner };
    return { name, optional: def.type === "optional", within: outlines({ def: element }) };
  });
}

const namedObjects = {
  stretch: outlines(methods["login.start"].result.shape.stretch),
  "stretched verifier": outlines(methods["password.change"].params.shape.new_verifier),
};

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

const someCode = { code: "123456" };
const someVerifier = { generation: 1, verifier: "ab".repeat(256) };
const someId = (prefix: string) => `${prefix}_${"ab".repeat(16)}`;

const someParams: Record<Method, object> = {
  hello: { client: "c", version: "1", features: [] },
  "register.start": { name: "alice" },
  "register.verifier": { verifier: "ab".repeat(256) },
  "register.confirm": someCode,
  "login.start": { name: "alice", A: "ab".repeat(256) },
  "login.proof": { M1: "ab".repeat(32), mac: "ab".repeat(32) },
  "login.code": { ...someCode, restretched: someVerifier },
  "password.change": { ...someCode, new_verifier: someVerifier },
  "session.resume": { secret: `pss_${"ab".repeat(32)}_${"cd".repeat(32)}` },
  "session.whoami": {},
  "session.token": {},
  "session.verify": someCode,
  "session.list": {},
  "session.revoke": { session: someId("ses") },
  "session.revoke_others": {},
  "session.logout": {},
  "device.list": {},
  "device.forget": { device: someId("dev") },
  "device.forget_others": {},
  "factor.list": {},
  "factor.add": { kind: "totp" },
  "factor.confirm": someCode,
  "factor.remove": { factor: someId("fac") },
  "recovery.status": {},
  "recovery.regenerate": {},
  "account.delete": someCode,
};

describe("the errors of the page", () => {
  const rows = tableRows(section("## Errors"));

  it.each(rows)("%s has the number %s of the programs", (code, number) => {
    expect(isErrorCode(code) && errors[code].rpc).toBe(Number(number));
  });

  it("are each listed once, with all after which a connection goes on", () => {
    const codes = rows.map(([code]) => code);
    expect(new Set(codes).size).toBe(codes.length);
    expect(codes).toEqual(expect.arrayContaining([...recoverable]));
  });
});

describe("what becomes of a connection after an error", () => {
  const errorRows = tableRows(section("## Errors"));
  const [, becomes = []] = tables(section("## Steps"));
  const awaited = Object.keys(deadlineOf) as Awaits[];

  /** Where a connection stands after an error, as the page says. */
  function byThePage(awaits: Awaits, code: ErrorCode, { last }: { last: boolean }): string {
    const row = becomes.find(([from]) => state(from) === awaits);
    const [, afterCode = "", afterSession = "", afterOther = ""] = row ?? [];
    const cell = code === "code_refused" ? afterCode : code === "session_invalid" ? afterSession : afterOther;
    const [usual = "", tenth = usual] = cell.split("; the tenth time ");
    return state(last ? tenth : usual);
  }

  it("is said for each state", () => {
    expect(becomes.map(([from]) => state(from)).toSorted()).toEqual(awaited.toSorted());
  });

  it.each(errorRows)("%s (%s): is what the server does, in each state", (code, _number, _when, then) => {
    const thrown = new PosternError(code as ErrorCode);
    for (const awaits of awaited) {
      for (const last of [false, true]) {
        const next = stateAfter(stateIn(awaits, { triesLeft: last ? 0 : 1 }), thrown)?.awaits;
        const said = then === "closes" ? undefined : byThePage(awaits, thrown.code, { last });
        if (said !== "-") expect(next, awaits).toBe(said);
      }
    }
  });
});

/** A state as far as an error can tell it from others. */
function stateIn(awaits: Awaits, { triesLeft }: { triesLeft: number }): State {
  const enrolment = { triesLeft, authenticator: { triesLeft } };
  return { awaits, enrolment } as unknown as State;
}

describe("the numbers of the page", () => {
  const count = (number: number) => number.toLocaleString("en-US");
  const numerals = ["", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"];

  it.each([
    `# The wire protocol \`${PROTOCOL}\``,
    `by default port ${DEFAULT_PORT}`,
    `ALPN protocol name \`${PROTOCOL}\``,
    `The handshake has to be done within ${deadlines.handshake} seconds.`,
    `at most ${count(lineLimits.unauthenticated)} bytes while the connection has no session`,
    `${count(lineLimits.authenticated)} bytes while it has one`,
    `nesting of more than ${MAX_DEPTH} levels`,
    `connections without a session are open (${defaultLimits.unauthenticated}), or with one (${count(defaultLimits.authenticated)})`,
    `below ${count(stretchFloor.memory_kib)} KiB or ${stretchFloor.passes} passes`,
    `above ${count(stretchCeiling.memory_kib)} KiB or ${stretchCeiling.passes} passes`,
    `ends ${sessionLimits.absoluteMs / 3_600_000} hours after the login`,
    `not used for ${sessionLimits.idleMs / 60_000} minutes`,
    `\`expires_in\` (integer): seconds; ${TOKEN_LIFETIME}.`,
    `\`cache-control: public, max-age=${TOKEN_LIFETIME}\``,
    `After ${CODE_FAILURES_MAX} wrong codes in a row`,
    `a person has at most ${numerals[DEVICES_MAX]} known devices`,
    `${numerals[DEVICES_MAX]} others were used for a login since`,
    `A person has one to ${numerals[FACTORS_MAX]} authenticators`,
    `there are ${numerals[FACTORS_MAX]} |`,
    `given within the last ${numerals[FRESH_MS / 60_000]} minutes`,
    `one of the ${numerals[HOTP_LOOK_AHEAD]} behind it`,
    `or of one of the ${HOTP_RESYNC_RANGE} behind it`,
    `of the last ${PAST_STEPS} steps`,
    `\`digits\` (integer, ${digitLimits.least} to ${digitLimits.most}; may be left out)`,
    `\`period\` (integer, ${periodLimits.least} to ${periodLimits.most}; may be left out)`,
    `how many a set has; ${RECOVERY_CODES}.`,
    `left to type the first code; ${deadlines.registration}.`,
    `by default \`"${totpDefaults.algorithm}"\``,
    `by default ${totpDefaults.digits}.`,
    `by default ${totpDefaults.period};`,
    ...Object.entries(otpAlgorithms)
      .map(([name, { secretBytes }]) => `${secretBytes} for ${name}`)
      .slice(1),
    `k is \`${byThePage.k.toString("hex")}\``,
  ])("hold: %s", (sentence) => {
    expect(sentences.includes(sentence)).toBe(true);
  });

  it("spell N of the group that the programs use", () => {
    expect(byThePage.N).toBe(group2048.prime);
  });

  it("tell how guesses are paid for: four free, then 30 seconds, doubling to an hour", () => {
    let budget = untouchedBudget;
    const waits = Array.from({ length: 13 }, () => {
      budget = chargeBudget(budget, 0);
      const charged = budgetState(budget, 0);
      return charged.kind === "blocked" ? charged.retryAfter : 0;
    });
    expect(waits).toEqual([0, 0, 0, 0, 30, 60, 120, 240, 480, 960, 1920, 3600, 3600]);
    expect(
      sentences.includes("The first four wrong ones in a row are free. The fifth closes the budget for 30 seconds"),
    ).toBe(true);
  });

  it("tell the parameters of each generation, and with which a new server begins", () => {
    const shown = tableRows(section("## Stretching")).map((row) => row.map(Number));
    const known = Object.entries(stretchGenerations).map(([number, { memory_kib, passes }]) => [
      Number(number),
      memory_kib,
      passes,
    ]);
    expect(shown).toEqual(known);
    expect(sentences.includes(`A new server begins with ${firstStretchGeneration}`)).toBe(true);
  });

  it("count the bytes that a MAC is over", () => {
    const labels = [...page.matchAll(/HMAC-SHA256\(.*?, "(.+?)" 0x00 \| exporter\)/g)].map(([, label = ""]) => label);
    expect(labels).toEqual(["postern/1 client channel", "postern/1 server channel", "postern/1 device"]);
    for (const label of labels) {
      expect(sentences).toContain(`${label.length} characters`);
      expect(sentences).toContain(`what is hashed has ${label.length + 1 + channelExporter.bytes} bytes`);
    }
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
