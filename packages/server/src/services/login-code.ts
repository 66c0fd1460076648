import { PosternError } from "@postern/shared/errors";
import { parseVerifier } from "@postern/shared/srp/parse";
import type { SealedWriteTransaction } from "../barrier/barrier.js";
import { type Account, findAccount, putAccount } from "../records/account.js";
import type { Device } from "../records/device.js";
import { getStretchCensus } from "../records/stretch-census.js";
import { type CodeCase, judgeCode, refusalOf, type TokenGuess } from "./code-guess.js";
import { aboutAccount, audit, type Peer, type ServiceContext } from "./context.js";
import { forgetDevicesBut, type NewDevice, seeDevice, welcomeDevice } from "./devices.js";
import type { CodeGuess } from "./factors.js";
import { renewalOf, renewPassword, type StretchedVerifier } from "./new-password.js";
import { type Grant, grantSession } from "./sessions.js";
import { countAccount, isInUse } from "./stretching.js";
import type { CodeVerified, PasswordVerified } from "./witnesses.js";

/**
 * The second half of a login: a code, which with the proved password makes a session. The same two make a new
 * password, and then nothing lives on that the old one had granted.
 */

export interface LoggedIn {
  readonly grant: Grant;
  readonly recoveryCodesLeft: number;
  /** The device, where this login made it known. */
  readonly newDevice: NewDevice | undefined;
}

/**
 * Judges a code, uses it up and grants the session with its audit record, all in one transaction: of any number of
 * tries with one code exactly one is granted, and none without the record. `restretched` is the verifier of the same
 * password at a higher generation, and takes the place of the old one.
 * @throws PosternError `code_refused`, `throttled`, `codes_locked`; `login_failed` when the account changed meanwhile;
 *   `verifier_invalid`; `account_disabled`, which only a right code is told
 */
export function verifyCode(
  context: ServiceContext,
  peer: Peer,
  password: PasswordVerified,
  { guess, restretched }: { guess: CodeGuess; restretched?: StretchedVerifier | undefined },
): Promise<LoggedIn> {
  const verifier = restretched && parseVerifier(restretched.verifier);
  return withCode(context, peer, { password, guess, event: "login.code" }, async (tx, proved) => {
    const given = restretched && verifier && { ...restretched, verifier };
    const account = given === undefined ? proved.account : await moved(context, tx, peer, proved.account, given);
    if (account !== proved.account) await putAccount(tx, password.nameIndex, account);
    return enter(context, tx, peer, { ...proved, password, account });
  });
}

/**
 * Replaces the password: all other sessions, and all known devices but this one, end with the old one.
 * @throws PosternError as `verifyCode`
 */
export function changePassword(
  context: ServiceContext,
  peer: Peer,
  password: PasswordVerified,
  { guess, stretched }: { guess: CodeGuess; stretched: StretchedVerifier },
): Promise<LoggedIn> {
  const renewal = renewalOf(stretched);
  const attempt = { password, guess, event: "password.change", fits: renewal.fits } as const;
  return withCode(context, peer, attempt, async (tx, proved) => {
    const account = await renewPassword(tx, proved.account, renewal);
    await putAccount(tx, password.nameIndex, account);
    await forgetDevicesBut(tx, account, proved.device?.id);
    await audit(context, tx, peer, {
      ...aboutAccount(account),
      event: "password.change",
      outcome: "done",
      reason: proved.code.by,
      device: proved.device?.id,
    });
    const device = proved.device && { ...proved.device, passwordVersion: account.passwordVersion };
    return enter(context, tx, peer, { code: proved.code, device, password, account });
  });
}

export interface Proved {
  readonly code: CodeVerified;
  readonly account: Account;
  readonly device: Device | undefined;
}

interface CodeAttempt {
  readonly password: PasswordVerified;
  readonly guess: CodeGuess | TokenGuess;
  readonly event: CodeCase["event"];
  /** Whether what comes with the code can be taken at all; if not, the code is not looked at, and stays good. */
  readonly fits?: (tx: SealedWriteTransaction, account: Account) => Promise<boolean>;
}

/**
 * Runs `act` with a code that was right, in the transaction that uses it up.
 * @throws PosternError `code_refused`, `token_invalid`, `throttled`, `codes_locked`; `login_failed` when the account
 *   changed meanwhile; `verifier_invalid` for what does not fit; `account_disabled`
 */
export async function withCode<T>(
  context: ServiceContext,
  peer: Peer,
  { password, guess, event, fits }: CodeAttempt,
  act: (tx: SealedWriteTransaction, proved: Proved) => Promise<T>,
): Promise<T> {
  const { nameIndex, guesser } = password;
  const outcome = await context.barrier.transact(async (tx) => {
    const account = await findProvedAccount(tx, password);
    if (account === undefined) return accountChanged(context, tx, peer, { password, event });
    if (fits !== undefined && !(await fits(tx, account))) return new PosternError("verifier_invalid");
    const granted = "token" in guess ? undefined : { lastLoginAt: context.now() };
    const verdict = await judgeCode(context, tx, peer, { account, nameIndex, guesser, event, granted }, guess);
    return verdict.kind === "right" ? act(tx, verdict) : refusalOf(verdict);
  });
  if (outcome instanceof PosternError) throw outcome;
  return outcome;
}

/** The account whose password was proved; undefined when it is gone, or has another password since. */
export async function findProvedAccount(
  tx: SealedWriteTransaction,
  { nameIndex, account: id, passwordVersion }: PasswordVerified,
): Promise<Account | undefined> {
  const account = await findAccount(tx, nameIndex);
  return account?.id === id && account.passwordVersion === passwordVersion ? account : undefined;
}

/** Records that what was proved is worth nothing any more. */
export async function accountChanged(
  context: ServiceContext,
  tx: SealedWriteTransaction,
  peer: Peer,
  { password, event }: Pick<CodeAttempt, "password" | "event">,
): Promise<PosternError> {
  const { account, identity: name } = password;
  await audit(context, tx, peer, { event, outcome: "refused", reason: "account_changed", account, name });
  return new PosternError("login_failed");
}

/** The account on a higher generation, or the very same when the client's is none that it was asked for. */
async function moved(
  context: ServiceContext,
  tx: SealedWriteTransaction,
  peer: Peer,
  account: Account,
  { generation, verifier }: { generation: number; verifier: Buffer },
): Promise<Account> {
  if (generation <= account.stretch || !isInUse(await getStretchCensus(tx), generation)) return account;
  await countAccount(tx, { from: account.stretch, to: generation });
  // Nobody can tell whether it is of the same password: the log has to say that there is another verifier.
  const told = { event: "login.restretch", outcome: "done", reason: `to ${generation}` } as const;
  await audit(context, tx, peer, { ...aboutAccount(account), ...told });
  return { ...account, verifier, stretch: generation };
}

/** Grants the session of an account that is stored, on a device that is known from now on. */
async function enter(
  context: ServiceContext,
  tx: SealedWriteTransaction,
  peer: Peer,
  { password, code, account, device }: Proved & { password: PasswordVerified },
): Promise<LoggedIn> {
  const newDevice = device === undefined ? await welcomeDevice(context, tx, peer, account) : undefined;
  if (device !== undefined) await seeDevice(context, tx, peer, device);
  const id = device?.id ?? (newDevice as NewDevice).id;
  const grant = await grantSession(context, tx, peer, { password, code, device: id });
  const { session } = grant;
  await audit(context, tx, peer, {
    ...aboutAccount(account),
    event: "login",
    outcome: "granted",
    session: session.id,
    device: id,
    reason: newDevice === undefined ? code.by : `${code.by} new_device`,
  });
  return { grant, recoveryCodesLeft: account.recovery.length, newDevice };
}
