import { PosternError } from "@postern/shared/errors";
import { resolveId } from "@postern/shared/terminal/abbreviated-ids";
import type { Output } from "@postern/shared/terminal/output";
import { table } from "@postern/shared/terminal/table";
import { say } from "@postern/shared/terminal/terminal-text";
import { withSession } from "../../flows/live-session.js";
import { dropSession } from "../../session/session-file.js";
import { sessionUseOf } from "../kept-session.js";
import type { GlobalOptions } from "../options.js";
import type { AccountOptions } from "./options.js";
import { seenRows } from "./seen-rows.js";

/** Returns how many there are beside this one. */
export async function sessionListCommand(output: Output, options: GlobalOptions): Promise<number> {
  return withSession(await sessionUseOf(output, options), async (session) => {
    const { sessions } = await session.call("session.list", {});
    const rows = seenRows(sessions, ({ session }) => session, "this session");
    output.result({ sessions }, ...table(["session", "last used", "address", "client", ""], rows));
    return sessions.filter(({ current }) => !current).length;
  });
}

/** @throws PosternError `id_unknown`; `usage` unless there is either an id or `--others` */
export async function sessionRevokeCommand(
  output: Output,
  typed: string | undefined,
  options: AccountOptions,
): Promise<void> {
  const one = oneOrOthers(typed, options);
  const use = await sessionUseOf(output, options);
  await withSession(use, async (session) => {
    if (one === undefined) {
      const { revoked } = await session.call("session.revoke_others", {});
      output.result({ revoked }, say`Ended ${counted(revoked, "other session")}.`);
      return;
    }
    const { sessions } = await session.call("session.list", {});
    const ids = sessions.map(({ session: id }) => id);
    const id = resolveId("session", ids, one);
    await session.call("session.revoke", { session: id });
    const own = sessions.some(({ session: other, current }) => current && other === id);
    if (own) await dropSession(use.environment.paths, use.choice.address, use.kept);
    output.result({ revoked: 1, session: id }, own ? say`Ended this session.` : say`Ended ${id}.`);
  });
}

/** The id that was given, or undefined for `--others`. */
export function oneOrOthers(typed: string | undefined, { others = false }: AccountOptions): string | undefined {
  if ((typed === undefined) !== others) throw new PosternError("usage", { detail: "give either an id or --others" });
  return typed;
}

/** `no other device`, `1 other device`, `2 other devices` */
export function counted(count: number, noun: string): string {
  if (count === 0) return `no ${noun}`;
  return count === 1 ? `1 ${noun}` : `${count} ${noun}s`;
}
