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
  tidySessionsOf,
} from "../records/session.js";
import { aboutSession, audit, type Peer, type ServiceContext } from "./context.js";
import { findLiveSession, isLive, noteUse, type SessionName, sessionLimits } from "./live-session.js";
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
  await makeRoom(context, tx, peer, account);
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

/**
 * Drops what has ended, and the longest unused sessions while there are as many as a person may have: the log tells of
 * each that was ended so.
 */
async function makeRoom(
  context: ServiceContext,
  tx: SealedWriteTransaction,
  peer: Peer,
  account: AccountId,
): Promise<void> {
  const sessions = await tidySessionsOf(tx, account);
  const live = sessions.filter((session) => isLive(session, context.now()));
  live.sort((a, b) => b.lastSeenAt - a.lastSeenAt);
  const kept = new Set(live.slice(0, sessionLimits.perAccount - 1));
  for (const session of sessions) {
    if (kept.has(session)) continue;
    await deleteSession(tx, session);
    if (!live.includes(session)) continue;
    const told = { event: "session.revoke", outcome: "done", reason: "limit" } as const;
    await audit(context, tx, peer, { ...aboutSession(session), ...told });
  }
}

/** Counts a record that an account's session goes on from another address: 0 when there is room for it. */
export type MoveWait = (account: AccountId) => number | Promise<number>;

/** How a client shows that it has the secret of a session, over the connection whose exporter is given. */
export interface SessionProof extends SessionName {
  readonly mac: Buffer;
  readonly exporter: Buffer;
}

/**
 * The live session that a client has the secret of, and the MAC by which it knows that this server has the session. Its
 * use is noted.
 * @throws PosternError `session_invalid` for any proof that is not one of a live session.
 */
export async function resumeSession(
  context: ServiceContext,
  peer: Peer,
  { account, id, mac, exporter }: SessionProof,
  moveWait: MoveWait,
): Promise<{ session: Session; mac: Buffer }> {
  const session = await currentSession(context, { account, id });
  if (!verifySessionMac("client", session.secretHash, exporter, mac)) throw new PosternError("session_invalid");
  const answer = sessionMac("server", session.secretHash, exporter);
  return { session: await noteUseBy(context, peer, session, moveWait), mac: answer };
}

/**
 * The session of a connection that has one, before a call on it: the call is a use of it, noted likewise.
 * @throws PosternError `session_invalid`
 */
export async function useSession(
  context: ServiceContext,
  peer: Peer,
  known: SessionName,
  moveWait: MoveWait,
): Promise<Session> {
  return noteUseBy(context, peer, await currentSession(context, known), moveWait);
}

/**
 * A use is noted at most once a minute, but at once where it comes from another address than the last one that was
 * noted: whoever has stolen a session shows in its person's list and in the log. Where there is no room for the record,
 * the address is left as it was, and noted by a later use.
 */
async function noteUseBy(context: ServiceContext, peer: Peer, session: Session, moveWait: MoveWait): Promise<Session> {
  const moved = peer.address !== session.address && (await moveWait(session.account)) === 0;
  const recent = context.now() - session.lastSeenAt < sessionLimits.touchMs;
  return recent && !moved ? session : touch(context, peer, session, moved);
}

async function touch(context: ServiceContext, peer: Peer, known: Session, moved: boolean): Promise<Session> {
  const touched = await context.barrier.transact(async (tx) => {
    const session = await findLiveSession(context, tx, known);
    if (session === undefined) return undefined;
    if (moved && session.address !== peer.address) {
      await audit(context, tx, peer, { ...aboutSession(session), event: "session.move", outcome: "done" });
    }
    return noteUse(context, tx, moved ? { ...session, address: peer.address } : session);
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

/** Deletes the sessions that have ended, and what is damaged; run now and then, so that no clock revives one. Returns how many. */
export function sweepSessions(
  { barrier, now }: Pick<ServiceContext, "barrier" | "now">,
  pageSize?: number,
): Promise<number> {
  const endedIn: EndedIn = async (tx, after, limit) => {
    const { sessions, damaged, next } = await scanSessions(tx, after, limit);
    const ended = sessions.filter((session) => !isLive(session, now()));
    return { keys: [...ended.map(({ account, id }) => sessionKey(account, id)), ...damaged], next };
  };
  return sweep(barrier, endedIn, pageSize);
}

/** Ends all sessions of an account but one, in the transaction that makes them void. Returns those that were there. */
export async function endSessionsBut(
  tx: SealedWriteTransaction,
  account: AccountId,
  kept?: SessionId,
): Promise<readonly Session[]> {
  const others = (await tidySessionsOf(tx, account)).filter(({ id }) => id !== kept);
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
