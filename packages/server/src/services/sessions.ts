import { createHash, timingSafeEqual } from "node:crypto";
import { PosternError } from "@postern/shared/errors";
import { type AccountId, type DeviceId, newId, type SessionId } from "@postern/shared/ids";
import type { SealedReadTransaction, SealedWriteTransaction } from "../barrier/barrier.js";
import { type Account, findAccount, findAccountHead } from "../records/account.js";
import { deleteSession, findSession, putSession, type Session, scanSessions, sessionsOf } from "../records/session.js";
import { aboutSession, audit, type Peer, type ServiceContext } from "./context.js";
import { type SweepPage, sweep } from "./sweep.js";
import type { CodeVerified, PasswordVerified } from "./witnesses.js";

/** How long a session lasts, and how many a person may have. */
export const sessionLimits = {
  idleMs: 30 * 60_000,
  absoluteMs: 12 * 3_600_000,
  perAccount: 10,
  /** A session's last use is written no more often than this. */
  touchMs: 60_000,
} as const;

export interface Grant {
  readonly session: Session;
  /** What the client keeps: `pss_`, account id, session id, `_`, 256 random bits; in hex. */
  readonly secret: string;
}

const SECRET_BYTES = 32;

/**
 * Grants a session. It takes both witnesses, so that no path to a session can leave out a factor, and runs in the
 * transaction that spends the code and writes the audit record.
 */
export async function grantSession(
  context: ServiceContext,
  tx: SealedWriteTransaction,
  peer: Peer,
  { password, code, device }: { password: PasswordVerified; code: CodeVerified; device: DeviceId },
): Promise<Grant> {
  const now = context.now();
  const account = password.account;
  await makeRoom(tx, account, now);
  const secret = context.random(SECRET_BYTES);
  const session: Session = {
    id: newId("session", context.random),
    account,
    identity: password.identity,
    secretHash: hashSecret(secret),
    authenticatedAt: now,
    verifiedAt: now,
    lastSeenAt: now,
    expiresAt: now + sessionLimits.absoluteMs,
    amr: ["pwd", ...code.amr],
    address: peer.address,
    client: peer.client,
    device,
  };
  await putSession(tx, session);
  return { session, secret: secretText(session, secret) };
}

/** Drops what has ended, and the longest unused sessions while there are as many as a person may have. */
async function makeRoom(tx: SealedWriteTransaction, account: AccountId, now: number): Promise<void> {
  const sessions = await sessionsOf(tx, account);
  const live = sessions.filter((session) => isLive(session, now));
  live.sort((a, b) => b.lastSeenAt - a.lastSeenAt);
  const kept = new Set(live.slice(0, sessionLimits.perAccount - 1));
  for (const session of sessions) {
    if (!kept.has(session)) await deleteSession(tx, session);
  }
}

/**
 * The live session of a secret. Its last use is noted, at most once a minute.
 * @throws PosternError `session_invalid` for any secret that is not one of a live session.
 */
export async function resumeSession(context: ServiceContext, peer: Peer, secretTyped: string): Promise<Session> {
  const claim = parseSecret(secretTyped);
  if (claim === undefined) throw new PosternError("session_invalid");
  const session = await currentSession(context, claim);
  if (!timingSafeEqual(session.secretHash, hashSecret(claim.secret))) throw new PosternError("session_invalid");
  return noteUse(context, peer, session);
}

/**
 * The session of a connection that has one, for a call on it: the call is a use of it, noted likewise.
 * @throws PosternError `session_invalid`
 */
export async function useSession(context: ServiceContext, peer: Peer, known: SessionName): Promise<Session> {
  return noteUse(context, peer, await currentSession(context, known));
}

async function noteUse(context: ServiceContext, peer: Peer, session: Session): Promise<Session> {
  const recent = context.now() - session.lastSeenAt < sessionLimits.touchMs;
  return recent ? session : touch(context, peer, session);
}

async function touch(context: ServiceContext, peer: Peer, known: Session): Promise<Session> {
  const touched = await context.barrier.transact(async (tx) => {
    const session = await findLiveSession(context, tx, known);
    if (session === undefined) return undefined;
    // A clock that was set back never makes a session younger than it was.
    const lastSeenAt = Math.max(session.lastSeenAt, context.now());
    const updated = { ...session, lastSeenAt, address: peer.address };
    await putSession(tx, updated);
    return updated;
  });
  if (touched === undefined) throw new PosternError("session_invalid");
  return touched;
}

/** Which session, wherever one learnt of it. */
export type SessionName = Pick<Session, "account" | "id">;

/**
 * The session as the store has it now: what a connection remembers of it is no authority, since it may have been
 * ended elsewhere, and its account with it.
 * @throws PosternError `session_invalid`
 */
async function currentSession(context: ServiceContext, known: SessionName): Promise<Session> {
  const found = await context.barrier.read((tx) => findLiveSession(context, tx, known));
  if (found === undefined) throw new PosternError("session_invalid");
  return found;
}

/** The same within a transaction that goes on to act on it; undefined when it has ended. */
export async function findLiveSession(
  { barrier, now }: ServiceContext,
  tx: SealedReadTransaction,
  { account, id }: SessionName,
): Promise<Session | undefined> {
  const session = await findSession(tx, account, id);
  if (session === undefined || !isLive(session, now())) return undefined;
  const owner = await findAccountHead(tx, barrier.nameIndex(session.identity));
  return owner?.id === account ? session : undefined;
}

export interface LiveSession {
  readonly session: Session;
  readonly account: Account;
  readonly nameIndex: Buffer;
}

/**
 * One transaction of a person who has a session: as the store has it, and the account, then. What `act` throws leaves
 * nothing.
 * @throws PosternError `session_invalid`
 */
export function withLiveSession<T>(
  context: ServiceContext,
  known: SessionName,
  act: (tx: SealedWriteTransaction, live: LiveSession) => Promise<T>,
): Promise<T> {
  return context.barrier.transact(async (tx) => {
    const found = await findLiveSession(context, tx, known);
    if (found === undefined) throw new PosternError("session_invalid");
    const session = await used(context, tx, found);
    const nameIndex = context.barrier.nameIndex(session.identity);
    const account = await findAccount(tx, nameIndex);
    if (account === undefined) throw new PosternError("session_invalid");
    return act(tx, { session, account, nameIndex });
  });
}

/** A call on a session is a use of it, as `noteUse` has it. */
async function used({ now }: ServiceContext, tx: SealedWriteTransaction, session: Session): Promise<Session> {
  if (now() - session.lastSeenAt < sessionLimits.touchMs) return session;
  const noted = { ...session, lastSeenAt: now() };
  await putSession(tx, noted);
  return noted;
}

/** Deletes the sessions that have ended; run now and then, so that no clock revives one. Returns how many. */
export function sweepSessions(
  { barrier, now }: Pick<ServiceContext, "barrier" | "now">,
  pageSize?: number,
): Promise<number> {
  const page: SweepPage = async (tx, after, limit) => {
    const { sessions, next } = await scanSessions(tx, after, limit);
    const ended = sessions.filter((session) => !isLive(session, now()));
    for (const session of ended) await deleteSession(tx, session);
    return { deleted: ended.length, next };
  };
  return sweep(barrier, page, pageSize);
}

/** A person's live sessions, the one used last first. @throws PosternError `session_invalid` */
export function listSessions(context: ServiceContext, known: SessionName): Promise<Session[]> {
  return withLiveSession(context, known, async (tx) => {
    const live = (await sessionsOf(tx, known.account)).filter((session) => isLive(session, context.now()));
    return live.sort((a, b) => b.lastSeenAt - a.lastSeenAt);
  });
}

/** Ends another session of the same person, durably. @throws PosternError `session_invalid`, `id_unknown` */
export async function revokeSession(
  context: ServiceContext,
  peer: Peer,
  known: SessionName,
  id: SessionId,
): Promise<void> {
  await withLiveSession(context, known, async (tx, { session }) => {
    const revoked = await findSession(tx, session.account, id);
    if (revoked === undefined) throw new PosternError("id_unknown");
    await deleteSession(tx, revoked);
    const told = { ...aboutSession(session), event: "session.revoke", outcome: "done" } as const;
    await audit(context, tx, peer, { ...told, session: id, reason: `by ${session.id}` });
  });
}

/** Ends all of a person's sessions but this one. Returns how many. @throws PosternError `session_invalid` */
export function revokeOtherSessions(context: ServiceContext, peer: Peer, known: SessionName): Promise<number> {
  return withLiveSession(context, known, async (tx, { session }) => {
    const ended = await endSessionsBut(tx, session.account, session.id);
    await audit(context, tx, peer, {
      ...aboutSession(session),
      event: "session.revoke",
      outcome: "done",
      reason: "others",
    });
    return ended;
  });
}

/** Ends all sessions of an account but one, in the transaction that makes them void. Returns how many. */
export async function endSessionsBut(
  tx: SealedWriteTransaction,
  account: AccountId,
  kept?: SessionId,
): Promise<number> {
  const others = (await sessionsOf(tx, account)).filter(({ id }) => id !== kept);
  for (const other of others) await deleteSession(tx, other);
  return others.length;
}

/** Ends a session, durably, before it returns. Ending one that has ended is no error. */
export async function endSession(context: ServiceContext, peer: Peer, session: Session): Promise<void> {
  await context.barrier.transact(async (tx) => {
    if ((await findSession(tx, session.account, session.id)) === undefined) return;
    await deleteSession(tx, session);
    await audit(context, tx, peer, { ...aboutSession(session), event: "session.logout", outcome: "done" });
  });
}

/** How far the clock may have been set back under a session: more, and its limits could not be told any more. */
const CLOCK_SLACK_MS = 5 * 60_000;

function isLive(session: Session, now: number): boolean {
  if (now < session.authenticatedAt - CLOCK_SLACK_MS) return false;
  return now < session.expiresAt && now < session.lastSeenAt + sessionLimits.idleMs;
}

const idHex = (id: string) => id.slice(id.indexOf("_") + 1);

function secretText({ account, id }: Session, secret: Buffer): string {
  return `pss_${idHex(account)}${idHex(id)}_${secret.toString("hex")}`;
}

function parseSecret(text: string): { account: AccountId; id: SessionId; secret: Buffer } | undefined {
  const match = /^pss_([0-9a-f]{32})([0-9a-f]{32})_([0-9a-f]{64})$/.exec(text);
  if (match === null) return undefined;
  const [, account, id, secret = ""] = match;
  return { account: `acc_${account}`, id: `ses_${id}`, secret: Buffer.from(secret, "hex") };
}

function hashSecret(secret: Buffer): Buffer {
  return createHash("sha256").update(secret).digest();
}
