import { isDeepStrictEqual } from "node:util";
import { parseCode } from "@postern/shared/otp/code";
import { formatRecoveryCode, hashRecoveryCode, parseRecoveryCode } from "@postern/shared/otp/recovery-code";
import { decodeSecret, encodeSecret } from "@postern/shared/otp/secret";
import { otpauthUri, parseOtpauthUri } from "@postern/shared/otp/uri";
import { parseDigits, parseTypedCode } from "../../../../packages/client/dist/cli/typed-code.js";
import { must } from "../judge.mjs";
import { textOf } from "./text.mjs";

const secret = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ";

const otpauth = {
  name: "otpauth-uri",
  codes: ["otp_invalid"],
  dictionary: [
    "otpauth://totp/",
    "otpauth://hotp/",
    "?",
    "&",
    "secret=",
    `secret=${secret}`,
    "issuer=",
    "&algorithm=SHA256",
    "&digits=8",
    "&period=60",
    "&counter=5",
    "%3A",
    "%20",
    "%00",
    "%E2%80%AE",
    "%ff",
    "#",
    ":",
  ],
  seeds: [
    `otpauth://totp/Postern:alice?issuer=Postern&secret=${secret}`,
    `otpauth://totp/ACME%20Co:john@example.com?secret=${secret}&issuer=ACME%20Co&algorithm=SHA1&digits=6&period=30`,
    `otpauth://hotp/%C3%84rzte:%20bob?secret=${secret}&issuer=%C3%84rzte&algorithm=SHA512&digits=8&counter=281474976710655`,
    `OTPAUTH://TOTP/alice?SECRET=${secret.toLowerCase()}======&period=15`,
  ],
  maxLength: 2100,
  run(input) {
    const read = parseOtpauthUri(textOf(input));
    const written = otpauthUri(read);
    must(isDeepStrictEqual(parseOtpauthUri(written), read), "what is written is read back");
    must(written.split("secret=").length === 2, "it has exactly one secret");
  },
};

const base32 = {
  name: "base32-secret",
  codes: ["otp_invalid"],
  dictionary: ["A", "=", "======", "====", "===", " ", "-", "7", "8", "AAAAAAAA"],
  seeds: [
    secret,
    "gezd gnbv-gy3t qojq",
    "MFRGGZDFMZTWQ2LK",
    "MFRGGZDFMZTWQ2LKNM======",
    "MFRGGZDFMZTWQ2LKNNWA====",
    "A".repeat(200),
  ],
  maxLength: 600,
  run(input) {
    const bytes = decodeSecret(textOf(input));
    const text = encodeSecret(bytes);
    must(decodeSecret(text).equals(bytes), "what is written is read back");
    must(/^[A-Z2-7]+$/.test(text), "it is written in one way");
  },
};

const recoveryCode = {
  name: "recovery-code",
  codes: [],
  dictionary: ["-", " ", "O", "o", "I", "l", "U", "v", "abcde"],
  seeds: [
    "abcde-fghjk-mnpqr-stvwx-yz012",
    "ABCDE FGHJK MNPQR STVWX YZ012",
    "oilu0-oilu0-oilu0-oilu0-oilu0",
    "abcdefghjkmnpqrstvwxyz012",
    "short",
  ],
  maxLength: 200,
  run(input) {
    const code = parseRecoveryCode(textOf(input));
    if (code === undefined) return "none";
    must(/^[0-9a-hjkmnp-tv-z]{25}$/.test(code), "it is of the alphabet");
    must(parseRecoveryCode(formatRecoveryCode(code)) === code, "what is shown is read back");
    must(parseRecoveryCode(code.toUpperCase()) === code, "either case is read");
    must(hashRecoveryCode(code).length === 32, "it has a hash");
    return "a code";
  },
};

const typedCode = {
  name: "typed-code",
  codes: [],
  dictionary: [" ", "123456", "\u0661", "\uff11", "-"],
  seeds: [
    "123456",
    "123 456",
    "12345678",
    "abcde-fghjk-mnpqr-stvwx-yz012",
    "\uff11\uff12\uff13\uff14\uff15\uff16",
    "12345",
  ],
  maxLength: 200,
  run(input) {
    const text = textOf(input);
    const typed = parseTypedCode(text);
    if (typed?.factor === "totp") must(/^[0-9]{6,8}$/.test(typed.code), "a code has 6 to 8 digits");
    if (typed?.factor === "recovery") must(parseRecoveryCode(typed.code) !== undefined, "a recovery code is one");
    for (const digits of [6, 7, 8]) {
      const code = parseDigits(text, digits);
      must(code === undefined || parseCode(code, digits) === code, "what is sent has the server's form");
      must(parseCode(text, digits) === undefined || text.length === digits, "the server folds nothing");
    }
    return typed?.factor ?? "none";
  },
};

export const targets = [otpauth, base32, recoveryCode, typedCode];
