import { PosternError } from "@postern/shared/errors";
import { abbreviate, resolveId } from "@postern/shared/terminal/abbreviated-ids";
import type { Output } from "@postern/shared/terminal/output";
import { table } from "@postern/shared/terminal/table";
import { say, type TerminalText } from "@postern/shared/terminal/terminal-text";
import type { Session } from "../../records/session.js";
import {
  endAllSessions,
  endAnySession,
  endSessionsOf,
  liveSessions,
  liveSessionsOf,
} from "../../services/all-sessions.js";
import type { AuditContext } from "../../services/context.js";
import { FirstFew } from "../../services/first-few.js";
import { lastUsedFirst, parseWho } from "../../services/people.js";
import { withAudit } from "../audit.js";
import { parseLimit } from "../audit-options.js";
import { isoTime, shownMinute } from "../shown.js";
import type { StoreOptions } from "../unseal.js";
import { type ConfirmOptions, confirm, requireConfirmation } from "./confirm.js";

export interface SessionListOptions extends StoreOptions {
  readonly user?: string;
  readonly limit: string;
}

/**
 * Prints live sessions, those used last first: a table, or under `--json` a line for each.
 * @throws PosternError `user_unknown`, `name_invalid`
 */
export async function sessionListCommand(output: Output, options: SessionListOptions): Promise<void> {
  const limit = parseLimit(options.limit);
  const who = options.user === undefined ? undefined : parseWho(options.user);
  await withAudit(output, options, async ({ barrier, now }) => {
    const found = who === undefined ? liveSessions(barrier, now()) : await liveSessionsOf(barrier, who, now());
    const first = new FirstFew<Session>(limit, lastUsedFirst);
    for await (const session of found) first.add(session);
    const { few, more } = first.take();
    print(output, few);
    if (more) output.note(say`There are more: --limit takes a higher number.`);
  });
}

function print(output: Output, sessions: readonly Session[]): void {
  if (sessions.length === 0) output.note(say`No session.`);
  else if (output.json) for (const session of sessions) output.result(factsOf(session));
  else output.result({}, ...sessionTable(sessions));
}

export function sessionTable(sessions: readonly Session[]): TerminalText[] {
  const ids = abbreviate(sessions.map(({ id }) => id));
  const rows = sessions.map(({ identity, lastSeenAt, address, client }, index) => [
    ids[index] ?? "",
    identity,
    shownMinute(lastSeenAt),
    address,
    client,
  ]);
  return table(["session", "name", "last used (UTC)", "address", "client"], rows);
}

function factsOf(session: Session) {
  return { ...sessionFacts(session), account: session.account, name: session.identity };
}

/** A session as it is told of where it is plain whose it is. */
export function sessionFacts({ id, authenticatedAt, lastSeenAt, expiresAt, address, client, device }: Session) {
  return {
    session: id,
    authenticated_at: isoTime(authenticatedAt),
    last_seen_at: isoTime(lastSeenAt),
    expires_at: isoTime(expiresAt),
    address,
    client,
    device,
  };
}

export interface SessionRevokeOptions extends StoreOptions, ConfirmOptions {
  readonly user?: string;
  readonly all?: boolean;
}

/**
 * @throws PosternError `usage` unless there is exactly one of an id, `--user` and `--all`; `id_unknown`; `user_unknown`;
 *   `input_needed` for `--all` without a terminal and without `--yes`; `cancelled`
 */
export async function sessionRevokeCommand(
  output: Output,
  typed: string | undefined,
  options: SessionRevokeOptions,
): Promise<void> {
  const { user, all = false } = options;
  if ([typed !== undefined, user !== undefined, all].filter(Boolean).length !== 1) {
    throw new PosternError("usage", { detail: "give a session's id, or --user NAME, or --all" });
  }
  const who = user === undefined ? undefined : parseWho(user);
  if (all) {
    requireConfirmation(options);
    await confirm(output, options, everybody);
  }
  await withAudit(output, options, async (context) => {
    if (typed !== undefined) return revokeOne(output, context, typed);
    const revoked = who === undefined ? await endAllSessions(context) : await endSessionsOf(context, who);
    output.result({ revoked }, say`Ended ${countedSessions(revoked)}.`);
  });
}

const everybody = {
  consequences: [say`Everybody who is logged in has to log in again.`],
  question: "End all sessions?",
};

/** `no session`, `1 session`, `2 sessions` */
export function countedSessions(count: number): string {
  if (count === 0) return "no session";
  return count === 1 ? "1 session" : `${count} sessions`;
}

async function revokeOne(output: Output, context: AuditContext, typed: string): Promise<void> {
  const found = new Map<string, Session>();
  for await (const session of liveSessions(context.barrier, context.now())) {
    // Two are enough to say that there are several.
    if (found.size < 2 && session.id.startsWith(typed)) found.set(session.id, session);
  }
  const id = resolveId("session", [...found.keys()], typed);
  const session = found.get(id);
  if (session === undefined) throw new PosternError("id_unknown");
  await endAnySession(context, session);
  output.result({ revoked: 1, session: id, name: session.identity }, say`Ended ${id} of ${session.identity}.`);
}
