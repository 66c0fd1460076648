import { PosternError } from "@postern/shared/errors";
import type { SealedReadTransaction, SealedWriteTransaction } from "../barrier/barrier.js";
import { type Account, findAccount } from "../records/account.js";
import { findSession, putSession, type Session } from "../records/session.js";
import type { ServiceContext } from "./context.js";

/** How long a session lasts, and how many a person may have. */
export const sessionLimits = {
  idleMs: 30 * 60_000,
  absoluteMs: 12 * 3_600_000,
  perAccount: 10,
  /** A session's last use is written no more often than this. */
  touchMs: 60_000,
} as const;

/** How far the clock may have been set back under a session: more, and its limits could not be told any more. */
const CLOCK_SLACK_MS = 5 * 60_000;

/** Whether a session has not ended; `now` in milliseconds. */
export function isLive(session: Session, now: number): boolean {
  if (now < session.authenticatedAt - CLOCK_SLACK_MS) return false;
  return now < session.expiresAt && now < session.lastSeenAt + sessionLimits.idleMs;
}

/** Which session, wherever one learnt of it. */
export type SessionName = Pick<Session, "account" | "id">;

export interface LiveSession {
  readonly session: Session;
  readonly account: Account;
  readonly nameIndex: Buffer;
}

/** The session as a transaction that goes on to act on it finds it; undefined when it has ended. */
export async function findLiveSession(
  context: ServiceContext,
  tx: SealedReadTransaction,
  known: SessionName,
): Promise<Session | undefined> {
  return (await findLive(context, tx, known))?.session;
}

/** Disabling an account ends its sessions: one that were there all the same is worth nothing either. */
async function findLive(
  { barrier, now }: ServiceContext,
  tx: SealedReadTransaction,
  { account: owner, id }: SessionName,
): Promise<LiveSession | undefined> {
  const session = await findSession(tx, owner, id);
  if (session === undefined || !isLive(session, now())) return undefined;
  const nameIndex = barrier.nameIndex(session.identity);
  const account = await findAccount(tx, nameIndex);
  if (account === undefined || account.id !== owner || account.disabledAt !== undefined) return undefined;
  return { session, account, nameIndex };
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
    const live = await liveIn(context, tx, known);
    return act(tx, { ...live, session: await usedNow(context, tx, live.session) });
  });
}

/**
 * The same for a call that only reads: it takes a place among the writing transactions only when the use is to be noted.
 * @throws PosternError `session_invalid`
 */
export async function readLiveSession<T>(
  context: ServiceContext,
  known: SessionName,
  look: (tx: SealedReadTransaction, live: LiveSession) => Promise<T>,
): Promise<T> {
  const seen = await context.barrier.read(async (tx) => {
    const live = await liveIn(context, tx, known);
    return { session: live.session, found: await look(tx, live) };
  });
  if (isUseDue(context, seen.session)) await withLiveSession(context, known, async () => undefined);
  return seen.found;
}

async function liveIn(context: ServiceContext, tx: SealedReadTransaction, known: SessionName): Promise<LiveSession> {
  const live = await findLive(context, tx, known);
  if (live === undefined) throw new PosternError("session_invalid");
  return live;
}

function isUseDue({ now }: ServiceContext, session: Session): boolean {
  return now() - session.lastSeenAt >= sessionLimits.touchMs;
}

/** A call on a session is a use of it. */
async function usedNow(context: ServiceContext, tx: SealedWriteTransaction, session: Session): Promise<Session> {
  if (!isUseDue(context, session)) return session;
  const used = { ...session, lastSeenAt: context.now() };
  await putSession(tx, used);
  return used;
}
