import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type Code, parseCode } from "../../src/otp/code.js";
import { hmac, hotpCode, matchHotp, resyncHotp } from "../../src/otp/hotp.js";
import { HOTP_LOOK_AHEAD, HOTP_RESYNC_RANGE, MAX_COUNTER } from "../../src/otp/parameters.js";

const secret = Buffer.from("12345678901234567890");
const params = { algorithm: "SHA1", digits: 6 } as const;
const at = (counter: number) => hotpCode(secret, counter, params);

/** Counter, HMAC-SHA-1, truncated (hexadecimal, decimal), HOTP. */
const appendixD: [number, string, string, string, string][] = [
  [0, "cc93cf18508d94934c64b65d8ba7667fb7cde4b0", "4c93cf18", "1284755224", "755224"],
  [1, "75a48a19d4cbe100644e8ac1397eea747a2d33ab", "41397eea", "1094287082", "287082"],
  [2, "0bacb7fa082fef30782211938bc1c5e70416ff44", "82fef30", "137359152", "359152"],
  [3, "66c28227d03a2d5529262ff016a1e6ef76557ece", "66ef7655", "1726969429", "969429"],
  [4, "a904c900a64b35909874b33e61c5938a8e15ed1c", "61c5938a", "1640338314", "338314"],
  [5, "a37e783d7b7233c083d4f62926c7a25f238d0316", "33c083d4", "868254676", "254676"],
  [6, "bc9cd28561042c83f219324d3c607256c03272ae", "7256c032", "1918287922", "287922"],
  [7, "a4fb960c0bc06e1eabb804e5b397cdc4b45596fa", "4e5b397", "82162583", "162583"],
  [8, "1b3c89f65e6c9e883012052823443f048b4332db", "2823443f", "673399871", "399871"],
  [9, "1637409809a679dc698207310c8c7fc07290d9e5", "2679dc69", "645520489", "520489"],
];

describe("attack 18: RFC 4226 appendix D", () => {
  it.each(appendixD)("count %i", (counter, digest, hexadecimal, decimal, code) => {
    const message = Buffer.alloc(8);
    message.writeBigUInt64BE(BigInt(counter));
    expect(hmac("SHA1", secret, message).toString("hex")).toBe(digest);
    const truncated = Number(hotpCode(secret, counter, { algorithm: "SHA1", digits: 10 }));
    expect(truncated.toString(16)).toBe(hexadecimal);
    expect(String(truncated)).toBe(decimal);
    expect(at(counter)).toBe(code);
  });

  it("counters above 2^32 go into all 8 bytes", () => {
    expect(new Set([0, 2 ** 32, 2 ** 40, MAX_COUNTER].map(at)).size).toBe(4);
  });
});

describe("matching", () => {
  it("accepts the expected counter and the look-ahead, and goes on behind the code that was used", () => {
    for (let ahead = 0; ahead <= HOTP_LOOK_AHEAD; ahead += 1) {
      expect(matchHotp({ secret, counter: 100, params, code: at(100 + ahead) })).toEqual({ nextCounter: 101 + ahead });
    }
  });

  it("attack 24: beyond the look-ahead is refused, and a counter before never comes back", () => {
    expect(matchHotp({ secret, counter: 100, params, code: at(101 + HOTP_LOOK_AHEAD) })).toBeUndefined();
    expect(matchHotp({ secret, counter: 100, params, code: at(99) })).toBeUndefined();
    expect(matchHotp({ secret, counter: 100, params, code: at(50) })).toBeUndefined();
  });

  /** Ten digits, so that no other counter nearby has the same code by chance. */
  it("attack 19: a used code is refused at the counter that is kept", () => {
    const long = { algorithm: "SHA1", digits: 10 } as const;
    fc.assert(
      fc.property(fc.nat(10_000), fc.nat(HOTP_LOOK_AHEAD), (counter, ahead) => {
        const code = hotpCode(secret, counter + ahead, long);
        const nextCounter = matchHotp({ secret, counter, params: long, code })?.nextCounter ?? 0;
        expect(nextCounter).toBe(counter + ahead + 1);
        expect(matchHotp({ secret, counter: nextCounter, params: long, code })).toBeUndefined();
      }),
    );
  });

  it("a code that stands twice in the look-ahead uses up the later one", () => {
    const oneDigit = { algorithm: "SHA1", digits: 1 } as const;
    const digits = Array.from({ length: 40 }, (_, counter) => hotpCode(secret, counter, oneDigit));
    const first = digits.findIndex(
      (digit, counter) =>
        digits.indexOf(digit, counter + 1) - counter <= 3 && digits.indexOf(digit, counter + 1) > counter,
    );
    const code = digits[first] as Code;
    const last = digits.slice(first, first + 6).lastIndexOf(code) + first;
    expect(last).toBeGreaterThan(first);
    expect(matchHotp({ secret, counter: first, params: oneDigit, code })).toEqual({ nextCounter: last + 1 });
  });

  it("a code of another length is refused", () => {
    const code = hotpCode(secret, 100, { algorithm: "SHA1", digits: 8 });
    expect(matchHotp({ secret, counter: 100, params, code })).toBeUndefined();
  });
});

describe("resynchronisation by two codes in a row (RFC 4226 section 7.4)", () => {
  const resync = (first: Code, second: Code) => resyncHotp({ secret, counter: 100, params, codes: [first, second] });

  it("finds the device from the expected counter to 50 ahead, and uses up both codes", () => {
    for (const ahead of [0, 1, HOTP_LOOK_AHEAD + 1, HOTP_RESYNC_RANGE]) {
      expect(resync(at(100 + ahead), at(101 + ahead))).toEqual({ nextCounter: 102 + ahead });
    }
  });

  it.each([
    ["beyond the range", 101 + HOTP_RESYNC_RANGE, 102 + HOTP_RESYNC_RANGE],
    ["before the expected counter", 98, 99],
    ["half before it", 99, 100],
    ["not in a row", 110, 112],
    ["in the wrong order", 111, 110],
    ["the same code twice", 110, 110],
  ])("refuses codes %s", (_, first, second) => {
    expect(resync(at(first), at(second))).toBeUndefined();
  });

  it("P2: neither code is accepted again afterwards", () => {
    const counter = resync(at(120), at(121))?.nextCounter ?? 0;
    expect(matchHotp({ secret, counter, params, code: at(120) })).toBeUndefined();
    expect(matchHotp({ secret, counter, params, code: at(121) })).toBeUndefined();
    expect(resyncHotp({ secret, counter, params, codes: [at(120), at(121)] })).toBeUndefined();
    expect(matchHotp({ secret, counter, params, code: at(122) })).toEqual({ nextCounter: 123 });
  });
});

describe("reading a code", () => {
  it("takes exactly the ASCII digits", () => {
    expect(parseCode("012345", 6)).toBe("012345");
    expect(parseCode("01234567", 8)).toBe("01234567");
  });

  it.each([
    ["P2: full-width digits", "１２３４５６"],
    ["Arabic digits", "١٢٣٤٥٦"],
    ["mathematical digits", "𝟏𝟐𝟑"],
    ["attack 28: nothing", ""],
    ["attack 28: too short", "12345"],
    ["attack 28: too long", "1234567"],
    ["a space within", "123 456"],
    ["a line end behind", "12345\n"],
    ["a line end behind six digits", "123456\n"],
    ["a sign", "+12345"],
    ["hexadecimal", "0x1234"],
    ["an exponent", "1e0000"],
    ["attack 28: undefined", undefined],
    ["attack 6: null", null],
    ["attack 6: a number", 123456],
    ["attack 6: an array of one code", ["123456"]],
    ["attack 6: an array of six digits", ["1", "2", "3", "4", "5", "6"]],
    ["attack 6: an object", { length: 6, toString: () => "123456" }],
    ["attack 6: a boxed string", Object("123456")],
  ])("refuses %s", (_, value) => {
    expect(parseCode(value, 6)).toBeUndefined();
  });
});
