import { resetMac, verifyResetMac } from "@postern/shared/channel";
import { PosternError } from "@postern/shared/errors";
import type { AccountId } from "@postern/shared/ids";
import { type Identity, parseName } from "@postern/shared/names/name";
import type { Salt } from "@postern/shared/srp/parse";
import { type Account, findAccount, findHeadOrDummy, putAccount } from "../records/account.js";
import { resetOwner } from "../records/reset-token.js";
import { getStretchCensus } from "../records/stretch-census.js";
import { judgeCode, refusalOf } from "./code-guess.js";
import { aboutAccount, audit, type Peer, pseudonym, type ServiceContext, type Told } from "./context.js";
import { forgetDevicesBut } from "./devices.js";
import type { CodeGuess } from "./factors.js";
import { stranger } from "./guesser.js";
import { type AskedCodes, codesOf } from "./login.js";
import { renewalOf, renewPassword, type StretchedVerifier } from "./new-password.js";
import { judgeResetToken } from "./reset-tokens.js";
import { decoyResetOwner, saltOf } from "./salts.js";
import { type Stretch, stretchOf } from "./stretching.js";
import { isHash, type TokenHash } from "./token-secret.js";
import type { ResetTokenShown } from "./witnesses.js";

/**
 * A lost password: the operator's token stands in for it, and the code is asked for as at any login. Both sides show by
 * MACs over the connection that they have it, before a code is given. Nobody is logged in by it: what comes out is a new
 * password.
 */

/** What the new password is to be made with, and which codes can be given. */
export interface ResetAnswer extends AskedCodes {
  readonly shown: ResetTokenShown;
  readonly salt: Salt;
  readonly stretch: Stretch;
  /** Shows that this server has the token too. */
  readonly mac: Buffer;
}

/** What shows that somebody has a person's token. */
export interface TokenProof {
  /** The client's reset MAC, 32 bytes. */
  readonly mac: Buffer;
  /** The TLS exporter of the connection that it came over. */
  readonly exporter: Buffer;
}

/**
 * Begins a reset; nothing is used up yet. A name that nobody has goes the same way as one without a token.
 * @throws PosternError `name_invalid`, `token_invalid`
 */
export async function beginPasswordReset(
  context: ServiceContext,
  peer: Peer,
  typedName: string,
  { mac, exporter }: TokenProof,
): Promise<ResetAnswer> {
  const { barrier, now } = context;
  const identity = parseName(typedName);
  const nameIndex = barrier.nameIndex(identity);
  const decoy = decoyResetOwner(barrier, identity);
  const claim = { isIt: (hash: TokenHash) => verifyResetMac("client", hash, exporter, mac), now: now() };
  const outcome = await barrier.transact(async (tx) => {
    const { known, head } = await findHeadOrDummy(tx, nameIndex);
    const judged = await judgeResetToken(tx, known ? resetOwner(head.id) : decoy, "password", claim);
    const account = known && "hash" in judged ? await findAccount(tx, nameIndex) : undefined;
    if (account === undefined || "fault" in judged) {
      const who = known ? aboutAccount({ id: head.id, identity }) : { name: pseudonym(nameIndex) };
      const reason = "fault" in judged ? judged.fault : "token_unknown";
      await audit(context, tx, peer, { ...who, ...started, outcome: "refused", reason });
      return new PosternError("token_invalid");
    }
    await audit(context, tx, peer, { ...aboutAccount(account), ...started, outcome: "granted" });
    return { account, token: judged.hash, census: await getStretchCensus(tx) };
  });
  if (outcome instanceof PosternError) throw outcome;
  const { account, token, census } = outcome;
  const { id, passwordVersion } = account;
  const shown = { account: id, identity, nameIndex, passwordVersion, token } as ResetTokenShown;
  const made = { salt: saltOf(barrier, identity), stretch: stretchOf(census.current) };
  return { shown, mac: resetMac("server", token, exporter), ...made, ...codesOf(account) };
}

const started = { event: "password.reset.start" } as const;
const finished = { event: "password.reset" } as const;

export interface PasswordReset {
  readonly account: AccountId;
  readonly identity: Identity;
}

/**
 * Sets the new password with a code. The token and the code are used up, sessions and known devices end, and the log
 * tells of it, all in one transaction.
 * @throws PosternError `code_refused`, `throttled`, `codes_locked`, `verifier_invalid`; `token_invalid` when the token
 *   was used, replaced or has expired meanwhile; `account_disabled`, which only a right code is told
 */
export async function resetPassword(
  context: ServiceContext,
  peer: Peer,
  shown: ResetTokenShown,
  { guess, stretched }: { readonly guess: CodeGuess; readonly stretched: StretchedVerifier },
): Promise<PasswordReset> {
  const { nameIndex, identity } = shown;
  const renewal = renewalOf(stretched);
  const refused = await context.barrier.transact(async (tx) => {
    const refuse = (told: Pick<Told, "reason">) =>
      audit(context, tx, peer, { account: shown.account, name: identity, ...finished, outcome: "refused", ...told });
    const account = await findAccount(tx, nameIndex);
    if (account === undefined || !isStill(account, shown)) {
      await refuse({ reason: "account_changed" });
      return new PosternError("token_invalid");
    }
    const claim = { isIt: (hash: TokenHash) => isHash(hash, shown.token), now: context.now() };
    const judged = await judgeResetToken(tx, resetOwner(account.id), "password", claim);
    if ("fault" in judged) {
      await refuse({ reason: judged.fault });
      return new PosternError("token_invalid");
    }
    if (!(await renewal.fits(tx, account))) return new PosternError("verifier_invalid");
    const codeCase = { account, nameIndex, guesser: stranger, ...finished };
    const verdict = await judgeCode(context, tx, peer, codeCase, guess);
    if (verdict.kind !== "right") return refusalOf(verdict);
    const renewed = await renewPassword(tx, verdict.account, renewal);
    await putAccount(tx, nameIndex, renewed);
    await forgetDevicesBut(tx, renewed, undefined);
    await audit(context, tx, peer, {
      ...aboutAccount(renewed),
      ...finished,
      outcome: "done",
      reason: verdict.code.by,
    });
    return undefined;
  });
  if (refused instanceof PosternError) throw refused;
  return { account: shown.account, identity };
}

/** Another account of that name, or another password by now: the token was for neither. */
function isStill(account: Account, { account: id, passwordVersion }: ResetTokenShown): boolean {
  return account.id === id && account.passwordVersion === passwordVersion;
}
