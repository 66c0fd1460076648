import { spawnSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { type OtpAlgorithm, otpAlgorithms } from "@postern/shared/otp/parameters";
import { describe, expect, it } from "vitest";
import { type CodeOptions, otpCodeCommand } from "../../../src/cli/otp/code.js";
import { Bench, type BenchOptions, base32, given, secretFile } from "./bench.js";

const ascii = "12345678901234567890";
const seeds: Readonly<Record<OtpAlgorithm, string>> = {
  SHA1: ascii,
  SHA256: ascii.repeat(2).slice(0, 32),
  SHA512: ascii.repeat(4).slice(0, 64),
};
const hexOf = (text: string) => Buffer.from(text).toString("hex");

async function run(options: Partial<CodeOptions>, surroundings: BenchOptions = {}): Promise<Bench> {
  const bench = new Bench(surroundings);
  await otpCodeCommand(bench.output, { ...given, secretFile: secretFile(), ...options }, bench.host);
  return bench;
}

describe("`otp code` of the RFCs' secret", () => {
  it("by counter is every row of RFC 4226 appendix D", async () => {
    const { lines } = await run({ type: "hotp", count: "10" });
    const rows = "755224 287082 359152 969429 338314 254676 287922 162583 399871 520489";
    expect(lines).toEqual(rows.split(" "));
  });

  it.each([
    [59, "94287082", "46119246", "90693936"],
    [1111111109, "07081804", "68084774", "25091201"],
    [1111111111, "14050471", "67062674", "99943326"],
    [1234567890, "89005924", "91819424", "93441116"],
    [2000000000, "69279037", "90698825", "38618901"],
    [20000000000, "65353130", "77737706", "47863826"],
  ])("by time is every row of RFC 6238 appendix B: %d", async (at, ...codes) => {
    for (const [index, algorithm] of (Object.keys(seeds) as OtpAlgorithm[]).entries()) {
      const file = secretFile(hexOf(seeds[algorithm]));
      const { lines } = await run({ secretFile: file, encoding: "hex", algorithm, digits: "8" }, { at });
      expect(lines).toEqual([codes[index]]);
    }
  });

  it("of 4 to 10 digits are the last ones of the same number", async () => {
    const [long = ""] = (await run({ digits: "10" })).lines;
    expect(long).toMatch(/^1094287082|^\d\d94287082$/);
    for (let digits = 4; digits < 10; digits += 1) {
      expect((await run({ digits: `${digits}` })).lines).toEqual([long.slice(-digits)]);
    }
  });
});

const installed = spawnSync("oathtool", ["--version"]).error === undefined;
if (!installed) console.info("oathtool is not installed: the toolkit's agreement with it is not tested");

/** Rows a process of oathtool: as many codes one behind the other. */
const ROWS = 50;

function oathtool(secret: string, ...options: string[]): string[] {
  const { stdout } = spawnSync("oathtool", [...options, "-w", `${ROWS - 1}`, "-"], { input: secret });
  return stdout.toString().trim().split("\n");
}

describe.runIf(installed)("oathtool, row by row, has the codes of `otp code`", () => {
  const cases = (Object.keys(otpAlgorithms) as OtpAlgorithm[]).flatMap((algorithm) =>
    [6, 7, 8].flatMap((digits) => [1, 15, 30, 60, 86_400].map((period) => ({ algorithm, digits, period }))),
  );

  it.each(cases)("by time: $algorithm, $digits digits, $period s", async ({ algorithm, digits, period }) => {
    const secret = randomBytes(otpAlgorithms[algorithm].secretBytes).toString("hex");
    const at = 1_700_000_000 + digits * period;
    const flags = [`--totp=${algorithm.toLowerCase()}`, "-d", `${digits}`, "-s", `${period}`, "--now", `@${at}`];
    const { lines } = await run(
      {
        secretFile: secretFile(secret),
        encoding: "hex",
        algorithm,
        digits: `${digits}`,
        period: `${period}`,
        watch: true,
        count: `${ROWS}`,
      },
      { at },
    );
    expect(lines).toHaveLength(ROWS);
    expect(oathtool(secret, ...flags)).toEqual(lines);
  });

  it.each([6, 7, 8].flatMap((digits) => [0, 2 ** 31, 2 ** 47].map((counter) => ({ digits, counter }))))(
    "by counter: $digits digits from $counter",
    async ({ digits, counter }) => {
      const secret = randomBytes(20).toString("hex");
      const flags = ["--hotp", "-d", `${digits}`, "-c", `${counter}`];
      const options = { type: "hotp", digits: `${digits}`, counter: `${counter}`, count: `${ROWS}` } as const;
      const { lines } = await run({ ...options, encoding: "hex", secretFile: secretFile(secret) });
      expect(lines).toHaveLength(ROWS);
      expect(oathtool(secret, ...flags)).toEqual(lines);
    },
  );
});

describe("`otp code`", () => {
  it("says under --json how long a code by time lasts, and which counter comes next", async () => {
    expect((await run({}, { json: true })).results).toEqual([{ code: "287082", expires_in: 1 }]);
    expect((await run({ type: "hotp", counter: "7", count: "2" }, { json: true })).results).toEqual([
      { code: "162583", counter: 7, next_counter: 8 },
      { code: "399871", counter: 8, next_counter: 9 },
    ]);
  });

  it("with --next waits until the code is another one, also for a timer that comes early", async () => {
    const bench = new Bench({ at: 59 });
    const sleep = async () => {
      bench.now += 400;
    };
    const early = { ...bench.host, sleep };
    await otpCodeCommand(bench.output, { ...given, secretFile: secretFile(), next: true }, early);
    expect(bench.lines).toEqual(["359152"]);
    expect(bench.now).toBe(60_200);
  });

  it("takes the secret from stdin, a hidden prompt, or a URI, whose counter may have moved on", async () => {
    expect((await run({ secretFile: "-" }, { stdin: `${base32}\n` })).lines).toEqual(["287082"]);
    const prompted = new Bench({ answers: [base32.toLowerCase()] });
    await otpCodeCommand(prompted.output, given, prompted.host);
    expect(prompted.lines).toEqual(["287082"]);
    expect(prompted.asked).toEqual(["Secret (base32) or otpauth URI"]);
    const uri = `otpauth://hotp/Postern:bob?issuer=Postern&secret=${base32}&counter=3`;
    expect((await run({ secretFile: "-" }, { stdin: uri })).lines).toEqual(["969429"]);
    expect((await run({ secretFile: "-", counter: "4" }, { stdin: uri })).lines).toEqual(["338314"]);
  });

  it.each([
    ["base32 in groups", "base32", "gezd gnbv gy3t qojq gezd gnbv gy3t qojq"],
    ["hex", "hex", "31:32:33:34:35:36:37:38:39:30:31-32 33343536373839 30"],
    ["base64", "base64", "MTIzNDU2Nzg5MDEyMzQ1Njc4OTA="],
  ] as const)("reads a secret in %s", async (_, encoding, text) => {
    expect((await run({ encoding, secretFile: secretFile(text) })).lines).toEqual(["287082"]);
  });

  it("gives codes for what other programs' URIs say, and a server here would refuse", async () => {
    const uri = "otpauth://totp/Bank:me?secret=GE&digits=4&period=86400&image=https%3A%2F%2Fbank%2Flogo&issuer=Bank";
    const { results } = await run({ secretFile: "-" }, { stdin: uri, json: true });
    expect(results).toEqual([{ code: expect.stringMatching(/^\d{4}$/), expires_in: 86_341 }]);
  });

  const uri = `otpauth://totp/a?secret=${base32}`;
  it.each([
    ["3 digits", { digits: "3" }],
    ["11 digits", { digits: "11" }],
    ["digits that are none", { digits: "6.0" }],
    ["a period of 0", { period: "0" }],
    ["a period of more than a day", { period: "86401" }],
    ["a negative counter", { type: "hotp", counter: "-1" }],
    ["a counter beyond 48 bits", { type: "hotp", counter: "281474976710656" }],
    ["more codes than there are counters", { type: "hotp", counter: "281474976710650", count: "10" }],
    ["a counter by time", { counter: "1" }],
    ["a period by counter", { type: "hotp", period: "30" }],
    ["codes by counter as they come", { type: "hotp", watch: true }],
    ["the next time step by counter", { type: "hotp", next: true }],
    ["a count without what it counts", { count: "2" }],
    ["a count of 0", { watch: true, count: "0" }],
    ["an endless count", { watch: true, count: "1001" }],
    ["a URI and its type", { secretFile: "-", type: "totp" }],
    ["a URI and an encoding", { secretFile: "-", encoding: "hex" }],
    ["a counter and a URI by time", { secretFile: "-", counter: "1" }],
    ["a name with a colon", { account: "a:b" }],
  ] as const)("refuses %s as what the command line got wrong", async (_, options) => {
    await expect(run(options, { stdin: uri })).rejects.toMatchObject({ code: "usage" });
  });

  it.each([
    ["base32", "GEZDGNBVGY3TQOJ1"],
    ["hex", "3132333"],
    ["hex", "zz"],
    ["hex", "31".repeat(129)],
    ["base64", "MTIzNDU2Nzg5M=="],
    ["base64", "MTIz!DU2"],
    ["base64", "===="],
  ] as const)("refuses what is no secret in %s: %s", async (encoding, text) => {
    await expect(run({ encoding, secretFile: secretFile(text) })).rejects.toMatchObject({ code: "otp_invalid" });
  });
});
