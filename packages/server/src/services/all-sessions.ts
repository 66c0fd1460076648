import { setImmediate as turn } from "node:timers/promises";
import { PosternError } from "@postern/shared/errors";
import type { Barrier } from "../barrier/barrier.js";
import { deleteSession, findSession, type Session, scanSessions, sessionsOf } from "../records/session.js";
import { type AuditContext, aboutAccount, aboutSession, audit } from "./context.js";
import { isLive, type SessionName } from "./live-session.js";
import { findLocated, locate, type Who } from "./people.js";
import { endSessionsBut } from "./sessions.js";

/** Everybody's sessions, as the operator sees and ends them. */

const PAGE = 256;

/** All that are live, a page at a time, so that logins go on meanwhile. */
export async function* liveSessions(barrier: Barrier, now: number): AsyncGenerator<Session> {
  let after: Buffer | undefined;
  do {
    const from = after;
    const { sessions, next } = await barrier.read((tx) => scanSessions(tx, from, PAGE));
    yield* sessions.filter((session) => isLive(session, now));
    after = next;
    await turn();
  } while (after !== undefined);
}

/** One person's. @throws PosternError `user_unknown` */
export async function liveSessionsOf(barrier: Barrier, who: Who, now: number): Promise<Session[]> {
  const located = await locate(barrier, who);
  return barrier.read(async (tx) => {
    const { account } = await findLocated(barrier, tx, located);
    return (await sessionsOf(tx, account.id)).filter((session) => isLive(session, now));
  });
}

/** Ends a session, in every process. @throws PosternError `id_unknown` when it has ended meanwhile */
export async function endAnySession(context: AuditContext, { account, id }: SessionName): Promise<void> {
  await context.barrier.transact(async (tx) => {
    const session = await findSession(tx, account, id);
    if (session === undefined) throw new PosternError("id_unknown");
    await deleteSession(tx, session);
    const told = { event: "session.revoke", outcome: "done", reason: "operator" } as const;
    await audit(context, tx, undefined, { ...aboutSession(session), ...told });
  });
}

/** Ends all of a person's sessions, with one record. Returns how many were live. @throws PosternError `user_unknown` */
export async function endSessionsOf(context: AuditContext, who: Who): Promise<number> {
  const { barrier, now } = context;
  const located = await locate(barrier, who);
  return barrier.transact(async (tx) => {
    const { account } = await findLocated(barrier, tx, located);
    const ended = await endSessionsBut(tx, account.id);
    if (ended.length === 0) return 0;
    const told = { event: "session.revoke", outcome: "done", reason: "operator all" } as const;
    await audit(context, tx, undefined, { ...aboutAccount(account), ...told });
    return ended.filter((session) => isLive(session, now())).length;
  });
}

/** Ends everybody's sessions, one after another. Returns how many. */
export async function endAllSessions(context: AuditContext): Promise<number> {
  let ended = 0;
  for await (const session of liveSessions(context.barrier, context.now())) {
    try {
      await endAnySession(context, session);
      ended += 1;
    } catch (thrown) {
      // Somebody logged out in this moment.
      if (!(thrown instanceof PosternError && thrown.code === "id_unknown")) throw thrown;
    }
  }
  return ended;
}
