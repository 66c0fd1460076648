import fc from "fast-check";
import { URI } from "otpauth";
import { describe, expect, it } from "vitest";
import { toolkitLimits } from "../../src/otp/limits.js";
import { MAX_COUNTER, type OtpAlgorithm, otpAlgorithms, totpDefaults } from "../../src/otp/parameters.js";
import { decodeSecret } from "../../src/otp/secret.js";
import { type Otpauth, otpauthUri, parseOtpauthUri } from "../../src/otp/uri.js";

const refused = expect.objectContaining({ name: "PosternError", code: "otp_invalid" });
const base32 = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ";
const secret = decodeSecret(base32);
const alice = { type: "totp", ...totpDefaults, secret, issuer: "Postern", account: "alice" } as const;

describe("writing", () => {
  it("leaves out what stands at its default: 83 bytes for alice", () => {
    const uri = otpauthUri(alice);
    expect(uri).toBe(`otpauth://totp/Postern:alice?issuer=Postern&secret=${base32}`);
    expect(Buffer.byteLength(uri)).toBe(83);
  });

  it("says what does not", () => {
    expect(otpauthUri({ ...alice, algorithm: "SHA256", digits: 8, period: 60, issuer: "" })).toBe(
      `otpauth://totp/alice?secret=${base32}&algorithm=SHA256&digits=8&period=60`,
    );
  });

  it("always says a HOTP's counter", () => {
    const { period: _, ...rest } = alice;
    expect(otpauthUri({ ...rest, type: "hotp", counter: 0 })).toBe(
      `otpauth://hotp/Postern:alice?issuer=Postern&secret=${base32}&counter=0`,
    );
  });

  it.each([
    ["attack 62: a?secret=X&issuer=Y", "a?secret=X&issuer=Y"],
    ["another parameter", "a&secret=JBSWY3DPEHPK3PXP"],
    ["a fragment", "a#secret"],
    ["an encoded question mark", "a%3Fsecret=X"],
    ["a path", "../../hotp/x"],
    ["P1: a quote for the shell", "a'; touch /tmp/x; '"],
    ["a substitution", "$(id)`id`"],
    ["a default parameter", "a&digits=6"],
    ["a letter beyond ASCII", "ключ 🔑"],
  ])("a name cannot add anything: %s", (_, name) => {
    const uri = otpauthUri({ ...alice, issuer: name, account: name });
    expect(uri).toMatch(/^otpauth:\/\/totp\/[\w.~%-]+:[\w.~%-]+\?issuer=[\w.~%-]+&secret=[A-Z2-7]+$/);
    expect(new URL(uri).searchParams.getAll("secret")).toEqual([base32]);
    expect(new URL(uri).searchParams.getAll("issuer")).toEqual([name]);
    expect(parseOtpauthUri(uri)).toEqual({ ...alice, issuer: name, account: name });
  });

  it.each([
    ["an empty account", { account: "" }],
    ["a colon in the account", { account: "a:b" }],
    ["a colon in the issuer", { issuer: "a:b" }],
    ["half of a surrogate pair", { account: "\ud83d" }],
    ["an escape character", { account: "\u001b[2J" }],
    ["a C1 control", { account: "a\u009b" }],
    ["a line end", { issuer: "a\nb" }],
    ["a line separator", { issuer: "a\u2028b" }],
    ["white space at an end", { account: " alice" }],
    ["129 bytes", { account: "é".repeat(65) }],
    ["5 digits", { digits: 5 }],
    ["9 digits", { digits: 9 }],
    ["6.5 digits", { digits: 6.5 }],
    ["a period of 14 seconds", { period: 14 }],
    ["a period of 121 seconds", { period: 121 }],
    ["an unknown hash", { algorithm: "MD5" as OtpAlgorithm }],
    ["a hash that objects inherit", { algorithm: "toString" as OtpAlgorithm }],
    ["an empty secret", { secret: Buffer.alloc(0) }],
    ["a secret of 129 bytes", { secret: Buffer.alloc(129) }],
    ["a counter too high", { type: "hotp" as const, counter: MAX_COUNTER + 1 }],
    ["a counter below 0", { type: "hotp" as const, counter: -1 }],
  ])("refuses %s", (_, change) => {
    expect(() => otpauthUri({ ...alice, ...change } as Otpauth)).toThrow(refused);
  });
});

describe("reading", () => {
  const name = fc.string({ unit: "grapheme", maxLength: 20 }).filter((text) => {
    return text === text.trim() && Buffer.byteLength(text) <= 128 && !/[:\p{Cc}\p{Cs}\p{Zl}\p{Zp}]/u.test(text);
  });
  const base = {
    algorithm: fc.constantFrom(...(Object.keys(otpAlgorithms) as OtpAlgorithm[])),
    digits: fc.integer({ min: 6, max: 8 }),
    secret: fc.uint8Array({ minLength: 10, maxLength: 128 }).map((bytes) => Buffer.from(bytes)),
    issuer: name,
    account: name.filter((text) => text !== ""),
  };
  const otpauth: fc.Arbitrary<Otpauth> = fc.oneof(
    fc.record({ ...base, type: fc.constant("totp" as const), period: fc.integer({ min: 15, max: 120 }) }),
    fc.record({ ...base, type: fc.constant("hotp" as const), counter: fc.integer({ min: 0, max: MAX_COUNTER }) }),
  );

  it("gives back whatever was written, and the otpauth package reads the same", () => {
    fc.assert(
      fc.property(otpauth, (value) => {
        const uri = otpauthUri(value);
        expect(parseOtpauthUri(uri)).toEqual(value);
        const theirs = URI.parse(uri);
        expect({ ...value, secret: Buffer.from(value.secret) }).toMatchObject({
          issuer: theirs.issuer,
          account: theirs.label,
          digits: theirs.digits,
          algorithm: theirs.algorithm,
          secret: Buffer.from(theirs.secret.bytes),
        });
      }),
    );
  });

  it.each([
    ["the shortest", `otpauth://totp/alice?secret=${base32}`, { ...alice, issuer: "" }],
    ["an encoded colon", `otpauth://totp/Postern%3Aalice?secret=${base32}`, alice],
    ["a space behind the colon", `otpauth://totp/Postern:%20alice?secret=${base32}`, alice],
    ["the issuer as a parameter only", `otpauth://totp/alice?secret=${base32}&issuer=Postern`, alice],
    [
      "everything, in any case",
      `OTPAUTH://TOTP/alice?SECRET=${base32.toLowerCase()}&Algorithm=sha1&digits=6&period=30&issuer=Postern`,
      alice,
    ],
  ])("takes %s", (_, uri, expected) => {
    expect(parseOtpauthUri(uri)).toEqual(expected);
  });

  const good = `otpauth://totp/Postern:alice?secret=${base32}`;
  it.each([
    ["nothing", ""],
    ["another scheme", good.replace("otpauth", "https")],
    ["another type", good.replace("totp", "motp")],
    ["no label", `otpauth://totp/?secret=${base32}`],
    ["no query", "otpauth://totp/alice"],
    ["no secret", "otpauth://totp/alice?issuer=Postern"],
    ["an empty secret", "otpauth://totp/alice?secret="],
    ["attack 62: two secrets", `${good}&secret=JBSWY3DPEHPK3PXP`],
    ["attack 62: two secrets in different case", `${good}&SECRET=JBSWY3DPEHPK3PXP`],
    ["attack 62: two issuers", `${good}&issuer=Postern&issuer=Postern`],
    ["a second question mark", `${good}?issuer=x`],
    ["an unknown parameter", `${good}&image=x`],
    ["a parameter that objects inherit", `${good}&constructor=x`],
    ["a parameter without a value", `${good}&digits`],
    ["an empty parameter", `${good}&`],
    ["a fragment", `${good}#x`],
    ["a space", good.replace("alice", "al ice")],
    ["a raw letter beyond ASCII", good.replace("alice", "ålice")],
    ["a line end", `${good}\n`],
    ["broken percent encoding", good.replace("alice", "al%ZZice")],
    ["percent encoding that is not UTF-8", good.replace("alice", "%ff")],
    ["an encoded control character", good.replace("alice", "al%1Bice")],
    ["a second colon", good.replace("alice", "a:b")],
    ["an issuer that contradicts the label", `${good}&issuer=Other`],
    ["a label of an issuer alone", `otpauth://totp/Postern:?secret=${base32}`],
    ["5 digits", `${good}&digits=5`],
    ["digits with a sign", `${good}&digits=+6`],
    ["a period of 0", `${good}&period=0`],
    ["a period of 14 seconds", `${good}&period=14`],
    ["a hash that no app knows", `${good}&algorithm=SHA3-256`],
    ["MD5", `${good}&algorithm=MD5`],
    ["a short secret", "otpauth://totp/alice?secret=MZXW6YTB"],
    ["a secret with left-over bits", "otpauth://totp/alice?secret=GEZDGNBVGY3TQOJQGF"],
    ["a HOTP without a counter", good.replace("totp", "hotp")],
    ["a HOTP with a negative counter", `${good.replace("totp", "hotp")}&counter=-1`],
    ["a HOTP with a counter too high", `${good.replace("totp", "hotp")}&counter=281474976710656`],
    ["a name of 2000 bytes", good.replace("alice", "a".repeat(2000))],
    ["a label of 1000 spaces", good.replace("Postern:", `Postern:${"%20".repeat(1000)}`)],
  ])("refuses %s", (_, uri) => {
    expect(() => parseOtpauthUri(uri)).toThrow(refused);
  });

  it.each([["totp"], ["hotp"]])(
    "arbitrary text behind otpauth://%s/ is read or refused, never anything else",
    (type) => {
      const text = fc.string({
        unit: fc.constantFrom(..."ab:%3A?&=#'+ é", "secret=", base32, "issuer=", "counter=", "%"),
      });
      fc.assert(
        fc.property(text, (tail) => {
          const uri = `otpauth://${type}/a${tail}`;
          let read: Otpauth | undefined;
          try {
            read = parseOtpauthUri(uri);
          } catch (thrown) {
            expect(thrown).toEqual(refused);
          }
          if (read !== undefined) expect(parseOtpauthUri(otpauthUri(read))).toEqual(read);
        }),
        { numRuns: 2000 },
      );
    },
  );
});

describe("what other programs hand out, which no server here enrols", () => {
  const foreign = [
    ["4 digits", `otpauth://totp/Bank:me?secret=${base32}&digits=4`, { digits: 4 }],
    ["10 digits", `otpauth://totp/Bank:me?secret=${base32}&digits=10`, { digits: 10 }],
    ["a second", `otpauth://totp/Bank:me?secret=${base32}&period=1`, { period: 1 }],
    ["a day", `otpauth://totp/Bank:me?secret=${base32}&period=86400`, { period: 86_400 }],
    ["a byte", "otpauth://totp/Bank:me?secret=GE", { secret: Buffer.from("1") }],
    ["a picture", `otpauth://totp/Bank:me?image=https%3A%2F%2Fx%2Fy.png&secret=${base32}`, {}],
    ["a picture twice", `otpauth://totp/Bank:me?image=x&secret=${base32}&IMAGE=&lock=true`, {}],
  ] as const;

  it.each(foreign)(
    "is read with the toolkit's limits only, and written without what is not known: %s",
    (_, uri, change) => {
      expect(() => parseOtpauthUri(uri)).toThrow(refused);
      const read = parseOtpauthUri(uri, toolkitLimits);
      expect(read).toEqual({ ...alice, issuer: "Bank", account: "me", ...change });
      const written = otpauthUri(read, toolkitLimits);
      expect(written).not.toMatch(/image|lock/i);
      expect(parseOtpauthUri(written, toolkitLimits)).toEqual(read);
    },
  );

  it.each([
    ["3 digits", "digits=3"],
    ["11 digits", "digits=11"],
    ["a period of 0", "period=0"],
    ["a period of more than a day", "period=86401"],
    ["attack 62: a second secret", "secret=GE"],
    ["attack 62: a second secret whose name is percent-encoded", "%73ecret=GE"],
    ["a parameter without a name", "=x"],
    ["a parameter without a value", "image"],
  ])("is refused even so: %s", (_, parameter) => {
    expect(() => parseOtpauthUri(`otpauth://totp/a?secret=${base32}&${parameter}`, toolkitLimits)).toThrow(refused);
  });
});
