import { displayWidth } from "@postern/shared/escape";
import { newId } from "@postern/shared/ids";
import { jsonLine } from "@postern/shared/terminal/output";
import { describe, expect, it } from "vitest";
import { keyFacts, keyLines } from "../../src/cli/apikeys/list.js";
import { parseKeyLife, parseKeyName, parseOverlap, parseScopes } from "../../src/cli/apikeys/options.js";
import { judgeApiKeys } from "../../src/cli/doctor/store.js";
import { type ApiKey, scopes } from "../../src/records/applications/api-key.js";
import { expectCode } from "../barrier/support.js";
import { NOW, some } from "../records/support.js";

const MINUTE = 60_000;
const DAY = 24 * 60 * MINUTE;

const key = (more: Partial<ApiKey> = {}): ApiKey => ({
  id: newId("apiKey"),
  application: newId("application"),
  applicationName: "shop",
  name: "shop",
  hash: some(32),
  scopes: [...scopes],
  createdAt: NOW,
  ...more,
});

describe("the options of posternd apikey", () => {
  it("--name takes a line of up to 64 characters, in NFC", () => {
    expect(parseKeyName(" Zoe\u0308's shop ")).toBe("Zoë's shop");
    expect(parseKeyName("名".repeat(64))).toHaveLength(64);
    for (const name of ["", " ", "x".repeat(65), "a\nb", "a\u0000b", "a\u202eb", "a\u2028b", "\u001b[31m", "\ud800"]) {
      expectCode(() => parseKeyName(name), "usage");
    }
  });

  it("--scope takes some of the scopes, each once", () => {
    expect(parseScopes("totp, otp,otp")).toEqual(["otp", "totp"]);
    expect(parseScopes(scopes.join())).toEqual(scopes);
    for (const text of ["", ",", "otp,", "root", "OTP", "otp totp", "*", "toString"]) {
      expectCode(() => parseScopes(text), "usage");
    }
  });

  it("--expires takes a span of ten years at most, or never", () => {
    expect(parseKeyLife("90d")).toBe(90 * DAY);
    expect(parseKeyLife("3650d")).toBe(3650 * DAY);
    expect(parseKeyLife("never")).toBeUndefined();
    for (const text of ["", "0", "0d", "3651d", "never ", "NEVER", "1y", "-1d", "90"]) {
      expectCode(() => parseKeyLife(text), "usage");
    }
  });

  it("--overlap takes a span of 90 days at most, or nothing of one", () => {
    expect([parseOverlap("24h"), parseOverlap("0"), parseOverlap("0h"), parseOverlap("90d")]).toEqual([
      DAY,
      0,
      0,
      90 * DAY,
    ]);
    for (const text of ["", "91d", "00", "never", "-1h", "1"]) expectCode(() => parseOverlap(text), "usage");
  });
});

describe("a list of API keys", () => {
  const hostile = `\u001b]52;c;aGk=\u0007\u202e${"名".repeat(40)}`;
  const states: [string, Partial<ApiKey>][] = [
    ["open", { lastUsedAt: NOW }],
    ["open", { expiresAt: NOW + DAY }],
    ["ending", { expiresAt: NOW + DAY, successor: newId("apiKey") }],
    ["rotated", { expiresAt: NOW, successor: newId("apiKey") }],
    ["expired", { expiresAt: NOW }],
    ["revoked", { expiresAt: NOW + DAY, revokedAt: NOW }],
    ["revoked", { expiresAt: NOW, successor: newId("apiKey"), revokedAt: NOW }],
  ];

  it.each(states)("says of one that it is %s, in 80 columns, whatever its name", (state, more) => {
    const lines = keyLines(key({ name: hostile, lastUsedAt: NOW, ...more }), NOW).map((line) => line.render(false));
    for (const line of lines) {
      expect(displayWidth(line)).toBeLessThanOrEqual(80);
      expect(line).not.toMatch(/[\p{Cc}\p{Cf}]/u);
    }
    expect(lines[0]).toMatch(new RegExp(`^pk_[0-9a-f]{32} {2}${state} `));
    expect(lines[2]).toMatch(/, (no end|ends? \S+ \S+|ended \S+ \S+), used \d{4}-\d\d-\d\d \d\d:\d\d$/);
    expect(keyFacts(key(more), NOW)).toMatchObject({ state, name: "shop" });
  });

  it("says what never ends and was never used, and has no hash in it", () => {
    const one = key();
    expect(keyLines(one, NOW)[2]?.render(false)).toMatch(/, no end, never used$/);
    expect(keyFacts(one, NOW)).toMatchObject({ expires_at: null, last_used_at: null, scopes });
    for (const encoding of ["hex", "base64", "base64url"] as const) {
      expect(jsonLine(keyFacts(one, NOW))).not.toContain(one.hash.toString(encoding));
    }
  });
});

describe("the doctor's judgement of API keys", () => {
  it("warns of an open one that ends within 14 days, and not of one that has its successor or has ended", () => {
    expect(judgeApiKeys([], NOW)).toEqual([]);
    const fine = [key(), key({ expiresAt: NOW + 14 * DAY })];
    const ending = { expiresAt: NOW + DAY, successor: newId("apiKey") };
    expect(judgeApiKeys([...fine, key(ending), key({ expiresAt: NOW })], NOW)).toMatchObject([
      { verdict: "ok", what: "2 are open, none ends within 14 days" },
    ]);
    const first = key({ expiresAt: NOW + DAY });
    const [finding] = judgeApiKeys([key({ expiresAt: NOW + 13 * DAY }), first, ...fine], NOW);
    expect(finding).toMatchObject({ verdict: "warn", what: expect.stringContaining(first.id.slice(0, 11)) });
    expect(finding?.what).toMatch(/, and 1 more within 14 days$/);
    expect(finding?.todo).toMatch(/rotate/);
  });
});
