import { PosternError } from "@postern/shared/errors";
import type { Output } from "@postern/shared/terminal/output";
import { bold, say } from "@postern/shared/terminal/terminal-text";
import { failedWith } from "../failed-with.js";
import { withSession } from "../flows/live-session.js";
import { dropSession } from "../session/session-file.js";
import { sessionUseOf } from "./kept-session.js";
import { localTime } from "./local-time.js";
import { type GlobalOptions, serverChoiceOf } from "./options.js";

export async function whoamiCommand(output: Output, options: GlobalOptions): Promise<void> {
  await withSession(await sessionUseOf(output, options), async ({ facts }) => {
    const server = serverChoiceOf(options).address.key;
    output.result(
      { ...facts, server },
      say`${bold(facts.name)} on ${server}`,
      say`account        ${facts.account}`,
      say`session        ${facts.session}`,
      say`logged in      ${localTime(facts.authenticated_at)}`,
      say`ends at        ${localTime(facts.expires_at)}, or after ${minutes(facts.idle_timeout)} without use`,
    );
  });
}

/** Bounds that the protocol has for an audience, in UTF-16 units. */
const AUDIENCE_LENGTH_MAX = 256;

/** @throws PosternError `usage` for an audience that cannot be sent; as `withSession` */
export async function tokenCommand(output: Output, options: GlobalOptions & { audience?: string }): Promise<void> {
  const { audience } = options;
  if (audience !== undefined && (audience === "" || audience.length > AUDIENCE_LENGTH_MAX)) {
    throw new PosternError("usage", { detail: "--audience takes 1 to 256 characters" });
  }
  await withSession(await sessionUseOf(output, options), async (session) => {
    const { token, expires_in } = await session.call("session.token", audience === undefined ? {} : { audience });
    output.result({ token, expires_in }, say`${token}`);
  });
}

/** Logged out is logged out: a session that has ended by itself meanwhile is forgotten here, and that is success. */
export async function logoutCommand(output: Output, options: GlobalOptions): Promise<void> {
  const use = await sessionUseOf(output, options);
  try {
    await withSession(use, async (session) => {
      await session.call("session.logout", {});
    });
  } catch (thrown) {
    if (!failedWith(thrown, "session_invalid")) throw thrown;
  }
  await dropSession(use.environment.paths, use.choice.address, use.kept);
  output.result({ logged_out: true, name: use.kept.name }, say`Logged out.`);
}

function minutes(seconds: number): string {
  return `${Math.round(seconds / 60)} minutes`;
}
