import { PosternError } from "@postern/shared/errors";
import { MAX_COUNTER, type OtpAlgorithm, otpAlgorithms } from "@postern/shared/otp/parameters";
import { decodeSecret, encodeSecret, newSecret } from "@postern/shared/otp/secret";
import { NO_STEP } from "@postern/shared/otp/totp";
import { otpauthUri } from "@postern/shared/otp/uri";
import type { SealedWriteTransaction } from "../../barrier/barrier.js";
import { type Authenticator, findAuthenticator, putAuthenticator } from "../../records/applications/authenticator.js";
import { untouchedBudget } from "../../records/budget.js";
import { audit, type Peer, type ServiceContext } from "../context.js";
import { type IdempotentRequest, recall, remember } from "./idempotency.js";
import { type ShownAuthenticator, shownAuthenticator, shownAuthenticatorSchema } from "./shown-authenticator.js";
import { credentialId, type Owner, type Subject } from "./subject.js";

/** Making the authenticators of applications' subjects: one of a kind for each. */

/** Bounds of what an application may ask for; narrower than what is read from elsewhere. `period` in seconds. */
export const authenticatorLimits = {
  digits: { least: 6, most: 8 },
  period: { least: 30, most: 60 },
  lookAhead: { least: 1, most: 10 },
} as const;

interface WishedFacts {
  readonly subject: Subject;
  /** As the person's app shows them. */
  readonly issuer: string;
  readonly account: string;
  readonly algorithm: OtpAlgorithm;
  readonly digits: number;
  /** One that is there already, of `parseImportedSecret`; undefined: it is drawn. */
  readonly secret?: Buffer | undefined;
}

export type AuthenticatorWish = WishedFacts &
  (
    | { readonly kind: "totp"; readonly period: number }
    | { readonly kind: "hotp"; readonly counter: number; readonly lookAhead: number }
  );

export interface CreatedAuthenticator {
  readonly shown: ShownAuthenticator;
  /** What is shown this one time; absent in the answer to a repeat. */
  readonly once?: {
    /** Base32. */
    readonly secret: string;
    readonly uri: string;
  };
}

/** RFC 4226 (R6): 128 bits. What guards an account is not made of less, whoever made it. */
const LEAST_SECRET_BYTES = 16;

/** The secret of a token that exists, in base32. @throws PosternError `secret_invalid` */
export function parseImportedSecret(text: string): Buffer {
  const secret = decoded(text);
  if (secret.length >= LEAST_SECRET_BYTES) return secret;
  secret.fill(0);
  throw new PosternError("secret_invalid");
}

function decoded(text: string): Buffer {
  try {
    return decodeSecret(text);
  } catch (cause) {
    throw new PosternError("secret_invalid", { cause });
  }
}

/** Whether the look-ahead stays within the counters that there are. */
export function hasCounters({ counter, lookAhead }: { readonly counter: number; readonly lookAhead: number }): boolean {
  return counter + lookAhead <= MAX_COUNTER;
}

/**
 * Makes an authenticator, with its secret shown this one time.
 * @throws PosternError `credential_exists`, `idempotency_mismatch`, `otp_invalid`, `store_damaged`
 */
export function createAuthenticator(
  context: ServiceContext,
  peer: Peer,
  owner: Owner,
  wish: AuthenticatorWish,
  request?: IdempotentRequest,
): Promise<CreatedAuthenticator> {
  if (wish.kind === "hotp" && !hasCounters(wish)) throw new PosternError("otp_invalid");
  return context.barrier.transact((tx) => create(context, tx, peer, owner, wish, request));
}

async function create(
  context: ServiceContext,
  tx: SealedWriteTransaction,
  peer: Peer,
  owner: Owner,
  wish: AuthenticatorWish,
  request: IdempotentRequest | undefined,
): Promise<CreatedAuthenticator> {
  const before = await recall(context, tx, owner, request, shownAuthenticatorSchema);
  if (before !== undefined) return { shown: before };
  const { application } = owner;
  const made = newAuthenticator(context, owner, wish);
  if ((await findAuthenticator(tx, application, made.id)) !== undefined) throw new PosternError("credential_exists");
  await putAuthenticator(tx, application, made);
  const once = { secret: encodeSecret(made.secret), uri: uriOf(made) };
  if (wish.secret === undefined) made.secret.fill(0);
  const shown = shownAuthenticator(made);
  await remember(context, tx, owner, request, shown);
  const about = { application, subject: wish.subject };
  await audit(context, tx, peer, { ...about, event: `${wish.kind}.create`, outcome: "done" });
  return { shown, once };
}

function newAuthenticator(context: ServiceContext, owner: Owner, wish: AuthenticatorWish): Authenticator {
  const { subject, issuer, account, algorithm, digits } = wish;
  const facts = {
    subject,
    issuer,
    account,
    secret: wish.secret ?? newSecret(otpAlgorithms[algorithm].secretBytes, context.random),
    algorithm,
    digits,
    createdAt: context.now(),
    budget: untouchedBudget,
    version: 1,
  };
  if (wish.kind === "totp") {
    const id = credentialId(context.barrier, "totp", owner, subject);
    return { kind: "totp", id, ...facts, period: wish.period, lastStep: NO_STEP };
  }
  const id = credentialId(context.barrier, "hotp", owner, subject);
  return { kind: "hotp", id, ...facts, counter: wish.counter, lookAhead: wish.lookAhead };
}

/** @throws PosternError `otp_invalid` for an issuer or account that no URI can hold */
function uriOf(made: Authenticator): string {
  const { secret, issuer, account, algorithm, digits } = made;
  const base = { secret, issuer, account, algorithm, digits };
  return made.kind === "totp"
    ? otpauthUri({ type: "totp", ...base, period: made.period })
    : otpauthUri({ type: "hotp", ...base, counter: made.counter });
}
