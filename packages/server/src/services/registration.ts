import { PosternError } from "@postern/shared/errors";
import { type AccountId, newId } from "@postern/shared/ids";
import { type Identity, parseName } from "@postern/shared/names/name";
import { formatRecoveryCode, hashRecoveryCode, newRecoveryCodes } from "@postern/shared/otp/recovery-code";
import { encodeSecret } from "@postern/shared/otp/secret";
import { otpauthUri } from "@postern/shared/otp/uri";
import { parseVerifier } from "@postern/shared/srp/parse";
import { type Account, findAccount, putAccount, type TotpFactor } from "../records/account.js";
import { untouchedBudget } from "../records/budget.js";
import { audit, type Peer, type ServiceContext } from "./context.js";
import { judgeTotp, newTotpFactor } from "./factors.js";
import { newStretch, type Stretch, saltOf } from "./salts.js";

/** The issuer that authenticator apps show beside the name. */
const OTP_ISSUER = "Postern";

/** Wrong first codes that are taken before the enrolment is dropped. */
const FIRST_CODE_TRIES = 10;

/** A name that nobody had when it was asked for. Nothing of it is stored. */
export interface NameFree {
  readonly identity: Identity;
  readonly nameIndex: Buffer;
  readonly salt: Buffer;
  readonly stretch: Stretch;
}

/** A person who has a verifier and was shown a TOTP secret: it lives in its connection only, until the first code. */
export interface Enrolment {
  readonly name: NameFree;
  readonly verifier: Buffer;
  readonly factor: TotpFactor;
  readonly uri: string;
  /** Base32, as it is typed into an app by hand. */
  readonly secretText: string;
  triesLeft: number;
}

export interface Registered {
  readonly account: AccountId;
  readonly identity: Identity;
  /** Shown once; only their hashes are stored. */
  readonly recoveryCodes: readonly string[];
}

/** @throws PosternError `registration_closed`, `name_invalid`, `name_taken` (the last one audited). */
export async function beginRegistration(context: ServiceContext, peer: Peer, typedName: string): Promise<NameFree> {
  if (context.registration === "closed") {
    await refuse(context, peer, undefined, "closed");
    throw new PosternError("registration_closed");
  }
  const identity = parseName(typedName);
  const nameIndex = context.barrier.nameIndex(identity);
  const taken = await context.barrier.read((tx) => findAccount(tx, nameIndex));
  if (taken !== undefined) {
    await refuse(context, peer, identity, "name_taken");
    throw new PosternError("name_taken");
  }
  return { identity, nameIndex, salt: saltOf(context.barrier, identity), stretch: newStretch };
}

/** Takes the verifier and makes the TOTP secret. @throws PosternError `verifier_invalid`. */
export function offerFactor(context: ServiceContext, name: NameFree, verifierHex: string): Enrolment {
  const verifier = parseVerifier(verifierHex);
  const factor = newTotpFactor(context);
  const { secret, algorithm, digits, period } = factor;
  const parameters = { secret, algorithm, digits, period };
  const uri = otpauthUri({ type: "totp", issuer: OTP_ISSUER, account: name.identity, ...parameters });
  return { name, verifier, factor, uri, secretText: encodeSecret(secret), triesLeft: FIRST_CODE_TRIES };
}

/**
 * The first code shows that the person's app has the secret. One transaction then creates the account, with that
 * code's step used up, and its audit record.
 * @throws PosternError `code_refused` (the enrolment goes on while tries are left), `name_taken`.
 */
export async function confirmRegistration(
  context: ServiceContext,
  peer: Peer,
  enrolment: Enrolment,
  code: string,
): Promise<Registered> {
  const { identity, nameIndex, stretch } = enrolment.name;
  const match = judgeTotp(enrolment.factor, code, context.now());
  if (match.kind !== "match") {
    enrolment.triesLeft -= 1;
    await refuse(context, peer, identity, "wrong_first_code");
    throw new PosternError("code_refused");
  }
  const { barrier, random, now } = context;
  const outcome = await barrier.transact(async (tx) => {
    if ((await findAccount(tx, nameIndex)) !== undefined) {
      await audit(context, tx, peer, { event: "register", outcome: "refused", reason: "name_taken", name: identity });
      return undefined;
    }
    const recoveryCodes = newRecoveryCodes(random);
    const account: Account = {
      id: newId("account", random),
      identity,
      createdAt: now(),
      verifier: enrolment.verifier,
      stretch: stretch.generation,
      factors: [{ ...enrolment.factor, lastStep: match.step }],
      recovery: recoveryCodes.map((recoveryCode) => hashRecoveryCode(recoveryCode)),
      codeBudget: untouchedBudget,
    };
    await putAccount(tx, nameIndex, account);
    await audit(context, tx, peer, { event: "register", outcome: "done", account: account.id, name: identity });
    return { account: account.id, identity, recoveryCodes: recoveryCodes.map((shown) => formatRecoveryCode(shown)) };
  });
  if (outcome === undefined) throw new PosternError("name_taken");
  wipeEnrolment(enrolment);
  return outcome;
}

/** Forgets an enrolment that was finished, abandoned or refused. */
export function wipeEnrolment({ factor, verifier }: Enrolment): void {
  factor.secret.fill(0);
  verifier.fill(0);
}

async function refuse(context: ServiceContext, peer: Peer, name: string | undefined, reason: string): Promise<void> {
  await context.barrier.transact((tx) =>
    audit(context, tx, peer, { event: "register", outcome: "refused", reason, name }),
  );
}
