import { PosternError } from "@postern/shared/errors";
import type { SessionId } from "@postern/shared/ids";
import { deleteSession, findSession, type Session, sessionsOf } from "../records/session.js";
import { aboutSession, audit, type Peer, type ServiceContext } from "./context.js";
import { isLive, readLiveSession, type SessionName, withLiveSession } from "./live-session.js";
import { endSessionsBut } from "./sessions.js";

/** A person's live sessions, the one used last first. @throws PosternError `session_invalid` */
export function listSessions(context: ServiceContext, known: SessionName): Promise<Session[]> {
  return readLiveSession(context, known, async (tx, { account }) => {
    const live = (await sessionsOf(tx, account.id)).filter((session) => isLive(session, context.now()));
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
    if (ended.length === 0) return 0;
    await audit(context, tx, peer, {
      ...aboutSession(session),
      event: "session.revoke",
      outcome: "done",
      reason: "others",
    });
    return ended.filter((other) => isLive(other, context.now())).length;
  });
}
