import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  bytesField,
  type Entry,
  entryBytes,
  exportOf,
  exportUri,
  integerField,
  payloadBytes,
  varint,
} from "../../../../test/support/authenticator-export.js";
import { isAuthenticatorExport, parseAuthenticatorExport } from "../../src/otp/authenticator-export.js";

/** The example that circulates since the format was first taken apart. */
const EXAMPLE = "otpauth-migration://offline?data=CjEKCkhlbGxvId6tvu8SGEV4YW1wbGU6YWxpY2VAZ29vZ2xlLmNvbRoHRXhhbXBsZTAC";

const secret = Buffer.from("48656c6c6f21deadbeef", "hex");
const alice: Entry = { secret, name: "Example:alice@google.com", issuer: "Example", type: 2 };
const read = {
  type: "totp",
  issuer: "Example",
  account: "alice@google.com",
  algorithm: "SHA1",
  digits: 6,
  period: 30,
  secret,
};

const refused = (detail?: string) =>
  expect.objectContaining({ name: "PosternError", code: "export_invalid", ...(detail !== undefined && { detail }) });
const DAMAGED = "its data is damaged or cut short";

const oneOf = (entry: Entry) => parseAuthenticatorExport(exportUri({ entries: [entry] })).otpauths[0];

describe("an authenticator's export", () => {
  it("is read: the known example", () => {
    expect(parseAuthenticatorExport(EXAMPLE)).toEqual({ otpauths: [read], batch: 0, index: 0, size: 1 });
  });

  it("is read: one that was written here, with every field and a part's place", () => {
    const entries: readonly Entry[] = [
      { ...alice, algorithm: 1, digits: 1 },
      { secret: Buffer.alloc(64, 7), name: "bob", issuer: "", algorithm: 3, digits: 2, type: 1, counter: 2 ** 40 },
      { secret: Buffer.from([1]), name: "Ärzte: дядя", issuer: "Ärzte", algorithm: 2, digits: 3, type: 2 },
    ];
    expect(parseAuthenticatorExport(exportUri({ entries, size: 3, index: 2, id: -1_234_567 }))).toEqual({
      otpauths: [
        read,
        {
          type: "hotp",
          issuer: "",
          account: "bob",
          algorithm: "SHA512",
          digits: 8,
          counter: 2 ** 40,
          secret: Buffer.alloc(64, 7),
        },
        { ...read, issuer: "Ärzte", account: "дядя", algorithm: "SHA256", digits: 7, secret: Buffer.from([1]) },
      ],
      batch: -1_234_567,
      index: 2,
      size: 3,
    });
  });

  it("takes for the issuer its field, or else what stands before the name's colon", () => {
    expect(oneOf({ ...alice, name: "alice" })).toMatchObject({ issuer: "Example", account: "alice" });
    expect(oneOf({ ...alice, name: "Lab: alice", issuer: "" })).toMatchObject({ issuer: "Lab", account: "alice" });
    expect(oneOf({ ...alice, name: "Lab:alice" })).toMatchObject({ issuer: "Example", account: "alice" });
    expect(oneOf({ secret })).toMatchObject({ issuer: "", account: "account", type: "totp" });
  });

  it("may have fields that are not known, of every wire type", () => {
    const unknown = [
      integerField(99, 2n ** 64n - 1n),
      bytesField(8, "unique"),
      Buffer.concat([varint((9 << 3) | 1), Buffer.alloc(8)]),
      Buffer.concat([varint((10 << 3) | 5), Buffer.alloc(4)]),
    ];
    const entry = bytesField(1, Buffer.concat([entryBytes(alice), ...unknown]));
    expect(parseAuthenticatorExport(exportOf(Buffer.concat([...unknown, entry]))).otpauths).toEqual([read]);
  });

  it("is known by its scheme, in any case, and by nothing else", () => {
    expect(isAuthenticatorExport("OTPAUTH-migration://nonsense")).toBe(true);
    expect(isAuthenticatorExport("otpauth://totp/a?secret=GE")).toBe(false);
  });

  const base64 = (text: string) => `otpauth-migration://offline?data=${text}`;
  it.each([
    ["another host", EXAMPLE.replace("offline", "online")],
    ["a further parameter", `${EXAMPLE}&data=AA`],
    ["a fragment", `${EXAMPLE}#x`],
    ["no data", base64("")],
    ["base64 that is cut", EXAMPLE.slice(0, -1)],
    ["left-over bits", EXAMPLE.replace(/AC$/, "AD").slice(0, -1)],
    ["a character that is none of base64's", base64("CjEK%2ACg")],
    ["broken percent encoding", base64("CjE%ZZ")],
    ["more than 16 KiB", base64("A".repeat(16_384))],
  ])("is refused: %s", (_, uri) => {
    expect(() => parseAuthenticatorExport(uri)).toThrow(refused());
  });

  it.each([
    ["a length beyond its end", Buffer.from([0x0a, 0x7f])],
    ["a length of 2^63", Buffer.concat([Buffer.from([0x0a]), varint(2n ** 63n)])],
    ["a number that does not end", Buffer.alloc(11, 0xff)],
    ["a number of 65 bits", Buffer.concat([varint(2 << 3), Buffer.alloc(9, 0xff), Buffer.from([2])])],
    ["a number that is longer than it need be", Buffer.from([0x10, 0x81, 0x00])],
    ["field number 0", Buffer.from([0x00, 0x00])],
    ["a group", Buffer.from([0x33])],
    ["a wire type that there is not", Buffer.from([0x36])],
    ["entries that are numbers", integerField(1, 5)],
    ["a size that is bytes", bytesField(3, "x")],
    ["the size twice", Buffer.concat([integerField(3, 1), integerField(3, 1)])],
    ["a fixed field that is cut", Buffer.concat([varint((9 << 3) | 1), Buffer.alloc(7)])],
  ])("is refused as damaged: %s", (_, data) => {
    expect(() => parseAuthenticatorExport(exportOf(data))).toThrow(refused(DAMAGED));
  });

  it("is refused cut at any byte, unless what is left is whole by itself", () => {
    const bytes = payloadBytes({ entries: [alice, alice], size: 2, index: 1, id: 5 });
    const whole = [bytes.length, ...[2, 4, 6].map((left) => bytes.length - left)];
    for (let length = 1; length < bytes.length; length += 1) {
      const parse = () => parseAuthenticatorExport(exportOf(bytes.subarray(0, length)));
      const entriesOnly = length === entryBytes(alice).length + 2 || length === 2 * (entryBytes(alice).length + 2);
      if (entriesOnly || whole.includes(length)) expect(parse().otpauths.length).toBeGreaterThan(0);
      else expect(parse).toThrow(refused());
    }
  });

  it.each<[string, Entry, string]>([
    ["MD5", { ...alice, algorithm: 4 }, "its hash is none that codes use"],
    ["a hash of 2^64 - 1", { ...alice, algorithm: -1 }, "its hash is none that codes use"],
    ["digits that are not known", { ...alice, digits: 4 }, "its number of digits is not known"],
    ["a type that is not known", { ...alice, type: 3 }, "it is for neither time nor counters"],
    ["a counter too high", { ...alice, type: 1, counter: 2 ** 48 }, "its counter is too high"],
    ["a negative counter", { ...alice, type: 1, counter: -1n }, "its counter is too high"],
    ["no secret", { name: "alice", type: 2 }, "its secret or one of its names cannot stand in an otpauth URI"],
    [
      "a secret of 129 bytes",
      { ...alice, secret: Buffer.alloc(129) },
      "its secret or one of its names cannot stand in an otpauth URI",
    ],
    [
      "a control sequence",
      { ...alice, name: "\u001b]52;c" },
      "its secret or one of its names cannot stand in an otpauth URI",
    ],
    ["two colons", { ...alice, name: "a:b:c" }, "its secret or one of its names cannot stand in an otpauth URI"],
    [
      "a name of 129 bytes",
      { ...alice, issuer: "x".repeat(129) },
      "its secret or one of its names cannot stand in an otpauth URI",
    ],
  ])("is refused, and the entry named: %s", (_, entry, why) => {
    expect(() => parseAuthenticatorExport(exportUri({ entries: [alice, entry] }))).toThrow(refused(`entry 2: ${why}`));
  });

  it("is refused, and the entry named: a name that is not UTF-8", () => {
    const entry = Buffer.concat([bytesField(1, secret), bytesField(2, Buffer.from([0xff]))]);
    expect(() => parseAuthenticatorExport(exportOf(bytesField(1, entry)))).toThrow(
      refused("entry 1: one of its names is not UTF-8"),
    );
  });

  it.each([
    ["one part more than there are", { size: 2, index: 2 }],
    ["the second of none", { index: 1 }],
    ["a negative part", { size: 2, index: -1 }],
    ["more parts than a person scans", { size: 101, index: 0 }],
    ["a negative size", { size: -1 }],
  ])("is refused as %s", (_, place) => {
    expect(() => parseAuthenticatorExport(exportUri({ entries: [alice], ...place }))).toThrow(refused());
  });

  it("has 200 entries at most", () => {
    const small: Entry = { secret: Buffer.from([1]) };
    const of = (count: number) => parseAuthenticatorExport(exportUri({ entries: Array<Entry>(count).fill(small) }));
    expect(of(200).otpauths).toHaveLength(200);
    expect(() => of(201)).toThrow(refused("it has more than 200 entries"));
  });

  it("is read or refused, whatever its bytes are", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 60 }), fc.boolean(), (bytes, asEntry) => {
        try {
          parseAuthenticatorExport(exportOf(asEntry ? bytesField(1, bytes) : bytes));
        } catch (thrown) {
          expect(thrown).toEqual(refused());
        }
      }),
      { numRuns: 1000 },
    );
  });
});
