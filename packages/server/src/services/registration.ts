import { PosternError } from "@postern/shared/errors";
import { type AccountId, newId } from "@postern/shared/ids";
import { type Identity, parseName } from "@postern/shared/names/name";
import { parseVerifier } from "@postern/shared/srp/parse";
import { type Account, findAccountHead, putAccount, type TotpFactor } from "../records/account.js";
import { chainLengths } from "../records/audit-log.js";
import { untouchedBudget } from "../records/budget.js";
import { getStretchCensus } from "../records/stretch-census.js";
import { aboutAccount, audit, type Peer, pseudonym, type ServiceContext, type Told } from "./context.js";
import { enrolmentOf, type FactorEnrolment, newTotpFactor, takeFirstCode, wipeFactor } from "./enrolment.js";
import { judgeInvite, spendInvite } from "./invites.js";
import { newRecoverySet } from "./recovery.js";
import { saltOf } from "./salts.js";
import { countAccount, type Stretch, stretchOf } from "./stretching.js";
import { hashOfTyped, type TokenHash } from "./token-secret.js";

/** A name that nobody had when it was asked for. Nothing of it is stored. */
export interface NameFree {
  readonly identity: Identity;
  readonly nameIndex: Buffer;
  readonly salt: Buffer;
  readonly stretch: Stretch;
  /** The length of the longest chains then: what the registration leaves in the log is not before. */
  readonly auditSince: Readonly<Record<string, number>>;
  /** What makes it possible, where one was given. */
  readonly invite: TokenHash | undefined;
}

/** A person who has a verifier and was shown a TOTP secret: it lives in its connection only, until the first code. */
export interface Enrolment {
  readonly name: NameFree;
  readonly verifier: Buffer;
  readonly authenticator: FactorEnrolment<TotpFactor>;
}

export interface Registered {
  readonly account: AccountId;
  readonly identity: Identity;
  /** Shown once; only their hashes are stored. */
  readonly recoveryCodes: readonly string[];
}

/**
 * Whether a name is free is told only to who may register at all.
 * @throws PosternError `registration_closed`, `invite_needed`, `token_invalid`, `name_taken`, all of them audited;
 *   `name_invalid`
 */
export async function beginRegistration(
  context: ServiceContext,
  peer: Peer,
  typedName: string,
  inviteHex?: string,
): Promise<NameFree> {
  if (context.registration === "closed") {
    await refuse(context, peer, { reason: "closed" });
    throw new PosternError("registration_closed");
  }
  if (context.registration === "invite" && inviteHex === undefined) {
    await refuse(context, peer, { reason: "no_invite" });
    throw new PosternError("invite_needed");
  }
  const identity = parseName(typedName);
  const invite = inviteHex === undefined ? undefined : await requireInvite(context, peer, inviteHex);
  const nameIndex = context.barrier.nameIndex(identity);
  const { taken, census, lengths } = await context.barrier.read(async (tx) => ({
    taken: await findAccountHead(tx, nameIndex),
    census: await getStretchCensus(tx),
    lengths: await chainLengths(tx),
  }));
  if (taken !== undefined) {
    await refuse(context, peer, { reason: "name_taken", account: taken.id, name: identity });
    throw new PosternError("name_taken");
  }
  const salt = saltOf(context.barrier, identity);
  return { identity, nameIndex, salt, stretch: stretchOf(census.current), invite, auditSince: longest(lengths) };
}

/**
 * Of so many chains it is noted where they were, lest an account with it outgrow its block; of the others the erasure
 * walks all.
 */
const NOTED_CHAINS = 4;

function longest(lengths: ReadonlyMap<string, number>): NameFree["auditSince"] {
  const byLength = [...lengths].sort(([, one], [, other]) => other - one);
  return Object.fromEntries(byLength.slice(0, NOTED_CHAINS));
}

/** Looks at an invite without using it up. @throws PosternError `token_invalid` */
async function requireInvite(context: ServiceContext, peer: Peer, inviteHex: string): Promise<TokenHash> {
  const hash = hashOfTyped(inviteHex);
  const judged = await context.barrier.read((tx) => judgeInvite(tx, hash, context.now()));
  if ("fault" in judged) {
    await refuse(context, peer, { reason: judged.fault });
    throw new PosternError("token_invalid");
  }
  return hash;
}

/** Takes the verifier and makes the TOTP secret. @throws PosternError `verifier_invalid`. */
export function offerFactor(context: ServiceContext, name: NameFree, verifierHex: string): Enrolment {
  const verifier = parseVerifier(verifierHex);
  const authenticator = enrolmentOf(newTotpFactor(context, { label: "authenticator" }), name.identity);
  return { name, verifier, authenticator };
}

/**
 * The first code shows that the person's app has the secret. One transaction then creates the account, with that
 * code's step and a use of the invite used up, and its audit record.
 * @throws PosternError `code_refused` (the enrolment goes on while tries are left), `name_taken`; `token_invalid` when
 *   the invite has ended meanwhile; `busy` when the operator raised the stretching meanwhile: a name that turns up on an older generation than unknown names of its
 *   place would show that it is known.
 */
export async function confirmRegistration(
  context: ServiceContext,
  peer: Peer,
  enrolment: Enrolment,
  code: string,
): Promise<Registered> {
  const { identity, nameIndex, stretch, invite: hash, auditSince } = enrolment.name;
  const factor = takeFirstCode(enrolment.authenticator, code, context.now());
  if (factor instanceof PosternError) {
    await refuse(context, peer, { reason: "wrong_first_code", name: pseudonym(nameIndex) });
    throw factor;
  }
  const { barrier, random, now } = context;
  const outcome = await barrier.transact(async (tx) => {
    const taken = await findAccountHead(tx, nameIndex);
    if (taken !== undefined) {
      const event = { event: "register", outcome: "refused", reason: "name_taken" } as const;
      await audit(context, tx, peer, { ...event, account: taken.id, name: identity });
      return new PosternError("name_taken");
    }
    const invite = hash && (await judgeInvite(tx, hash, now()));
    if (invite !== undefined && "fault" in invite) {
      const event = { event: "register", outcome: "refused", reason: invite.fault } as const;
      await audit(context, tx, peer, { ...event, name: pseudonym(nameIndex) });
      return new PosternError("token_invalid");
    }
    if (stretch.generation !== (await getStretchCensus(tx)).current) return new PosternError("busy");
    const recovery = newRecoverySet(random);
    const account: Account = {
      id: newId("account", random),
      identity,
      createdAt: now(),
      verifier: enrolment.verifier,
      stretch: stretch.generation,
      passwordVersion: 0,
      factors: [factor],
      recovery: recovery.hashes,
      codeBudget: untouchedBudget,
      auditSince: { ...auditSince },
    };
    await putAccount(tx, nameIndex, account);
    await countAccount(tx, { to: stretch.generation });
    if (invite !== undefined) await spendInvite(tx, invite);
    const told = { event: "register", outcome: "done", reason: invite?.id } as const;
    await audit(context, tx, peer, { ...aboutAccount(account), ...told });
    return { account: account.id, identity, recoveryCodes: recovery.shown };
  });
  if (outcome instanceof PosternError) throw outcome;
  wipeEnrolment(enrolment);
  return outcome;
}

/** Forgets an enrolment that was finished, abandoned or refused. */
export function wipeEnrolment({ authenticator, verifier }: Enrolment): void {
  wipeFactor(authenticator);
  verifier.fill(0);
}

async function refuse(context: ServiceContext, peer: Peer, told: Omit<Told, "event" | "outcome">): Promise<void> {
  await context.barrier.transact((tx) => audit(context, tx, peer, { ...told, event: "register", outcome: "refused" }));
}
