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

/**
 * How far the clock may have been set back under a session since its last noted use: by more, and the session has ended,
 * since nobody could tell any more how long it has been there.
 */
const CLOCK_SLACK_MS = 5 * 60_000;

/** Whether a session has not ended; `now` in milliseconds. */
export function isLive(session: Session, now: number): boolean {
  if (now < session.lastSeenAt - CLOCK_SLACK_MS) return false;
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
 * nothing. That a call is a use of the session is noted before it (`useSession`).
 * @throws PosternError `session_invalid`
 */
export function withLiveSession<T>(
  context: ServiceContext,
  known: SessionName,
  act: (tx: SealedWriteTransaction, live: LiveSession) => Promise<T>,
): Promise<T> {
  return context.barrier.transact(async (tx) => act(tx, await liveIn(context, tx, known)));
}

/** The same for a call that only reads: it takes no place among the writing transactions. */
export function readLiveSession<T>(
  context: ServiceContext,
  known: SessionName,
  look: (tx: SealedReadTransaction, live: LiveSession) => Promise<T>,
): Promise<T> {
  return context.barrier.read(async (tx) => look(tx, await liveIn(context, tx, known)));
}

async function liveIn(context: ServiceContext, tx: SealedReadTransaction, known: SessionName): Promise<LiveSession> {
  const live = await findLive(context, tx, known);
  if (live === undefined) throw new PosternError("session_invalid");
  return live;
}

/** Notes when a session was last used. A clock that was set back never makes it younger than it was. */
export async function noteUse(context: ServiceContext, tx: SealedWriteTransaction, session: Session): Promise<Session> {
  const used = { ...session, lastSeenAt: Math.max(session.lastSeenAt, context.now()) };
  await putSession(tx, used);
  return used;
}
