import { execFileSync, spawnSync } from "node:child_process";
import { randomBytes, randomInt } from "node:crypto";
import { describe, expect, it } from "vitest";
import { hotpCodes } from "../../src/otp/hotp.js";
import { type OtpAlgorithm, otpAlgorithms } from "../../src/otp/parameters.js";
import { encodeSecret } from "../../src/otp/secret.js";
import { stepAt, totpCode } from "../../src/otp/totp.js";

const installed = spawnSync("oathtool", ["--version"]).error === undefined;
if (!installed) console.info("oathtool is not installed: the agreement with it is not tested");

const oathtool = (...options: string[]) => execFileSync("oathtool", options, { encoding: "utf8" }).trim().split("\n");
const rounds = Array.from({ length: 10 }, (_, round) => ({ round, digits: 6 + (round % 3) }));

describe.runIf(installed)("an independent implementation, oathtool, computes the same", () => {
  it.each(rounds)("HOTP: 20 random counters of $digits digits (round $round)", ({ digits }) => {
    const secret = randomBytes(randomInt(10, 65));
    const counter = randomInt(2 ** 40);
    const theirs = oathtool("--hotp", "-d", `${digits}`, "-c", `${counter}`, "-w", "19", secret.toString("hex"));
    expect(theirs).toHaveLength(20);
    expect(hotpCodes(secret, { from: counter, to: counter + 19 }, { algorithm: "SHA1", digits })).toEqual(theirs);
  });

  describe.each(Object.keys(otpAlgorithms) as OtpAlgorithm[])("TOTP with %s", (algorithm) => {
    it.each(rounds)("20 random steps of $digits digits (round $round)", ({ digits, round }) => {
      const secret = randomBytes(otpAlgorithms[algorithm].secretBytes);
      const seconds = randomInt(4_000_000_000);
      const period = [15, 30, 60][round % 3] as number;
      const options = [`--totp=${algorithm.toLowerCase()}`, "-d", `${digits}`, "-s", `${period}`, "-w", "19"];
      const theirs = oathtool(...options, "--now", `@${seconds}`, "--base32", encodeSecret(secret));
      const first = stepAt(seconds * 1000, period);
      const ours = theirs.map((_, ahead) => totpCode(secret, first + ahead, { algorithm, digits, period }));
      expect(ours).toHaveLength(20);
      expect(ours).toEqual(theirs);
    });
  });
});
