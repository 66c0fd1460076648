import { isDeepStrictEqual } from "node:util";
import { parseAuthenticatorExport } from "@postern/shared/otp/authenticator-export";
import { parseCode } from "@postern/shared/otp/code";
import { toolkitLimits } from "@postern/shared/otp/limits";
import { formatRecoveryCode, hashRecoveryCode, parseRecoveryCode } from "@postern/shared/otp/recovery-code";
import { decodeSecret, encodeSecret } from "@postern/shared/otp/secret";
import { decodeSecretAs, encodeSecretAs, secretEncodings } from "@postern/shared/otp/secret-encodings";
import { otpauthUri, parseOtpauthUri } from "@postern/shared/otp/uri";
import { parseDigits, parseTypedCode } from "../../../../packages/client/dist/cli/typed-code.js";
import { must } from "../judge.mjs";
import { textOf } from "./text.mjs";

const secret = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ";

/** What a reader makes of a text; undefined where it refuses with `code`. */
function unlessRefused(code, read) {
  try {
    return read();
  } catch (thrown) {
    if (thrown?.code !== code) throw thrown;
    return undefined;
  }
}

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
    "otpauth://totp/Bank:me?secret=GE&issuer=Bank&digits=10&period=86400&image=https%3A%2F%2Fx%2Fy.png",
  ],
  maxLength: 2100,
  run(input) {
    const text = textOf(input);
    const enrolled = unlessRefused("otp_invalid", () => parseOtpauthUri(text));
    const read = parseOtpauthUri(text, toolkitLimits);
    must(enrolled === undefined || isDeepStrictEqual(enrolled, read), "whom a server takes the toolkit reads alike");
    const written = otpauthUri(read, toolkitLimits);
    must(isDeepStrictEqual(parseOtpauthUri(written, toolkitLimits), read), "what is written is read back");
    must(written.split("secret=").length === 2, "it has exactly one secret");
    return enrolled === undefined ? "for the toolkit" : "for a server too";
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

const encoded = {
  name: "encoded-secret",
  codes: [],
  dictionary: ["=", "==", ":", "-", " ", "f", "/", "+"],
  seeds: ["31:32:33:34", "MTIzNDU2Nzg5MDE=", "gezd gnbv", "ABCDEF0123456789", "MTIz", "c".repeat(257)],
  maxLength: 600,
  run(input) {
    const text = textOf(input);
    const { secretBytes } = toolkitLimits;
    return secretEncodings
      .filter((encoding) => {
        const bytes = unlessRefused("otp_invalid", () => decodeSecretAs(text, encoding, secretBytes));
        if (bytes === undefined) return false;
        const again = decodeSecretAs(encodeSecretAs(bytes, encoding), encoding, secretBytes);
        must(again.equals(bytes), "what is written is read back");
        return true;
      })
      .join();
  },
};

/** Half of the inputs are the data itself: changes of its base64 seldom reach far. */
const authenticatorExport = {
  name: "authenticator-export",
  codes: ["export_invalid"],
  dictionary: [
    "otpauth-migration://offline?data=",
    "%3D",
    "%2B",
    "\x0a\x05",
    "\x08\x01",
    "\x18\x02",
    "\x20\x01",
    "\xff\x01",
  ],
  seeds: [
    "otpauth-migration://offline?data=CjEKCkhlbGxvId6tvu8SGEV4YW1wbGU6YWxpY2VAZ29vZ2xlLmNvbRoHRXhhbXBsZTAC",
    "\x0a\x1d\x0a\x0a0123456789\x12\x05alice\x20\x01\x28\x01\x30\x01\x38\x07\x10\x01\x18\x02\x20\x01\x28\x05",
    "\x0a\x08\x0a\x03abc\x1a\x01B\x0a\x06\x0a\x01a\x12\x01b\x10\x01\x42\x02id",
  ],
  maxLength: 400,
  run(input) {
    const text = textOf(input);
    const asData = `otpauth-migration://offline?data=${encodeURIComponent(input.toString("base64"))}`;
    const { otpauths, index, size } = parseAuthenticatorExport(text.startsWith("otpauth") ? text : asData);
    must(index >= 0 && index < size && size <= 100, "it is a part that there can be");
    for (const otpauth of otpauths) {
      const written = otpauthUri(otpauth, toolkitLimits);
      must(isDeepStrictEqual(parseOtpauthUri(written, toolkitLimits), otpauth), "an entry is an otpauth URI");
    }
    return `${Math.min(otpauths.length, 3)} entries`;
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

export const targets = [otpauth, base32, encoded, authenticatorExport, recoveryCode, typedCode];
