import { PosternError } from "@postern/shared/errors";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  fillTemplate,
  hostAndPort,
  parseCallbackUrl,
  placeholdersOf,
} from "../../../src/services/challenges/callback-url.js";

const codeOf = (act: () => unknown): string => {
  try {
    act();
  } catch (thrown) {
    return thrown instanceof PosternError ? thrown.code : String(thrown);
  }
  return "taken";
};

describe("the URL of a callback", () => {
  it.each([
    ["https://bot.example/hook", "https://bot.example/hook", "bot.example:443"],
    ["https://BOT.example", "https://bot.example/", "bot.example:443"],
    ["https://bot.example:443/a?b=c", "https://bot.example/a?b=c", "bot.example:443"],
    ["https://bot.example:8443/", "https://bot.example:8443/", "bot.example:8443"],
    ["https://bücher.example/", "https://xn--bcher-kva.example/", "xn--bcher-kva.example:443"],
    ["http://127.0.0.1:8080/", "http://127.0.0.1:8080/", "127.0.0.1:8080"],
    ["http://[::1]/", "http://[::1]/", "[::1]:80"],
    ["https://[2606:2800:0220::1]/", "https://[2606:2800:220::1]/", "[2606:2800:220::1]:443"],
    ["https://bot.example/u/{client_id}/send?f={flow}&v={validated}", undefined, "bot.example:443"],
    ["https://bot.example/?a=%2F", undefined, "bot.example:443"],
  ])("%s", (text, parsed, host) => {
    expect(parseCallbackUrl(text)).toBe(parsed ?? text);
    expect(hostAndPort(parseCallbackUrl(text))).toBe(host);
  });

  it.each([
    ["//bot.example/", "no scheme"],
    ["ftp://bot.example/", "another scheme"],
    ["HTTPS://bot.example/", "a scheme in capitals"],
    ["javascript:alert(1)", "no request at all"],
    ["{result}://bot.example/", "a placeholder in the scheme"],
    ["https://{flow}.example/", "a placeholder in the host"],
    ["https://bot.example{flow}/", "a placeholder at the host"],
    ["https://bot.example:{flow}/", "a placeholder in the port"],
    ["https://bot.example/?{flow}=1", "a placeholder in a parameter's name"],
    ["https://bot.example/?a=1&b{flow}=1", "a placeholder in a parameter's name"],
    ["https://bot.example/?{flow}", "a placeholder for a parameter"],
    ["https://bot.example/{who}", "an unknown placeholder"],
    ["https://bot.example/{ flow }", "a placeholder with spaces"],
    ["https://bot.example/{flow", "a brace alone"],
    ["https://bot.example/flow}", "a brace alone"],
    ["https://bot.example/{{flow}}", "braces in braces"],
    ["https://bot.example/%zz", "a percent sign alone"],
    ["https://bot.example/%", "a percent sign alone"],
    ["https://bot.example/#frag", "a fragment"],
    ["https://user@bot.example/", "attack 66: a user"],
    ["https://user:pw@bot.example/", "attack 66: a user with a password"],
    ["https://allowed.example@evil.example/", "attack 66: a host in front of the host"],
    ["https://allowed.example%40evil.example/", "attack 66: the same, encoded"],
    ["https://bot.example\\@evil.example/", "attack 66: a backslash"],
    ["https://bot.example\\.evil.example/", "attack 66: a backslash"],
    ["https:/bot.example/", "one slash"],
    ["https:///bot.example/", "three slashes"],
    ["https://bot.example./", "attack 66: a last dot"],
    ["https://bot..example/", "an empty label"],
    ["https://bot.example:0/", "attack 66: port 0"],
    ["https://bot.example:65536/", "attack 66: a port too high"],
    ["https://bot.example:0443/", "attack 66: a port with a zero in front"],
    ["https://bot.example:443:80/", "attack 66: two ports"],
    ["https://bot.example:/", "attack 66: an empty port"],
    ["https://bot.example:+443/", "attack 66: a signed port"],
    ["http://2130706433/", "attack 66: loopback in decimal"],
    ["http://0x7f000001/", "attack 66: loopback in hex"],
    ["http://0x7f.0.0.1/", "attack 66: loopback in hex"],
    ["http://0177.0.0.1/", "attack 66: loopback in octal"],
    ["http://017700000001/", "attack 66: loopback in octal"],
    ["http://127.1/", "attack 66: loopback, short"],
    ["http://127.0.1/", "attack 66: loopback, short"],
    ["http://0/", "attack 66: this host, short"],
    ["http://127.0.0.1./", "attack 66: loopback with a last dot"],
    ["http://127.0.0.0x1/", "attack 66: loopback, mixed"],
    ["http://[::ffff:127.0.0.1]/", "attack 66: loopback, IPv4-mapped"],
    ["http://[::ffff:7f00:1]/", "attack 66: loopback, IPv4-mapped in hex"],
    ["http://[fe80::1%25eth0]/", "attack 66: a zone"],
    ["http://[::1/", "a bracket alone"],
    ["http://::1/", "an address without brackets"],
    ["http://１２７.0.0.1/", "attack 66: loopback in full-width digits"],
    ["http://①②⑦.⓪.⓪.①/", "attack 66: loopback in circled digits"],
    ["http://127。0。0。1/", "attack 66: loopback with ideographic stops"],
    ["https://bot.example／evil/", "attack 66: a full-width slash"],
    ["https://bot.example／@evil.example/", "attack 66: a full-width slash and a user"],
    ["https://bot.example\u3002evil\u00ad.example:x/", "attack 66: a soft hyphen"],
    ["https://bot.example\t/", "a tab"],
    ["https://bot.example/\r\nx: y", "a line break"],
    [" https://bot.example/", "a space in front"],
    ["https://bot.example/a b", "a space"],
    ["https://bot.example/../x", "a step up"],
    ["https://bot.example/%2e%2E/x", "a step up, encoded"],
    ["https://bot.example/ü", "letters that are not encoded"],
    [`https://bot.example/${"x".repeat(1024)}`, "too long"],
    ["", "nothing"],
  ])("%s is refused: %s", (text) => {
    expect(codeOf(() => parseCallbackUrl(text))).toBe("callback_url_invalid");
  });

  it("of a webhook takes no placeholder", () => {
    expect(codeOf(() => parseCallbackUrl("https://bot.example/{result}", []))).toBe("callback_url_invalid");
  });
});

describe("a template", () => {
  const template = parseCallbackUrl("https://bot.example/users/{client_id}/send?k={token}&flow={flow}&ok={validated}");
  const values = { client_id: "77", flow: "a", token: "t", validated: "true" };

  it("names the values that it takes", () => {
    expect(placeholdersOf(template)).toEqual(["client_id", "flow", "validated", "token"]);
  });

  it("has them in their places", () => {
    expect(fillTemplate(template, values)).toBe("https://bot.example/users/77/send?k=t&flow=a&ok=true");
  });

  it("lets no value add a parameter, leave its segment, or change where it goes (HTML and URL injection)", () => {
    const text = fc.string({ unit: "grapheme", minLength: 1, maxLength: 60 });
    const strange = fc.constantFrom(
      "&user_validated=true",
      "a/../../b",
      "?x=1",
      "#x",
      "%2e%2e",
      "a;b=c",
      "\\",
      "@evil",
    );
    fc.assert(
      fc.property(fc.oneof(text, strange), fc.oneof(text, strange), (client_id, flow) => {
        const refused = codeOf(() => fillTemplate(template, { ...values, client_id, flow }));
        fc.pre(refused === "taken");
        const url = new URL(fillTemplate(template, { ...values, client_id, flow }));
        expect(url.host).toBe("bot.example");
        expect([...url.searchParams.keys()]).toEqual(["k", "flow", "ok"]);
        expect(url.searchParams.get("flow")).toBe(flow);
        expect(url.pathname.split("/")).toHaveLength(4);
        expect(decodeURIComponent(url.pathname.split("/")[2] ?? "")).toBe(client_id);
        expect(url.hash).toBe("");
      }),
    );
  });

  it.each([
    ["..", "a step up"],
    [".", "a step on the spot"],
    ["", "nothing"],
    ["a\r\nb", "a line break"],
    ["a\u0000b", "a control"],
    ["a\u2028b", "a line separator"],
    ["\ud800", "half a character"],
    ["x".repeat(257), "too long"],
    [undefined, "missing"],
  ])("refuses %j for a segment: %s", (client_id: string | undefined, _why: string) => {
    const { client_id: _default, ...others } = values;
    const given = client_id === undefined ? others : { ...others, client_id };
    expect(codeOf(() => fillTemplate(template, given))).toBe("callback_value_invalid");
  });

  it("encodes dots no segment consists of, and marks that some take for delimiters", () => {
    expect(fillTemplate(template, { ...values, client_id: "a..b", flow: "it's (1)*!" })).toBe(
      "https://bot.example/users/a..b/send?k=t&flow=it%27s%20%281%29%2A%21&ok=true",
    );
  });
});
