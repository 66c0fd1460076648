import { describe, expect, it } from "vitest";
import { otpVerifyCommand, type VerifyOptions } from "../../../src/cli/otp/verify.js";
import { Bench, type BenchOptions, base32, given, secretFile } from "./bench.js";

/** Codes of the RFCs' secret by counter, which for 30 seconds are those by time step. */
const codes = "755224 287082 359152 969429 338314 254676 287922 162583 399871 520489".split(" ");

async function verify(options: Partial<VerifyOptions>, surroundings: BenchOptions = {}): Promise<Bench> {
  const bench = new Bench({ at: 5 * 30 + 10, json: true, ...surroundings });
  await otpVerifyCommand(bench.output, { ...given, secretFile: secretFile(), ...options }, bench.host);
  return bench;
}

/** In one word for each code: right, or with what it was refused. */
function verdicts(options: Partial<VerifyOptions>): Promise<string[]> {
  return Promise.all(
    codes.map((code) =>
      verify({ ...options, code }).then(
        () => "right",
        (error: { code: string }) => error.code.replace("otp_", ""),
      ),
    ),
  );
}

describe("P4: a typed code by time is right, wrong or expired", () => {
  it("within one step on each side, unless --window says otherwise", async () => {
    const [expired, right, wrong] = ["expired", "right", "wrong"];
    const of = (past: number, now: number) => [
      ...Array<string>(past).fill(expired),
      ...Array<string>(now).fill(right),
      ...Array<string>(10 - past - now).fill(wrong),
    ];
    expect(await verdicts({})).toEqual(of(4, 3));
    expect(await verdicts({ window: "0" })).toEqual(of(5, 1));
    expect(await verdicts({ window: "3" })).toEqual(of(2, 7));
    expect(await verdicts({ window: "20" })).toEqual(of(0, 10));
  });

  it("with exit code 0 or 1, and how long ago it was right", async () => {
    expect((await verify({ code: "254 676" })).results).toEqual([{ valid: true }]);
    await expect(verify({ code: "287082" })).rejects.toMatchObject({
      code: "otp_expired",
      exit: 1,
      message: "the code has expired: it was right 120 s ago",
    });
    for (const code of ["000000", "25467", "2546767", "２５４６７６", "", "a password"]) {
      await expect(verify({ code })).rejects.toMatchObject({ code: "otp_wrong", exit: 1, detail: undefined });
    }
  });

  it("is asked for where it was not given, behind the secret", async () => {
    const bench = new Bench({ answers: [base32, "254 676"], at: 160, json: false });
    await otpVerifyCommand(bench.output, given, bench.host);
    expect(bench.asked).toEqual(["Secret (base32) or otpauth URI", "Code"]);
    expect(bench.lines).toEqual(["Right."]);
  });
});

describe("a typed code by counter", () => {
  it("is right at the expected counter and those that --look-ahead allows, and expired before", async () => {
    const hotp = { type: "hotp", counter: "2" } as const;
    const [expired, right, wrong] = ["expired", "right", "wrong"];
    const all = [right, right, right, right, right, right];
    expect(await verdicts(hotp)).toEqual([expired, expired, ...all, wrong, wrong]);
    expect(await verdicts({ ...hotp, lookAhead: "0" })).toEqual([expired, expired, right, ...Array(7).fill(wrong)]);
    expect(await verdicts({ ...hotp, lookAhead: "7" })).toEqual([expired, expired, ...all, right, right]);
  });

  it("comes with the counter to go on with, which does not take the same code again", async () => {
    const { results } = await verify({ type: "hotp", counter: "2", code: codes[4] ?? "" });
    expect(results).toEqual([{ valid: true, next_counter: 5 }]);
    const again = verify({ type: "hotp", counter: "5", code: codes[4] ?? "" });
    await expect(again).rejects.toMatchObject({ code: "otp_expired", detail: "it is that of counter 4, before 5" });
    const { lines } = await verify({ type: "hotp", code: codes[0] ?? "" }, { json: false });
    expect(lines).toEqual(["Right. The next counter is 1."]);
  });
});

describe("`otp verify`", () => {
  it.each([
    ["a window by counter", { type: "hotp", window: "1" }],
    ["a look-ahead by time", { lookAhead: "1" }],
    ["a window wider than what it knows as expired", { window: "21" }],
    ["a look-ahead without end", { type: "hotp", lookAhead: "1001" }],
    ["a look-ahead beyond the last counter", { type: "hotp", counter: "281474976710655" }],
  ] as const)("refuses %s before it asks for the code", async (_, options) => {
    const bench = new Bench({ answers: [] });
    const verifying = otpVerifyCommand(bench.output, { ...given, secretFile: secretFile(), ...options }, bench.host);
    await expect(verifying).rejects.toMatchObject({ code: "usage" });
    expect(bench.asked).toEqual([]);
  });
});
