import { PosternError } from "@postern/shared/errors";
import { abbreviate, resolveId } from "@postern/shared/terminal/abbreviated-ids";
import type { Output } from "@postern/shared/terminal/output";
import { table } from "@postern/shared/terminal/table";
import { say } from "@postern/shared/terminal/terminal-text";
import type { Session } from "../../records/session.js";
import {
  endAllSessions,
  endAnySession,
  endSessionsOf,
  liveSessions,
  liveSessionsOf,
} from "../../services/all-sessions.js";
import type { AuditContext } from "../../services/context.js";
import { parseWho } from "../../services/people.js";
import { withAudit } from "../audit.js";
import { parseLimit } from "../audit-options.js";
import { isoTime, shownTime } from "../shown.js";
import type { StoreOptions } from "../unseal.js";
import { type ConfirmOptions, confirmByTyping } from "./confirm.js";

export interface SessionListOptions extends StoreOptions {
  readonly user?: string;
  readonly limit: string;
}

/** Prints live sessions, those used last first. @throws PosternError `user_unknown`, `name_invalid` */
export async function sessionListCommand(output: Output, options: SessionListOptions): Promise<void> {
  const limit = parseLimit(options.limit);
  const who = options.user === undefined ? undefined : parseWho(options.user);
  await withAudit(output, options, async ({ barrier, now }) => {
    const all = who === undefined ? await first(liveSessions(barrier, now()), limit + 1) : undefined;
    const found = all ?? (await liveSessionsOf(barrier, who as NonNullable<typeof who>, now()));
    const sessions = found.slice(0, limit).sort((a, b) => b.lastSeenAt - a.lastSeenAt);
    const lines = sessions.length === 0 ? [say`Nobody is logged in.`] : table(heading, rowsOf(sessions));
    output.result({ sessions: sessions.map(factsOf) }, ...lines);
    if (found.length > limit) output.note(say`There are more: --limit shows them.`);
  });
}

const heading = ["session", "name", "last used", "address", "client"];

async function first<T>(all: AsyncIterable<T>, count: number): Promise<T[]> {
  const taken: T[] = [];
  for await (const one of all) {
    taken.push(one);
    if (taken.length === count) break;
  }
  return taken;
}

function rowsOf(sessions: readonly Session[]): string[][] {
  const ids = abbreviate(sessions.map(({ id }) => id));
  return sessions.map(({ identity, lastSeenAt, address, client }, index) => [
    ids[index] ?? "",
    identity,
    shownTime(lastSeenAt).slice(0, 16),
    address,
    client,
  ]);
}

function factsOf(session: Session) {
  const { id, account, identity, authenticatedAt, lastSeenAt, expiresAt, address, client, device } = session;
  return {
    session: id,
    account,
    name: identity,
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
 *   `input_needed` for `--all` without a terminal and without `--yes`
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
  await withAudit(output, options, async (context) => {
    if (typed !== undefined) return revokeOne(output, context, typed);
    if (all) await confirmEnd(output, options);
    const revoked = who === undefined ? await endAllSessions(context) : await endSessionsOf(context, who);
    output.result({ revoked }, say`Ended ${revoked === 1 ? "one session" : `${revoked} sessions`}.`);
  });
}

async function revokeOne(output: Output, context: AuditContext, typed: string): Promise<void> {
  const matching: Session[] = [];
  for await (const session of liveSessions(context.barrier, context.now())) {
    if (session.id.startsWith(typed)) matching.push(session);
  }
  const ids = matching.map(({ id }) => id);
  const id = resolveId("session", ids, typed);
  for (const session of matching) await endAnySession(context, session);
  output.result({ revoked: 1, session: id }, say`Ended ${id}.`);
}

function confirmEnd(output: Output, options: ConfirmOptions): Promise<void> {
  return confirmByTyping(output, options, {
    consequences: [say`Everybody who is logged in has to log in again.`],
    question: "Type all to end every session",
    word: "all",
  });
}
