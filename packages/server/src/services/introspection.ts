import type { Session } from "../records/session.js";
import type { ServiceContext } from "./context.js";
import { publishedOf } from "./key-schedule.js";
import { findLiveSession } from "./live-session.js";
import { type Claims, isSignedBy, parseSignedToken } from "./signed-token.js";
import { signingKeysIn } from "./signing-keys.js";

/** A token that is good now, and whom it speaks of as the store knows them. Times are in seconds since 1970. */
export interface LiveToken extends Pick<Session, "account" | "id" | "identity" | "amr"> {
  readonly issuer: string;
  readonly audience: string;
  readonly authTime: number;
  readonly issuedAt: number;
  /** The token's end, or its session's where that comes first. */
  readonly expiresAt: number;
}

/** A token from further ahead was made before the clock was set back: nobody can tell how old it is. */
const CLOCK_SLACK = 60;

/**
 * What a token is worth at this moment (RFC 7662): undefined unless it is one of this server's, signed by a key that is
 * published now, for this audience where one is named, not over, and of a session that is live. Whatever the text is,
 * it is answered and not thrown at. One snapshot, which writes nothing: asking is no use of the session.
 * @throws PosternError `store_damaged`, `store_failed`
 */
export async function introspectToken(
  context: ServiceContext,
  text: string,
  { audience }: { readonly audience?: string | undefined } = {},
): Promise<LiveToken | undefined> {
  const token = parseSignedToken(text);
  if (token === undefined) return undefined;
  const { kid, claims } = token;
  if (claims.iss !== context.issuer() || (audience !== undefined && claims.aud !== audience)) return undefined;
  return context.barrier.read(async (tx) => {
    const now = context.now();
    if (!isCurrent(claims, now / 1000)) return undefined;
    const key = publishedOf(await signingKeysIn(tx, now)).find(({ id }) => id === kid);
    if (key === undefined || !isSignedBy(token, key.publicKey)) return undefined;
    const session = await findLiveSession(context, tx, { account: claims.sub, id: claims.sid });
    return session && factsOf(claims, session);
  });
}

/** RFC 7519 sections 4.1.4, 4.1.6. The clock is the one that dated it, so that its end needs no leeway. */
function isCurrent({ iat, exp }: Claims, now: number): boolean {
  return now < exp && iat <= now + CLOCK_SLACK;
}

function factsOf({ iss, aud, iat, exp }: Claims, session: Session): LiveToken {
  const { account, id, identity, amr, authenticatedAt, expiresAt } = session;
  return {
    account,
    id,
    identity,
    amr,
    issuer: iss,
    audience: aud,
    authTime: Math.floor(authenticatedAt / 1000),
    issuedAt: iat,
    expiresAt: Math.min(exp, Math.floor(expiresAt / 1000)),
  };
}
