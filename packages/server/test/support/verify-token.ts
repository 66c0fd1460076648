import { createLocalJWKSet, type JSONWebKeySet, type JWTPayload, jwtVerify } from "jose";

/** What a service that trusts this server checks of a token (RFC 7519 section 7.2), with the server's published keys. */
export interface TokenExpectations {
  readonly issuer: string;
  readonly audience: string;
  readonly now: number;
}

/** The claims of a token. Rejects with what jose says against it. */
export async function verifyToken(
  token: string,
  keys: JSONWebKeySet,
  { issuer, audience, now }: TokenExpectations,
): Promise<JWTPayload> {
  const { payload } = await jwtVerify(token, createLocalJWKSet(keys), {
    issuer,
    audience,
    currentDate: new Date(now),
    requiredClaims: ["sub", "sid", "exp", "iat"],
  });
  return payload;
}
