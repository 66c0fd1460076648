import { PosternError } from "@postern/shared/errors";
import type { Id } from "@postern/shared/ids";
import { type Code, parseCode } from "@postern/shared/otp/code";
import { matchHotp, resyncHotp } from "@postern/shared/otp/hotp";
import { matchTotp } from "@postern/shared/otp/totp";
import type { SealedReadTransaction } from "../../barrier/barrier.js";
import {
  type Authenticator,
  type AuthenticatorKind,
  type AuthenticatorOf,
  findAuthenticator,
  type HotpAuthenticator,
  putAuthenticator,
  type TotpAuthenticator,
} from "../../records/applications/authenticator.js";
import type { Peer, ServiceContext } from "../context.js";
import { type Judged, judgeGuess, type Verdict } from "./guess.js";
import type { Owner } from "./subject.js";

type Application = Pick<Owner, "application">;

/** @throws PosternError `credential_unknown`, `store_damaged` */
export async function findOwn<K extends AuthenticatorKind>(
  tx: SealedReadTransaction,
  { application }: Application,
  id: Id<K>,
): Promise<AuthenticatorOf<K>> {
  const found = await findAuthenticator(tx, application, id);
  if (found === undefined) throw new PosternError("credential_unknown");
  return found;
}

/**
 * Judges a code that somebody typed. It is taken once: a TOTP step with every one before it, an HOTP counter with every
 * one before it.
 * @throws PosternError `credential_unknown`, `code_malformed`: neither costs anything
 */
export function verifyAuthenticator<K extends AuthenticatorKind>(
  context: ServiceContext,
  peer: Peer,
  owner: Application,
  { id, code: typed }: { readonly id: Id<K>; readonly code: string },
): Promise<Verdict> {
  return context.barrier.transact(async (tx) => {
    const record: Authenticator = await findOwn(tx, owner, id);
    const code = parsed(typed, record);
    return judgeGuess<Authenticator>(context, tx, peer, {
      owner,
      subject: record.subject,
      event: `${record.kind}.verify`,
      record,
      judge: (found, now) => (found.kind === "totp" ? judgeTotp(found, code, now) : judgeHotp(found, code, now)),
      put: (after) => putAuthenticator(tx, owner.application, after),
    });
  });
}

/**
 * Finds an HOTP device that has run ahead by two codes in a row (RFC 4226 section 7.4), and uses both up. It is a guess
 * like any other.
 * @throws PosternError `credential_unknown`, `code_malformed`
 */
export function resyncAuthenticator(
  context: ServiceContext,
  peer: Peer,
  owner: Application,
  { id, codes: [first, second] }: { readonly id: Id<"hotp">; readonly codes: readonly [string, string] },
): Promise<Verdict> {
  return context.barrier.transact(async (tx) => {
    const record = await findOwn<"hotp">(tx, owner, id);
    const codes = [parsed(first, record), parsed(second, record)] as const;
    return judgeGuess<HotpAuthenticator>(context, tx, peer, {
      owner,
      subject: record.subject,
      event: "hotp.resync",
      record,
      judge: (found, now) => judgePair(found, codes, now),
      put: (after) => putAuthenticator(tx, owner.application, after),
    });
  });
}

function parsed(typed: string, { digits }: Authenticator): Code {
  const code = parseCode(typed, digits);
  if (code === undefined) throw new PosternError("code_malformed");
  return code;
}

function judgeTotp(record: TotpAuthenticator, code: Code, now: number): Judged<Authenticator> {
  const { secret, algorithm, digits, period, lastStep } = record;
  const verdict = matchTotp({ secret, code, now, lastStep, params: { algorithm, digits, period } });
  switch (verdict.kind) {
    case "match":
      return { kind: "right", record: { ...record, lastStep: verdict.step, lastUsedAt: now } };
    case "replayed":
      return replayed(record);
    case "past":
      return wrong(record, "expired_code", { clockBehind: verdict.stepsBehind * period });
    case "none":
      return wrong(record);
  }
}

/** How many counters before the expected one are recognised as used up. */
const LOOK_BACK = 10;

function judgeHotp({ resync, ...record }: HotpAuthenticator, code: Code, now: number): Judged<Authenticator> {
  if (resync) {
    return { kind: "void", fault: "resync_needed", verdict: { result: "invalid", why: { resyncNeeded: true } } };
  }
  const { secret, algorithm, digits, counter, lookAhead } = record;
  const params = { algorithm, digits };
  const match = matchHotp({ secret, counter, params, code, lookAhead });
  const from = Math.max(0, counter - LOOK_BACK);
  const past = matchHotp({ secret, counter: from, params, code, lookAhead: counter - 1 - from });
  if (match !== undefined) return { kind: "right", record: { ...record, counter: match.nextCounter, lastUsedAt: now } };
  return past === undefined ? wrong(record) : replayed(record);
}

function judgePair(
  { resync, ...record }: HotpAuthenticator,
  codes: readonly [Code, Code],
  now: number,
): Judged<HotpAuthenticator> {
  const { secret, algorithm, digits, counter } = record;
  const match = resyncHotp({ secret, counter, params: { algorithm, digits }, codes });
  if (match !== undefined) return { kind: "right", record: { ...record, counter: match.nextCounter, lastUsedAt: now } };
  return wrong({ ...record, ...(resync && { resync }) });
}

type Wrong = Extract<Judged<never>, { kind: "wrong" }>;

function wrong<R extends Authenticator>(
  record: R,
  fault: Wrong["fault"] = "wrong_code",
  why?: Extract<Verdict, { result: "invalid" }>["why"],
): Judged<R> {
  return { kind: "wrong", record, fault, verdict: { result: "invalid", ...(why && { why }) } };
}

function replayed<R extends Authenticator>(record: R): Judged<R> {
  return { kind: "wrong", record, fault: "replayed_code", verdict: { result: "replayed" } };
}
