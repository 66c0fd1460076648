import { sessionMac, verifySessionMac } from "@postern/shared/channel";
import { PosternError } from "@postern/shared/errors";
import { type AccountId, type DeviceId, newId, type SessionId } from "@postern/shared/ids";
import { formatSessionSecret, SESSION_SECRET_BYTES, sessionKeyOf } from "@postern/shared/session-secret";
import type { SealedWriteTransaction } from "../barrier/barrier.js";
import {
  deleteSession,
  findSession,
  putSession,
  type Session,
  scanSessions,
  sessionKey,
  sessionsOf,
} from "../records/session.js";
import { aboutSession, audit, type Peer, type ServiceContext } from "./context.js";
import { findLiveSession, isLive, type SessionName, sessionLimits } from "./live-session.js";
import { type EndedIn, sweep } from "./sweep.js";
import type { CodeVerified, PasswordVerified } from "./witnesses.js";

export interface Grant {
  readonly session: Session;
  /** What the client keeps, as `formatSessionSecret` has it. */
  readonly secret: string;
}

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
  const secret = context.random(SESSION_SECRET_BYTES);
  const session: Session = {
    id: newId("session", context.random),
    account,
    identity: password.identity,
    secretHash: sessionKeyOf(secret),
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
  return { session, secret: formatSessionSecret({ account, session: session.id, secret }) };
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

/** How a client shows that it has the secret of a session, over the connection whose exporter is given. */
export interface SessionProof extends SessionName {
  readonly mac: Buffer;
  readonly exporter: Buffer;
}

/**
 * The live session that a client has the secret of, and the MAC by which it knows that this server has the session. The
 * last use is noted, at most once a minute.
 * @throws PosternError `session_invalid` for any proof that is not one of a live session.
 */
export async function resumeSession(
  context: ServiceContext,
  peer: Peer,
  { account, id, mac, exporter }: SessionProof,
): Promise<{ session: Session; mac: Buffer }> {
  const session = await currentSession(context, { account, id });
  if (!verifySessionMac("client", session.secretHash, exporter, mac)) throw new PosternError("session_invalid");
  const answer = sessionMac("server", session.secretHash, exporter);
  return { session: await noteUse(context, peer, session), mac: answer };
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

/** Deletes the sessions that have ended; run now and then, so that no clock revives one. Returns how many. */
export function sweepSessions(
  { barrier, now }: Pick<ServiceContext, "barrier" | "now">,
  pageSize?: number,
): Promise<number> {
  const endedIn: EndedIn = async (tx, after, limit) => {
    const { sessions, next } = await scanSessions(tx, after, limit);
    const ended = sessions.filter((session) => !isLive(session, now()));
    return { keys: ended.map(({ account, id }) => sessionKey(account, id)), next };
  };
  return sweep(barrier, endedIn, pageSize);
}

/** Ends all sessions of an account but one, in the transaction that makes them void. Returns those that were there. */
export async function endSessionsBut(
  tx: SealedWriteTransaction,
  account: AccountId,
  kept?: SessionId,
): Promise<readonly Session[]> {
  const others = (await sessionsOf(tx, account)).filter(({ id }) => id !== kept);
  for (const other of others) await deleteSession(tx, other);
  return others;
}

/** Ends a session, durably, before it returns. Ending one that has ended is no error. */
export async function endSession(context: ServiceContext, peer: Peer, session: Session): Promise<void> {
  await context.barrier.transact(async (tx) => {
    if ((await findSession(tx, session.account, session.id)) === undefined) return;
    await deleteSession(tx, session);
    await audit(context, tx, peer, { ...aboutSession(session), event: "session.logout", outcome: "done" });
  });
}
