import { createPublicKey, verify } from "node:crypto";
import { request } from "node:https";

/** A service that trusts a Postern server's tokens, as a stranger would write it from RFC 7519, 8037 and 7517. */

interface Jwk {
  readonly kid: string;
  readonly kty: string;
  readonly crv: string;
  readonly x: string;
}

export interface Expected {
  readonly issuer: string;
  readonly audience: string;
  /** Seconds since 1970. */
  readonly now: number;
}

/** Fetches the keys over HTTPS. The certificate is made by the server itself, so nobody vouches for it here. */
export function fetchKeys(http: string): Promise<readonly Jwk[]> {
  return new Promise((resolve, reject) => {
    const url = `https://${http}/.well-known/jwks.json`;
    const asked = request(url, { rejectUnauthorized: false, agent: false }, (response) => {
      const chunks: Buffer[] = [];
      response.on("data", (chunk: Buffer) => chunks.push(chunk));
      response.on("end", () => resolve(JSON.parse(Buffer.concat(chunks).toString()).keys));
    });
    asked.on("error", reject).end();
  });
}

/** The claims of a token, or why it is refused. */
export function judgeToken(
  token: string,
  keys: readonly Jwk[],
  { issuer, audience, now }: Expected,
): Record<string, unknown> | string {
  const [header = "", payload = "", signature = ""] = token.split(".");
  const { alg, kid } = parse(header);
  if (alg !== "EdDSA") return "another algorithm";
  const key = keys.find((candidate) => candidate.kid === kid);
  if (key === undefined || key.kty !== "OKP" || key.crv !== "Ed25519") return "an unknown key";
  const { kty, crv, x } = key;
  const signed = Buffer.from(`${header}.${payload}`);
  const publicKey = createPublicKey({ key: { kty, crv, x }, format: "jwk" });
  if (!verify(null, signed, publicKey, Buffer.from(signature, "base64url"))) return "a wrong signature";
  const claims = parse(payload);
  if (claims["iss"] !== issuer) return "another issuer";
  if (claims["aud"] !== audience) return "another audience";
  if (!(Number(claims["exp"]) > now) || !(Number(claims["iat"]) <= now)) return "not valid now";
  return claims;
}

function parse(part: string): Record<string, unknown> {
  return JSON.parse(Buffer.from(part, "base64url").toString());
}
