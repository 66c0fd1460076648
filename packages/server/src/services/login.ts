import { channelMac, verifyChannelMac } from "@postern/shared/channel";
import { PosternError } from "@postern/shared/errors";
import type { AccountId } from "@postern/shared/ids";
import { type FactorKind, factorKinds } from "@postern/shared/messages";
import { type Identity, parseName } from "@postern/shared/names/name";
import { type PublicValue, parseProof, parsePublicValue, type Salt, toVerifier } from "@postern/shared/srp/parse";
import {
  type ClientVerdict,
  discard,
  type ServerEphemeral,
  serverEphemeral,
  serverSession,
  verifierFromBytes,
} from "@postern/shared/srp/server";
import type { SealedWriteTransaction } from "../barrier/barrier.js";
import { type Account, findAccount, findHeadOrDummy } from "../records/account.js";
import { getStretchCensus } from "../records/stretch-census.js";
import { audit, type Peer, pseudonym, type ServiceContext } from "./context.js";
import type { Guesser } from "./guesser.js";
import { judgePasswordGuess } from "./password-guess.js";
import { decoyVerifierBytes, placeOf, saltOf } from "./salts.js";
import type { GuessVerdict } from "./stranger-counters.js";
import { type Stretch, stretchOf, unknownGeneration } from "./stretching.js";
import type { PasswordVerified } from "./witnesses.js";

/**
 * The first half of a login: name and A, then the proof of the password over this very channel. Each step gives a
 * witness that the next one needs, and only the two witnesses of password and code together make a session.
 */

export interface LoginName {
  readonly identity: Identity;
  readonly nameIndex: Buffer;
  readonly clientPublic: PublicValue;
}

/**
 * Reads what a login begins with. Nothing is looked up yet.
 * @throws PosternError `name_invalid`, `ephemeral_invalid`
 */
export function nameLogin({ barrier }: ServiceContext, typedName: string, typedA: string): LoginName {
  const identity = parseName(typedName);
  return { identity, nameIndex: barrier.nameIndex(identity), clientPublic: parsePublicValue(typedA) };
}

/** What a client is challenged with. For a name that is not registered it is made in the same way, and proves nothing. */
export interface LoginChallenge {
  readonly identity: Identity;
  readonly nameIndex: Buffer;
  readonly salt: Salt;
  readonly stretch: Stretch;
  readonly ephemeral: ServerEphemeral;
  /** The account that the proof is for; undefined for a name that nobody has. */
  readonly account: { readonly id: AccountId; readonly passwordVersion: number } | undefined;
  /** The generation that new verifiers are stretched with. */
  readonly currentGeneration: number;
  readonly guesser: Guesser;
}

/** Answers a name and the client's public value A with the salt, the stretching and B. */
export async function beginLogin(
  { barrier, random }: ServiceContext,
  { identity, nameIndex, clientPublic }: LoginName,
  guesser: Guesser,
): Promise<LoginChallenge> {
  const { known, head, census } = await barrier.read(async (tx) => ({
    ...(await findHeadOrDummy(tx, nameIndex)),
    census: await getStretchCensus(tx),
  }));
  // Both are made for both kinds of name; only which one is taken differs.
  const decoy = verifierFromBytes(decoyVerifierBytes(barrier, identity));
  const decoyGeneration = unknownGeneration(census, placeOf(barrier, identity));
  const verifier = toVerifier(known ? head.verifier : decoy);
  return {
    identity,
    nameIndex,
    salt: saltOf(barrier, identity),
    stretch: stretchOf(known ? head.stretch : decoyGeneration),
    ephemeral: serverEphemeral({ clientPublic, verifier }, random),
    account: known ? { id: head.id, passwordVersion: head.passwordVersion } : undefined,
    currentGeneration: census.current,
    guesser,
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

/** Which codes a person will be asked for. */
export interface AskedCodes {
  readonly factors: readonly FactorKind[];
  /** Seconds that a code lasts, where all authenticators have the same period. */
  readonly period: number | undefined;
}

export interface PasswordAnswer extends AskedCodes {
  readonly password: PasswordVerified;
  /** M2, 64 digits of hex. */
  readonly proofHex: string;
  readonly serverMac: Buffer;
  /** What the password should be stretched with from now on, where that is more than it is. */
  readonly restretch: Stretch | undefined;
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
  const { identity, nameIndex, account, currentGeneration, guesser, salt, ephemeral } = challenge;
  const verdict = serverSession({ identity, salt, ephemeral }).verifyClientProof(parseProof(proof.proofHex));
  const serverMac = answerOverChannel(verdict, proof);
  const right = verdict.proved && account !== undefined;
  const { guess, proved } = await context.barrier.transact(async (tx) => {
    const judged = await judgePasswordGuess(tx, challenge, right, context.now());
    const found = judged.kind === "right" ? await findProved(tx, challenge) : undefined;
    const reason = refusalReason(judged, { known: account !== undefined, bound: serverMac !== undefined, found });
    if (reason !== undefined) {
      const event = { event: "login.password", outcome: "refused", reason, device: deviceIn(guesser) } as const;
      const who = account === undefined ? { name: pseudonym(nameIndex) } : { name: identity, account: account.id };
      await audit(context, tx, peer, { ...event, ...who });
    }
    return { guess: judged, proved: found };
  });
  if (guess.kind === "throttled") throw new PosternError("throttled", { retryAfter: guess.retryAfter });
  if (guess.kind === "busy") throw new PosternError("busy");
  if (!verdict.proved || serverMac === undefined || proved === undefined) throw new PosternError("login_failed");
  const { id, passwordVersion, stretch } = proved;
  const password = { account: id, identity, nameIndex, passwordVersion, guesser } as PasswordVerified;
  const restretch = stretch < currentGeneration ? stretchOf(currentGeneration) : undefined;
  return { password, proofHex: verdict.proofHex, serverMac, ...codesOf(proved), restretch };
}

/** The account that was proved, as it is now; undefined when it is another one, or has another password, since. */
async function findProved(
  tx: SealedWriteTransaction,
  { nameIndex, account }: LoginChallenge,
): Promise<Account | undefined> {
  const found = await findAccount(tx, nameIndex);
  return found?.id === account?.id && found?.passwordVersion === account?.passwordVersion ? found : undefined;
}

export function codesOf({ factors }: Account): AskedCodes {
  const kinds = new Set<FactorKind>([...factors.map(({ kind }) => kind), "recovery"]);
  const periods = new Set(factors.map((factor) => (factor.kind === "totp" ? factor.period : undefined)));
  const [period] = periods;
  return { factors: factorKinds.filter((kind) => kinds.has(kind)), period: periods.size === 1 ? period : undefined };
}

const deviceIn = (guesser: Guesser) => (guesser.kind === "device" ? guesser.id : undefined);

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
 * Why a password step is refused, for the audit record; undefined when it is not, or when the log tells already that
 * guesses are turned away. A right proof whose channel MAC is wrong came through somebody in the middle.
 */
function refusalReason(
  verdict: GuessVerdict,
  { known, bound, found }: { known: boolean; bound: boolean; found: object | undefined },
): string | undefined {
  switch (verdict.kind) {
    case "right":
      if (found === undefined) return "account_changed";
      return bound ? undefined : "channel_mismatch";
    case "wrong":
      return known ? "wrong_password" : "unknown_name";
    default:
      return verdict.first ? verdict.kind : undefined;
  }
}

/** Records that a login stopped after the right password, without a code. */
export async function abandonLogin(context: ServiceContext, peer: Peer, password: PasswordVerified): Promise<void> {
  const { account, identity: name, guesser } = password;
  const event = { event: "login.code", outcome: "refused", reason: "no_code", device: deviceIn(guesser) } as const;
  await context.barrier.transact((tx) => audit(context, tx, peer, { ...event, account, name }));
}
