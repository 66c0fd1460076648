import { createHash } from "node:crypto";
import { isDeepStrictEqual } from "node:util";
import { fingerprintOfDigest, parseFingerprint } from "@postern/shared/fingerprint";
import { formatToken, parseToken } from "@postern/shared/token";
import { drawKeyText, parseKeyText } from "../../../../packages/server/dist/services/applications/key-text.js";
import { must } from "../judge.mjs";
import { textOf } from "./text.mjs";

const fingerprint = fingerprintOfDigest(Buffer.alloc(32, 0x5a));
const secret = Buffer.alloc(16, 0xa5);
const tokens = ["invite", "password-reset", "factor-reset"].map((kind) => formatToken({ kind, fingerprint, secret }));

/** The same with a right checksum: what changes bytes at random would not get past it. */
function sealed(text) {
  const bytes = Buffer.from(text.replaceAll(/[ \t\r\n]/g, "").slice(4), "base64url");
  if (bytes.length !== 54) return text;
  const body = bytes.subarray(0, 50);
  createHash("sha256").update("postern/1 token\0").update(body).digest().copy(bytes, 50, 0, 4);
  return `ptk_${bytes.toString("base64url")}`;
}

function read(text) {
  const token = parseToken(text);
  must(parseFingerprint(token.fingerprint) === token.fingerprint, "its identity is a fingerprint");
  must(token.secret.length === 16, "its secret has 16 bytes");
  const written = formatToken(token);
  must(written === text.replaceAll(/[ \t\r\n]/g, ""), "there is one way to write it");
  must(isDeepStrictEqual(parseToken(written), token), "what is written is read back");
  return token.kind;
}

const operatorToken = {
  name: "operator-token",
  codes: ["token_malformed"],
  dictionary: ["ptk_", "AQE", "AQI", "AQM", "-", "_", "=", "\n", "\r\n", " ", "\t", "\u00a0", "\u200b", "A".repeat(72)],
  seeds: [
    ...tokens,
    `  ${tokens[0]?.slice(0, 40)}\r\n${tokens[0]?.slice(40)}\n`,
    `${tokens[1]}=`,
    tokens[2]?.slice(0, -1) ?? "",
  ],
  maxLength: 2000,
  run(input) {
    const text = textOf(input);
    try {
      return read(text);
    } catch (thrown) {
      if (!text.startsWith("ptk_") || sealed(text) === text) throw thrown;
      return `${read(sealed(text))}, mended`;
    }
  },
};

const keyId = `pk_${"0123456789abcdef".repeat(2)}`;
const key = drawKeyText(keyId, (size) => Buffer.alloc(size, 0x5a));

const apiKey = {
  name: "api-key",
  codes: [],
  dictionary: ["pk_", "_", "-", "=", "A", "AE", "Bearer ", "\n", "\u00a0", keyId, "A".repeat(43)],
  seeds: [
    key.text,
    `${keyId}_${"A".repeat(43)}`,
    `${keyId}_${"-_".repeat(21)}8`,
    `${key.text}=`,
    key.text.slice(0, -1),
    "",
  ],
  maxLength: 300,
  run(input) {
    const text = textOf(input);
    const parsed = parseKeyText(text);
    if (parsed === undefined) return "none";
    must(parsed.hash.length === 32, "its hash has 32 bytes");
    const secret = Buffer.from(text.slice(-43), "base64url");
    must(drawKeyText(parsed.id, () => secret).text === text, "there is one way to write it");
    return "key";
  },
};

export const targets = [operatorToken, apiKey];
