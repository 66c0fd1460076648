import { channelMac, verifyChannelMac } from "@postern/shared/channel";
import { PosternError } from "@postern/shared/errors";
import type { AccountId } from "@postern/shared/ids";
import { type FactorKind, factorKinds } from "@postern/shared/messages";
import { type Identity, parseName } from "@postern/shared/names/name";
import { parseProof, parsePublicValue, type Salt, toVerifier } from "@postern/shared/srp/parse";
import {
  type ClientVerdict,
  discard,
  type ServerEphemeral,
  serverEphemeral,
  serverSession,
  verifierFromBytes,
} from "@postern/shared/srp/server";
import type { SealedWriteTransaction } from "../barrier/barrier.js";
import { type Account, findAccount, findAccountOrDummy, putAccount } from "../records/account.js";
import { untouchedBudget } from "../records/budget.js";
import { type BudgetState, budgetState, CODE_FAILURES_MAX, chargeBudget } from "./budget.js";
import { audit, type Peer, type ServiceContext } from "./context.js";
import { type CodeGuess, type SpentCode, spendCode } from "./factors.js";
import { decoyVerifierBytes, newStretch, type Stretch, saltOf, stretchOf } from "./salts.js";
import { type Grant, grantSession } from "./sessions.js";
import { type GuessVerdict, judgeStrangerGuess } from "./stranger-counters.js";
import type { CodeVerified, PasswordVerified } from "./witnesses.js";

/**
 * A login: name and A, then the proof of the password over this very channel, then a code. Each step gives a witness
 * that the next one needs, and only the two witnesses together make a session.
 */

/** What a client is challenged with. For a name that is not registered it is made in the same way, and proves nothing. */
export interface LoginChallenge {
  readonly identity: Identity;
  readonly nameIndex: Buffer;
  readonly salt: Salt;
  readonly stretch: Stretch;
  readonly ephemeral: ServerEphemeral;
  /** The account that the proof is for; undefined for a name that nobody has. */
  readonly account: AccountId | undefined;
}

/**
 * Takes a name and the client's public value A; answers with the salt, the stretching and B.
 * @throws PosternError `name_invalid`, `ephemeral_invalid`
 */
export async function beginLogin(context: ServiceContext, typedName: string, typedA: string): Promise<LoginChallenge> {
  const identity = parseName(typedName);
  const clientPublic = parsePublicValue(typedA);
  const { barrier, random } = context;
  const nameIndex = barrier.nameIndex(identity);
  const { known, account } = await barrier.read((tx) => findAccountOrDummy(tx, nameIndex));
  // Both are made for both kinds of name; only which one is taken differs.
  const decoy = verifierFromBytes(decoyVerifierBytes(barrier, identity));
  const verifier = toVerifier(known ? account.verifier : decoy);
  return {
    identity,
    nameIndex,
    salt: saltOf(barrier, identity),
    stretch: known ? stretchOf(account.stretch) : newStretch,
    ephemeral: serverEphemeral({ clientPublic, verifier }, random),
    account: known ? account.id : undefined,
  };
}

/** Wipes what a login that ended before its proof held. */
export function forgetChallenge({ ephemeral }: LoginChallenge): void {
  discard(ephemeral);
}

export interface PasswordProof {
  /** M1, 64 digits of hex. */
  readonly proofHex: string;
  /** The client's channel MAC, 32 bytes. */
  readonly mac: Buffer;
  /** The TLS exporter of the connection that the proof came over. */
  readonly exporter: Buffer;
}

export interface PasswordAnswer {
  readonly password: PasswordVerified;
  /** M2, 64 digits of hex. */
  readonly proofHex: string;
  readonly serverMac: Buffer;
  readonly factors: readonly FactorKind[];
}

/**
 * Judges the proof of the password and of the channel. The comparisons come first, then one transaction judges the
 * guess in its turn and charges it; nothing that was derived from the key leaves before that is durable, or at all when
 * the proof is wrong.
 * @throws PosternError `login_failed`, `throttled`, `busy`: the same for known and unknown names
 */
export async function provePassword(
  context: ServiceContext,
  peer: Peer,
  challenge: LoginChallenge,
  proof: PasswordProof,
): Promise<PasswordAnswer> {
  const { identity, nameIndex, account, salt, ephemeral } = challenge;
  const verdict = serverSession({ identity, salt, ephemeral }).verifyClientProof(parseProof(proof.proofHex));
  const serverMac = answerOverChannel(verdict, proof);
  const right = verdict.proved && account !== undefined;
  const guess = await context.barrier.transact(async (tx) => {
    const judged = await judgeStrangerGuess(tx, nameIndex, right, context.now());
    const reason = refusalReason(judged, { known: account !== undefined, bound: serverMac !== undefined });
    if (reason !== undefined) {
      const event = { event: "login.password", outcome: "refused", reason } as const;
      const who = account === undefined ? { name: pseudonym(nameIndex) } : { name: identity, account };
      await audit(context, tx, peer, { ...event, ...who });
    }
    return judged;
  });
  if (guess.kind === "throttled") throw new PosternError("throttled", { retryAfter: guess.retryAfter });
  if (guess.kind === "busy") throw new PosternError("busy");
  if (guess.kind === "wrong" || !verdict.proved || serverMac === undefined || account === undefined) {
    throw new PosternError("login_failed");
  }
  const { verifier } = ephemeral;
  const password = { account, identity, nameIndex, verifier } as PasswordVerified;
  return { password, proofHex: verdict.proofHex, serverMac, factors: factorKinds };
}

/** The server's channel MAC for a client that proved the password over this channel. Wipes K: nothing else needs it. */
function answerOverChannel(verdict: ClientVerdict, { exporter, mac }: PasswordProof): Buffer | undefined {
  // A wrong proof goes the same way, over a key of zeros: else a closed budget would tell by its time which it was.
  const key = verdict.proved ? verdict.key : Buffer.alloc(32);
  const bound = verifyChannelMac("client", key, exporter, mac);
  const answer = channelMac("server", key, exporter);
  key.fill(0);
  return bound && verdict.proved ? answer : undefined;
}

/**
 * How the log names someone who is not registered: what stands there may be a password that was typed in the wrong
 * place. The same name has the same pseudonym, so that guesses at it can be seen together.
 */
function pseudonym(nameIndex: Buffer): string {
  return `unknown-${nameIndex.toString("hex", 0, 6)}`;
}

/**
 * Why a password step is refused, for the audit record; undefined when it is not. A right proof whose channel MAC is
 * wrong came through somebody in the middle.
 */
function refusalReason(
  { kind }: GuessVerdict,
  { known, bound }: { known: boolean; bound: boolean },
): string | undefined {
  if (kind === "right") return bound ? undefined : "channel_mismatch";
  if (kind === "wrong") return known ? "wrong_password" : "unknown_name";
  return kind;
}

export interface LoggedIn {
  readonly grant: Grant;
  readonly recoveryCodesLeft: number;
}

type CodeOutcome =
  | { readonly kind: "granted"; readonly loggedIn: LoggedIn }
  | { readonly kind: "refused" }
  | { readonly kind: "gone" }
  | Exclude<BudgetState, { kind: "open" }>;

/**
 * Judges a code, uses it up and grants the session with its audit record, all in one transaction: of any number of
 * tries with one code exactly one is granted, and none without the record.
 * @throws PosternError `code_refused`, `throttled`, `codes_locked`; `login_failed` when the account changed meanwhile
 */
export async function verifyCode(
  context: ServiceContext,
  peer: Peer,
  password: PasswordVerified,
  guess: CodeGuess,
): Promise<LoggedIn> {
  const outcome = await context.barrier.transact(async (tx): Promise<CodeOutcome> => {
    const now = context.now();
    const account = await findAccount(tx, password.nameIndex);
    const event = { event: "login.code", account: password.account, name: password.identity } as const;
    if (account === undefined || account.id !== password.account || !account.verifier.equals(password.verifier)) {
      await audit(context, tx, peer, { ...event, outcome: "refused", reason: "account_changed" });
      return { kind: "gone" };
    }
    const state = codeBudgetState(account, guess, now);
    if (state.kind !== "open") {
      await audit(context, tx, peer, { ...event, outcome: "refused", reason: state.kind });
      return state;
    }
    const spent = spendCode(account, guess, now);
    if (typeof spent === "string") {
      const codeBudget = chargeBudget(account.codeBudget, now);
      await putAccount(tx, password.nameIndex, { ...account, codeBudget });
      await audit(context, tx, peer, { ...event, outcome: "refused", reason: spent });
      return { kind: "refused" };
    }
    return { kind: "granted", loggedIn: await grant(context, tx, peer, password, spent) };
  });
  switch (outcome.kind) {
    case "granted":
      return outcome.loggedIn;
    case "refused":
      throw new PosternError("code_refused");
    case "blocked":
      throw new PosternError("throttled", { retryAfter: outcome.retryAfter });
    case "locked":
      throw new PosternError("codes_locked");
    case "gone":
      throw new PosternError("login_failed");
  }
}

/** A recovery code opens a budget that is locked for good, but waits like any other guess while it is blocked. */
function codeBudgetState({ codeBudget }: Account, { factor }: CodeGuess, now: number): BudgetState {
  return budgetState(codeBudget, now, factor === "recovery" ? undefined : CODE_FAILURES_MAX);
}

async function grant(
  context: ServiceContext,
  tx: SealedWriteTransaction,
  peer: Peer,
  password: PasswordVerified,
  spent: SpentCode,
): Promise<LoggedIn> {
  const account = { ...spent.account, codeBudget: untouchedBudget };
  await putAccount(tx, password.nameIndex, account);
  const code = { amr: spent.amr } as CodeVerified;
  const granted = await grantSession(context, tx, peer, password, code);
  await audit(context, tx, peer, {
    event: "login",
    outcome: "granted",
    account: account.id,
    session: granted.session.id,
    name: account.identity,
  });
  return { grant: granted, recoveryCodesLeft: account.recovery.length };
}

/** Records that a login stopped after the right password, without a code. */
export async function abandonLogin(context: ServiceContext, peer: Peer, password: PasswordVerified): Promise<void> {
  const { account, identity } = password;
  await context.barrier.transact((tx) =>
    audit(context, tx, peer, { event: "login.code", outcome: "refused", reason: "no_code", account, name: identity }),
  );
}
