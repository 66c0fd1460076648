import { displayWidth } from "@postern/shared/escape";
import { newId } from "@postern/shared/ids";
import { describe, expect, it } from "vitest";
import { destinationsOf, parseCallbackHosts, warningsOf } from "../../src/cli/callbacks/destinations.js";
import { callbackFacts, callbackLines } from "../../src/cli/callbacks/list.js";
import { parseCallbackName, parseCallbackToken, parseTarget } from "../../src/cli/callbacks/options.js";
import type { Callback } from "../../src/records/challenges/callback.js";
import { expectCode } from "../barrier/support.js";
import { NOW, some } from "../records/support.js";

describe("the options of posternd callback", () => {
  it("--name takes a short word", () => {
    for (const name of ["bot", "B0t.v2_x-y", "x".repeat(32)]) expect(parseCallbackName(name)).toBe(name);
    for (const name of ["", "-x", ".x", "a b", "a/b", "ü", "a\n", "x".repeat(33), "\u001b[31m"]) {
      expectCode(() => parseCallbackName(name), "usage");
    }
  });

  it("--method and --token-file are for templates", () => {
    const url = "https://bot.example/";
    expect(parseTarget({ kind: "webhook", url })).toEqual({ kind: "webhook", url });
    expect(parseTarget({ kind: "template", url, tokenFile: "x" })).toEqual({ kind: "template", url, method: "POST" });
    expect(parseTarget({ kind: "template", url, method: "GET" })).toEqual({ kind: "template", url, method: "GET" });
    expectCode(() => parseTarget({ kind: "webhook", url, method: "GET" }), "usage");
    expectCode(() => parseTarget({ kind: "webhook", url, tokenFile: "x" }), "usage");
  });

  it("a token can stand in a header", () => {
    expect(parseCallbackToken("a!~+/=")).toBe("a!~+/=");
    for (const token of ["", "a b", "a\r\nx: y", "ü", "x".repeat(257)]) {
      expectCode(() => parseCallbackToken(token), "usage");
    }
  });
});

describe("where callbacks may go", () => {
  it("--callback-hosts takes hosts and ports, in one spelling each", () => {
    const hosts = "bot.example, BOT2.example:8443,127.0.0.1:8080,[::1]:80,bücher.example";
    expect([...parseCallbackHosts(hosts)]).toEqual([
      "bot.example:443",
      "bot2.example:8443",
      "127.0.0.1:8080",
      "[::1]:80",
      "xn--bcher-kva.example:443",
    ]);
    for (const text of [
      "",
      ",",
      "a b",
      "https://bot.example",
      "bot.example:0",
      "*",
      "*.example",
      "127.1",
      "bot.example/x",
    ]) {
      expectCode(() => parseCallbackHosts(text), "usage");
    }
  });

  it("is nowhere without it; --callback-private alone is a mistake", () => {
    expect(destinationsOf({})).toBeUndefined();
    expectCode(() => destinationsOf({ callbackPrivate: "127.0.0.0/8" }), "usage");
    expectCode(
      () => destinationsOf({ callbackHosts: "bot.example", callbackPrivate: "home" }),
      "address_range_invalid",
    );
    const { isPrivateAllowed } = destinationsOf({ callbackHosts: "x.example", callbackPrivate: "10.0.0.0/8" }) ?? {};
    expect([isPrivateAllowed?.("10.1.2.3"), isPrivateAllowed?.("127.0.0.1")]).toEqual([true, false]);
  });

  it("a URL elsewhere is refused where that is known, and warned of where it is not", () => {
    const url = "https://bot.example:8443/hook";
    expect(warningsOf(url, { callbackHosts: "bot.example:8443" })).toEqual([]);
    expectCode(() => warningsOf(url, { callbackHosts: "bot.example" }), "callback_host_refused");
    expect(warningsOf(url, {})).toEqual([expect.stringContaining("--callback-hosts bot.example:8443")]);
    expect(warningsOf("http://bot.example/", { callbackHosts: "bot.example:80" })).toHaveLength(1);
  });
});

describe("a callback, listed", () => {
  const callback = (target: Callback["target"]): Callback => ({
    id: newId("callback"),
    application: newId("application"),
    name: "x".repeat(32),
    createdAt: NOW,
    target,
  });
  const webhook = callback({ kind: "webhook", url: `https://bot.example/${"y".repeat(200)}`, secret: some(32) });
  const template = callback({ kind: "template", url: "https://bot.example/{flow}", method: "GET", token: "s3cret" });

  it("takes lines of 80 columns, whatever its URL", () => {
    for (const one of [webhook, template]) {
      const lines = callbackLines({ callback: one, waiting: 1_000_000, dead: 1_000_000 });
      expect(lines).toHaveLength(3);
      for (const line of lines) expect(displayWidth(line.render(false))).toBeLessThanOrEqual(80);
    }
  });

  it("shows neither secret nor token", () => {
    const shown = JSON.stringify(
      [webhook, template].map((one) => callbackFacts({ callback: one, waiting: 0, dead: 0 })),
    );
    expect(shown).not.toContain("s3cret");
    expect(shown).not.toContain(some(32).toString("base64"));
    expect(shown).toContain('"token":true');
  });
});
