import { isDeepStrictEqual } from "node:util";
import { isSignedBy, parseSignedToken } from "../../../../packages/server/dist/services/signed-token.js";
import { must } from "../judge.mjs";
import { textOf } from "./text.mjs";

const hex = "1a".repeat(16);
const header = `{"alg":"EdDSA","typ":"JWT","kid":"key_${hex}"}`;
const claims = `{"sid":"ses_${hex}","amr":["pwd"],"iss":"https://a","aud":"wiki","sub":"acc_${hex}","iat":10,"exp":310}`;

/** The public key of RFC 8032 section 7.1, test 1: it signed nothing of this. */
const publicKey = Buffer.from("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a", "hex");

const encode = (text) => Buffer.from(text).toString("base64url");
const tokenOf = (head, payload, signature = Buffer.alloc(64, 1)) =>
  `${encode(head)}.${encode(payload)}.${signature.toString("base64url")}`;

function read(text) {
  const token = parseSignedToken(text);
  if (token === undefined) return "none";
  must(token.signature.length === 64, "a signature has 64 bytes");
  must(`${token.signed}.${token.signature.toString("base64url")}` === text, "a token has one text");
  must(!isSignedBy(token, publicKey), "nobody has signed it");
  const [, payload = ""] = text.split(".");
  const said = JSON.parse(Buffer.from(payload, "base64url").toString());
  for (const [name, value] of Object.entries(token.claims)) must(isDeepStrictEqual(said[name], value), "as it says");
  return "taken";
}

/** The text as it is; what is no token is tried as the header and as the claims of one too. */
const signedToken = {
  name: "signed-token",
  codes: [],
  dictionary: [".", "=", encode(header), encode(claims), '"alg":"none"', '"crit":["b64"]', '"exp":1e3', "__proto__"],
  seeds: [
    tokenOf(header, claims),
    `${encode(header)}.${encode(claims)}.`,
    header,
    claims,
    `${claims.slice(0, -1)},"x":{}}`,
  ],
  maxLength: 6000,
  run(input) {
    const text = textOf(input);
    if (!text.startsWith("{")) return read(text);
    return `${read(tokenOf(text, claims))}, ${read(tokenOf(header, text))}`;
  },
};

export const targets = [signedToken];
