import { describe, expect, it } from "vitest";
import { parseFilter, parseKeyOption, parseLimit, parseRetention } from "../../src/cli/audit-options.js";
import { expectCode } from "../barrier/support.js";

const NOW = Date.parse("2026-11-21T12:00:00.500Z");
const since = (text: string) => {
  const moment = parseFilter({ since: text }, NOW).since;
  return moment === undefined ? undefined : new Date(moment).toISOString();
};

describe("--since and --until", () => {
  it.each([
    ["2026-11-21", "2026-11-21T00:00:00.000Z"],
    ["2024-02-29", "2024-02-29T00:00:00.000Z"],
    ["2026-11-21T06:10", "2026-11-21T06:10:00.000Z"],
    ["2026-11-21 06:10:07", "2026-11-21T06:10:07.000Z"],
    ["2026-11-21T06:10:07.5Z", "2026-11-21T06:10:07.500Z"],
    ["2026-11-21T06:10+02:00", "2026-11-21T04:10:00.000Z"],
    ["30m", "2026-11-21T11:30:00.500Z"],
    ["24h", "2026-11-20T12:00:00.500Z"],
    ["7d", "2026-11-14T12:00:00.500Z"],
  ])("%s is %s, in whatever zone the machine is", (text, expected) => {
    expect(since(text)).toBe(expected);
  });

  it.each([
    ...["", "yesterday", "2026-11-31", "2026-02-29", "2026-13-01", "2026-1-1", "20261121", "1700000000"],
    ...["2026-11-21T24:01", "2026-11-21T06", "2026-11-21T06:10:61", "2026-11-21T06:10+25:00", "2026-11-21Z"],
    ...["0m", "-1d", "1.5h", "7D", "7 d", "7w", "d", "9999999d", "99999d", "2026-11-21\n", "٣0m"],
  ])("refuse %j", (text) => {
    expectCode(() => since(text), "usage");
  });

  it("refuse an end that does not lie behind the beginning", () => {
    for (const until of ["2026-11-20", "2026-11-21"]) {
      expectCode(() => parseFilter({ since: "2026-11-21", until }, NOW), "usage");
    }
    expect(parseFilter({ since: "24h", until: "1h" }, NOW).until).toBe(NOW - 3_600_000);
  });
});

describe("the other options of the audit commands", () => {
  it("--user takes a name in any of its forms, or an account's id", () => {
    const id = `acc_${"0".repeat(32)}`;
    expect(parseFilter({ user: "ＡＬＩＣＥ" }, NOW).user).toEqual({ name: "alice" });
    expect(parseFilter({ user: id }, NOW).user).toEqual({ account: id });
    expect(parseFilter({ user: `${id}0` }, NOW).user).toEqual({ name: `${id}0` });
    for (const user of ["", "a b", "-x", "\u001b[31m"]) expectCode(() => parseFilter({ user }, NOW), "name_invalid");
  });

  it("--event takes names and patterns, and no other pattern than *", () => {
    expect(parseFilter({ event: "login.*, register" }, NOW).events).toEqual(["login.*", "register"]);
    for (const event of ["", ",", "login,", "log in", "(a+)+", "[a]", "login|x", "x".repeat(65)]) {
      expectCode(() => parseFilter({ event }, NOW), "usage");
    }
  });

  it("--application takes an id, --subject a line of text", () => {
    const id = `app_${"0".repeat(32)}`;
    expect(parseFilter({ application: id, subject: "Zoe\u0308 4711" }, NOW)).toMatchObject({
      application: id,
      subject: "Zoë 4711",
    });
    for (const application of ["", "app_", `${id}0`, `acc_${"0".repeat(32)}`, "shop"]) {
      expectCode(() => parseFilter({ application }, NOW), "usage");
    }
    for (const subject of ["", "x".repeat(129), "a\nb", "a\u202eb", "\ud800"]) {
      expectCode(() => parseFilter({ subject }, NOW), "usage");
    }
  });

  it("--limit takes whole numbers", () => {
    expect(parseLimit("9999999")).toBe(9_999_999);
    for (const limit of ["0", "-1", "1.5", "1e3", "", "10000000", " 1"]) expectCode(() => parseLimit(limit), "usage");
  });

  it("--older-than and --audit-retention take days and nothing that could be taken for months", () => {
    expect(parseRetention("--older-than", "365d")).toBe(365 * 86_400_000);
    for (const age of ["12m", "24h", "1y", "365", "0d", "-1d", "1.5d", "", "100000d"]) {
      expectCode(() => parseRetention("--older-than", age), "usage");
    }
  });

  it("--public-key takes a key in its only form", () => {
    const key = `ed25519:${Buffer.alloc(32, 0xff).toString("base64url")}`;
    expect(parseKeyOption(key)).toBe(key);
    const wrong = [
      ...["", "ed25519:", key.slice(8), key.toUpperCase(), `${key}=`, ` ${key}`, key.slice(0, -1)],
      // Another spelling of the same bytes: two bits of the last character say nothing.
      `${key.slice(0, -1)}9`,
    ];
    for (const text of wrong) expectCode(() => parseKeyOption(text), "usage");
  });
});
