import { PosternError } from "@postern/shared/errors";
import type { SealedWriteTransaction } from "../barrier/barrier.js";
import { putSession, type Session } from "../records/session.js";
import { judgeCode, refusalOf } from "./code-guess.js";
import { aboutSession, audit, type Peer, type ServiceContext } from "./context.js";
import type { CodeGuess } from "./factors.js";
import { type Guesser, stranger } from "./guesser.js";
import { noteUse, type SessionName, withLiveSession } from "./live-session.js";
import type { FreshSession } from "./witnesses.js";

/** How old the last code may be for what decides who gets in; a login's counts. */
export const FRESH_MS = 5 * 60_000;

/** Milliseconds since 1970: until when a session is fresh. */
export function freshUntil({ verifiedAt }: Session): number {
  return verifiedAt + FRESH_MS;
}

/** Who pays for a code that is given within a session: the device that it was made on. */
export function guesserOf({ device }: Session): Guesser {
  return device === undefined ? stranger : { kind: "device", id: device };
}

/**
 * Step-up: another code makes a session fresh again.
 * @throws PosternError `session_invalid`, `code_refused`, `throttled`, `codes_locked`
 */
export async function verifySession(
  context: ServiceContext,
  peer: Peer,
  known: SessionName,
  guess: CodeGuess,
): Promise<Session> {
  const outcome = await withLiveSession(context, known, async (tx, { session, account, nameIndex }) => {
    const codeCase = { account, nameIndex, guesser: guesserOf(session), event: "session.verify" } as const;
    const verdict = await judgeCode(context, tx, peer, { ...codeCase, session: session.id }, guess);
    if (verdict.kind !== "right") return refusalOf(verdict);
    const fresh = { ...session, verifiedAt: context.now(), lastSeenAt: Math.max(session.lastSeenAt, context.now()) };
    await putSession(tx, fresh);
    await audit(context, tx, peer, {
      ...aboutSession(session),
      event: "session.verify",
      outcome: "granted",
      reason: verdict.code.by,
    });
    return fresh;
  });
  if (outcome instanceof PosternError) throw outcome;
  return outcome;
}

/**
 * Whether the last code of a session is young enough. The latest use that was noted counts for time that has passed: a
 * clock that was set back neither makes a code younger than it is, nor one fresh again that was seen to be too old.
 */
function isFresh({ verifiedAt, lastSeenAt }: Session, now: number): boolean {
  return now >= verifiedAt && Math.max(now, lastSeenAt) < verifiedAt + FRESH_MS;
}

/**
 * As `withLiveSession`, for what only a fresh session may do.
 * @throws PosternError `session_invalid`, `step_up_needed`
 */
export async function withFreshSession<T>(
  context: ServiceContext,
  known: SessionName,
  act: (tx: SealedWriteTransaction, fresh: FreshSession) => Promise<T>,
): Promise<T> {
  const outcome = await withLiveSession(context, known, async (tx, live) => {
    const { session } = live;
    if (isFresh(session, context.now())) return { done: await act(tx, live as FreshSession) };
    // That it was seen to be too old is noted, once, whenever its last use was: no clock takes that back.
    if (session.lastSeenAt < freshUntil(session)) await noteUse(context, tx, session);
    return new PosternError("step_up_needed");
  });
  if (outcome instanceof PosternError) throw outcome;
  return outcome.done;
}
