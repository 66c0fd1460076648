import { isIPv6 } from "node:net";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { PosternError } from "../src/errors.js";
import { parseHost, parseListenAddress, parseServerAddress } from "../src/server-address.js";

const refused = new PosternError("address_invalid");

describe("server address", () => {
  it("gives host, port and key, with the default port when there is none", () => {
    expect(parseServerAddress("otp.example:9000")).toEqual({
      host: "otp.example",
      port: 9000,
      key: "otp.example:9000",
    });
    expect(parseServerAddress("otp.example")).toMatchObject({ port: 7465, key: "otp.example:7465" });
    expect(parseServerAddress("otp.example", 443)).toMatchObject({ port: 443 });
    expect(parseServerAddress("[2001:DB8::1]:1")).toEqual({ host: "2001:db8::1", port: 1, key: "[2001:db8::1]:1" });
  });

  it.each([
    [
      "localhost",
      ["localhost", "localhost.", "LOCALHOST", "LocalHost.", "localhost:7465", "localhost.:7465", "ⓛocalhost"],
    ],
    ["127.0.0.1", ["127.0.0.1", "127.0.0.1.", "[::ffff:127.0.0.1]", "[::FFFF:7f00:1]", "[0:0:0:0:0:ffff:127.0.0.1]"]],
    ["[::1]", ["[::1]", "[0:0:0:0:0:0:0:1]", "[0000::0001]", "[::0.0.0.1]"]],
    ["[2001:db8::1:0:0:1]", ["[2001:db8:0:0:1:0:0:1]", "[2001:DB8::1:0:0:1]", "[2001:0db8:0:0:1::1]"]],
    ["xn--bcher-kva.example", ["bücher.example", "BÜCHER.example.", "bu\u0308cher.example", "xn--bcher-kva。example"]],
  ])("attack 60: all forms of %s are one pin", (host, forms) => {
    for (const form of forms) expect(parseServerAddress(form).key, form).toBe(`${host}:7465`);
  });

  it("keeps what are different names apart", () => {
    const keys = ["localhost", "127.0.0.1", "[::1]", "localhost:7466"].map((text) => parseServerAddress(text).key);
    expect(new Set(keys).size).toBe(keys.length);
  });

  it.each([
    ["nothing", ["", ":7465", "."]],
    [
      "IPv4 in octal, hex, short or as a number",
      ["0177.0.0.1", "0x7f.0.0.1", "127.1", "127.0.1", "2130706433", "0x7f000001"],
    ],
    ["IPv4 out of range or with more parts", ["256.0.0.1", "1.2.3.4.5", "01.2.3.4", "1.2.3.4.."]],
    ["digits of other scripts that map to an address", ["１２７.0.0.1", "127。0。0。1"]],
    ["IPv6 without brackets", ["::1", "::1:7465", "2001:db8::1"]],
    ["broken brackets", ["[::1", "::1]", "[]", "[[::1]]", "[::1]x", "[::1] :1", "[localhost]", "[127.0.0.1]"]],
    ["IPv6 with a zone", ["[fe80::1%eth0]", "[fe80::1%25eth0]"]],
    ["IPv6 that is none", ["[::1::]", "[12345::]", "[1:2:3:4:5:6:7]", "[::ffff:127.0.0.01]"]],
    [
      "ports out of range",
      ["a:0", "a:65536", "a:99999", "a:-1", "a:+1", "a:07465", "a:1e3", "a: 1", "a:1 ", "a:", "a:1:2", "a:１"],
    ],
    ["URLs and parts of them", ["https://a", "a/b", "u@a", "a?b", "a#b", "a\\b", "%61", "a%2eb"]],
    ["spaces and controls", [" a", "a ", "a b", "a\n", "a\u0000b", "a\u001b[2Jb", "a\u00a0b", "a\u2028b", "a\tb:1"]],
    ["labels that are none", ["a..b", ".a", "a..", "-a", "a-", "a!b", "a$b", `${"a".repeat(64)}.b`, "a*"]],
    ["names that are too long", [`${"a.".repeat(127)}a`, "a".repeat(2000), `${"[".repeat(2000)}`]],
  ])("refuses %s", (_, texts) => {
    for (const text of texts) expect(() => parseServerAddress(text), text).toThrow(refused);
  });

  it("takes names at the limits of RFC 1035", () => {
    const label = "a".repeat(63);
    const name = [label, label, label, "a".repeat(61)].join(".");
    expect(name).toHaveLength(253);
    expect(parseServerAddress(`${name}:65535`)).toMatchObject({ host: name, port: 65535 });
  });

  it("is a fixed point: a key reads back as itself", () => {
    const host = fc.oneof(
      fc.domain(),
      fc.ipV4(),
      fc.ipV6().map((address) => `[${address}]`),
    );
    fc.assert(
      fc.property(host, fc.integer({ min: 1, max: 65535 }), (text, port) => {
        const address = parseServerAddress(`${text}:${port}`);
        expect(parseServerAddress(address.key)).toEqual(address);
        expect(parseServerAddress(`${text.toUpperCase()}:${port}`)).toEqual(address);
        expect(isIPv6(address.host)).toBe(address.key.startsWith("["));
      }),
    );
  });

  it("answers any text with an address that reads back, or address_invalid", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary", maxLength: 40 }), (text) => {
        try {
          const address = parseServerAddress(text);
          expect(parseServerAddress(address.key)).toEqual(address);
        } catch (error) {
          expect(error).toEqual(refused);
        }
      }),
      { numRuns: 2000 },
    );
  });
});

describe("listen address", () => {
  it("needs host and port, and takes port 0", () => {
    expect(parseListenAddress("127.0.0.1:0")).toEqual({ host: "127.0.0.1", port: 0, key: "127.0.0.1:0" });
    expect(parseListenAddress("[::]:7465")).toEqual({ host: "::", port: 7465, key: "[::]:7465" });
    for (const text of ["127.0.0.1", ":7465", "*:7465", "a:65536", "a:00"]) {
      expect(() => parseListenAddress(text), text).toThrow(refused);
    }
  });
});

describe("host", () => {
  it("is read without a port", () => {
    expect(parseHost("Example.ORG.")).toBe("example.org");
    expect(parseHost("[::1]")).toBe("::1");
    expect(() => parseHost("a:1")).toThrow(refused);
  });
});
