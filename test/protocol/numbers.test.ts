import { channelExporter } from "@postern/shared/channel";
import { fingerprintOf } from "@postern/shared/fingerprint";
import { MAX_DEPTH } from "@postern/shared/frames/strict-json";
import { firstStretchGeneration, stretchCeiling, stretchFloor, stretchGenerations } from "@postern/shared/kdf";
import { deadlines, lineLimits, PROTOCOL } from "@postern/shared/messages";
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
import { SIGNATURE_BYTES, SPKI_BYTES, SUCCESSORS_FEATURE, SUCCESSORS_MAX } from "@postern/shared/successor";
import { describe, expect, it } from "vitest";
import { untouchedBudget } from "../../packages/server/src/records/budget.js";
import { defaultLimits } from "../../packages/server/src/server.js";
import { budgetState, CODE_FAILURES_MAX, chargeBudget } from "../../packages/server/src/services/budget.js";
import { DEVICES_MAX } from "../../packages/server/src/services/devices.js";
import { sessionLimits } from "../../packages/server/src/services/live-session.js";
import { FACTORS_MAX } from "../../packages/server/src/services/own-factors.js";
import { FRESH_MS } from "../../packages/server/src/services/step-up.js";
import { TOKEN_LIFETIME } from "../../packages/server/src/services/tokens.js";
import { AddressLimits } from "../../packages/server/src/wire/address-limits.js";
import * as byThePage from "./by-the-page.js";
import { page, section, sentences, tableRows } from "./page.js";

describe("the numbers of the page", () => {
  const count = (number: number) => number.toLocaleString("en-US");
  const numerals = ["", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"];

  /** By what is allowed: the first beyond it. */
  const ordinals: Record<number, string> = { 8: "a ninth" };

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
    `The server sends at most ${SUCCESSORS_MAX}, the newest first`,
    `array of at most ${SUCCESSORS_MAX} objects`,
    `(hex, ${2 * SPKI_BYTES} digits): the key that signed`,
    `\`signature\` (hex, ${2 * SIGNATURE_BYTES} digits)`,
    `by the feature \`${SUCCESSORS_FEATURE}\``,
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
    expect(labels).toEqual([
      "postern/1 client channel",
      "postern/1 server channel",
      "postern/1 device",
      "postern/1 client reset",
      "postern/1 server reset",
      "postern/1 client session",
      "postern/1 server session",
    ]);
    for (const label of labels) {
      expect(sentences).toContain(`${label.length} characters`);
      expect(sentences).toContain(`what is hashed has ${label.length + 1 + channelExporter.bytes} bytes`);
    }
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
