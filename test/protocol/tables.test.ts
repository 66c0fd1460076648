import { type ErrorCode, errors, isErrorCode, PosternError, recoverable } from "@postern/shared/errors";
import { deadlines, factorKinds, type Method, methods } from "@postern/shared/messages";
import { describe, expect, it } from "vitest";
import { defaultLimits } from "../../packages/server/src/server.js";
import { type Awaits, deadlineOf, type State } from "../../packages/server/src/wire/states.js";
import { type StepContext, stateAfter, takeStep } from "../../packages/server/src/wire/steps.js";
import { type Field, fields, page, section, tableRows, tables } from "./page.js";

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
    const row = (value: string) => page.split("\n").find((line) => line.startsWith(`| ${value} |`));
    for (const field of Object.keys(stretch.shape)) expect(row("stretch")).toContain(`\`${field}\``);
    for (const field of Object.keys(stretched.shape)) expect(row("stretched verifier")).toContain(`\`${field}\``);
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
  "reset.start": { name: "alice", mac: "ab".repeat(32) },
  "reset.password": { ...someCode, new_verifier: someVerifier },
  "reset.factors": { token: "ab".repeat(16) },
  "reset.confirm": someCode,
  "session.resume": { account: someId("acc"), session: someId("ses"), mac: "ab".repeat(32) },
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
    const asAfterCode = code === "code_refused" || (code === "unavailable" && afterCode !== "-");
    const cell = asAfterCode ? afterCode : code === "session_invalid" ? afterSession : afterOther;
    const [usual = "", tenth = usual] = cell.split("; the tenth time ");
    const [other = "", afterVerifier = other] = usual.split("; after verifier_invalid ");
    if (code === "verifier_invalid") return state(afterVerifier);
    return state(last && tenth !== usual ? tenth : other);
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
  return { awaits, enrolment, replacement: enrolment } as unknown as State;
}
