import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { binaryHeader, binaryHeaderOf, binaryHeaderOf6, lineHeader } from "../../../../test/support/proxy-header.js";
import { HEADER_MAX, localHeader, readHeader } from "../../src/proxy-protocol/header.js";

const LINE_MAX = 107;
const text = (line: string) => Buffer.from(line, "latin1");
const mapped = Buffer.from("00000000000000000000ffffc0000209", "hex");

/** Whole headers, and whose connection each says it is. */
const good: readonly (readonly [string, Buffer, string | undefined])[] = [
  ["line, IPv4", text("PROXY TCP4 192.0.2.9 203.0.113.1 65535 0\r\n"), "192.0.2.9"],
  ["line, IPv6", text("PROXY TCP6 2001:DB8:0::9 ::1 1 7465\r\n"), "2001:db8::9"],
  [
    "line, IPv6 as long as it gets",
    lineHeader("1000:2000:3000:4000:5000:6000:7000:8000"),
    "1000:2000:3000:4000:5000:6000:7000:8000",
  ],
  ["line, IPv4 in its IPv6 form", lineHeader("::ffff:192.0.2.9"), "192.0.2.9"],
  ["line, unknown", text("PROXY UNKNOWN\r\n"), undefined],
  ["line, unknown with addresses", text("PROXY UNKNOWN ffff::9 ffff::1 65535 65535\r\n"), undefined],
  ["binary, IPv4", binaryHeaderOf("192.0.2.9"), "192.0.2.9"],
  ["binary, IPv6", binaryHeaderOf6(Buffer.from("20010db8000000000000000000000009", "hex")), "2001:db8::9"],
  ["binary, IPv4 in its IPv6 form", binaryHeaderOf6(mapped), "192.0.2.9"],
  [
    "binary, with more behind the addresses",
    binaryHeaderOf("192.0.2.9", Buffer.from("0400020000", "hex")),
    "192.0.2.9",
  ],
  ["binary, as long as is waited for", binaryHeaderOf("192.0.2.9", Buffer.alloc(HEADER_MAX - 28)), "192.0.2.9"],
  ["binary, unspecified", binaryHeader(0x21, 0x00, Buffer.alloc(0)), undefined],
  ["binary, local", localHeader, undefined],
  ["binary, local of whatever family", binaryHeader(0x20, 0x31, Buffer.alloc(216)), undefined],
  ["binary, local with the address of another", binaryHeader(0x20, 0x11, Buffer.alloc(12, 9)), undefined],
];

const malformed: readonly (readonly [string, Buffer])[] = [
  ["no family", text("PROXY \r\n")],
  ["a family that there is not", text("PROXY TCP5 192.0.2.9 192.0.2.1 1 2\r\n")],
  ["UDP", text("PROXY UDP4 192.0.2.9 192.0.2.1 1 2\r\n")],
  ["a name in place of an address", text("PROXY TCP4 localhost 192.0.2.1 1 2\r\n")],
  ["an IPv6 address as IPv4", lineHeader("2001:db8::9", "TCP4")],
  ["an IPv4 address as IPv6", lineHeader("192.0.2.9", "TCP6")],
  ["a zone", lineHeader("fe80::1%eth0")],
  ["a leading zero in an address", lineHeader("192.0.2.09")],
  ["a leading zero in a port", text("PROXY TCP4 192.0.2.9 192.0.2.1 01 2\r\n")],
  ["a port beyond the last", text("PROXY TCP4 192.0.2.9 192.0.2.1 1 65536\r\n")],
  ["a bad destination", text("PROXY TCP4 192.0.2.9 192.0.2 1 2\r\n")],
  ["two spaces", text("PROXY TCP4  192.0.2.9 192.0.2.1 1 2\r\n")],
  ["something behind", text("PROXY TCP4 192.0.2.9 192.0.2.1 1 2 3\r\n")],
  ["something behind that begins it", text("PROXY UNKNOWNS\r\n")],
  ["a control character", text("PROXY UNKNOWN \n\r\n")],
  ["another language's digits", text("PROXY TCP4 192.0.2.\xb2 192.0.2.1 1 2\r\n")],
  ["a line that never ends", text(`PROXY UNKNOWN ${" ".repeat(LINE_MAX - 14)}`)],
  ["a line too long", text(`PROXY UNKNOWN ${" ".repeat(LINE_MAX - 15)}\r\n`)],
  ["version 1 in binary", binaryHeader(0x11, 0x11, Buffer.alloc(12))],
  ["version 3", binaryHeader(0x31, 0x11, Buffer.alloc(12))],
  ["a command that there is not", binaryHeader(0x22, 0x11, Buffer.alloc(12))],
  ["UDP in binary", binaryHeader(0x21, 0x12, Buffer.alloc(12))],
  ["a Unix socket", binaryHeader(0x21, 0x31, Buffer.alloc(216))],
  ["a family without a protocol", binaryHeader(0x21, 0x10, Buffer.alloc(12))],
  ["less than its addresses", binaryHeader(0x21, 0x11, Buffer.alloc(11))],
  ["less than its IPv6 addresses", binaryHeader(0x21, 0x21, Buffer.alloc(35))],
  ["more than is waited for", binaryHeaderOf("192.0.2.9", Buffer.alloc(HEADER_MAX - 27))],
];

describe("a PROXY header", () => {
  it.each(good)("is read: %s", (_what, header, source) => {
    expect(readHeader(header)).toEqual({ source, length: header.length });
  });

  it.each(good)("is told from what follows it, and waited for until it is whole: %s", (_what, header, source) => {
    const hello = Buffer.from("160301020001\r\nPROXY ", "latin1");
    expect(readHeader(Buffer.concat([header, hello]))).toEqual({ source, length: header.length });
    for (let length = 0; length < header.length; length += 1) {
      expect(readHeader(header.subarray(0, length))).toBe("incomplete");
    }
  });

  it.each(malformed)("that is none is refused: %s", (_what, header) => {
    expect(readHeader(header)).toBe("malformed");
  });

  it.each([
    ["TLS", Buffer.from("16030102000100", "hex")],
    ["HTTP", text("GET / HTTP/1.1\r\n")],
    ["lower case", text("proxy TCP4 192.0.2.9 192.0.2.1 1 2\r\n")],
    ["a space before it", text(" PROXY UNKNOWN\r\n")],
    ["nearly the line's beginning", text("PROXY\t")],
    ["nearly the signature", Buffer.from("0d0a0d0a000d0a515549540d", "hex")],
  ])("is missed at the first byte that does not fit: %s", (_what, bytes) => {
    expect(readHeader(bytes)).toBe("none");
  });

  it("of too much is refused before it has come", () => {
    expect(readHeader(binaryHeaderOf("192.0.2.9", Buffer.alloc(HEADER_MAX)).subarray(0, 16))).toBe("malformed");
    expect(readHeader(binaryHeader(0x21, 0x31, Buffer.alloc(216)).subarray(0, 16))).toBe("malformed");
  });
});

describe("whatever bytes come", () => {
  const beginnings = fc.constantFrom(...good.map(([, header]) => header), ...malformed.map(([, header]) => header));
  const near = fc
    .tuple(beginnings, fc.nat(), fc.integer({ min: 0, max: 255 }), fc.uint8Array({ maxLength: 20 }))
    .map(([header, at, byte, rest]) => {
      const bytes = Buffer.concat([header, rest]);
      bytes[at % bytes.length] = byte;
      return bytes;
    });
  const bytes = fc.oneof(
    near,
    fc.uint8Array({ maxLength: 200 }).map((array) => Buffer.from(array)),
  );

  it("are a header within them and its limit, a fault, or not enough; and more of them change nothing that was told", () => {
    fc.assert(
      fc.property(bytes, fc.nat(), (whole, cut) => {
        const told = readHeader(whole);
        const earlier = readHeader(whole.subarray(0, cut % (whole.length + 1)));
        if (earlier !== "incomplete") expect(told).toEqual(earlier);
        if (typeof told === "object") expect(told.length).toBeLessThanOrEqual(Math.min(whole.length, HEADER_MAX));
        if (told === "incomplete") expect(whole.length).toBeLessThan(HEADER_MAX);
      }),
      { numRuns: 2000 },
    );
  });

  it("of an address say the same in both versions", () => {
    const octets = fc.tuple(fc.nat(255), fc.nat(255), fc.nat(255), fc.nat(255));
    const sixteen = fc.uint8Array({ minLength: 16, maxLength: 16 }).map((array) => Buffer.from(array));
    fc.assert(
      fc.property(octets, sixteen, (four, six) => {
        const dotted = four.join(".");
        expect(readHeader(lineHeader(dotted))).toMatchObject({ source: dotted });
        expect(readHeader(binaryHeaderOf(dotted))).toMatchObject({ source: dotted });
        const groups = six.toString("hex").match(/.{4}/g) ?? [];
        const line = readHeader(lineHeader(groups.join(":")));
        expect(line).toMatchObject({ source: expect.stringMatching(/^[0-9a-f:.]+$/) });
        const { source } = line as { source: string };
        expect(readHeader(binaryHeaderOf6(six))).toMatchObject({ source });
      }),
    );
  });
});
