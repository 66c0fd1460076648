import { PosternError } from "@postern/shared/errors";
import type { Result } from "@postern/shared/messages";
import type { Output } from "@postern/shared/terminal/output";
import { bold, say } from "@postern/shared/terminal/terminal-text";
import type { RpcClient } from "../connection/rpc-client.js";
import type { Environment, ServerChoice } from "../environment.js";
import { openServer } from "../flows/open-server.js";
import { dropSession, type KeptSession, keptSession } from "../session/session-file.js";
import { localTime } from "./local-time.js";
import { environmentOf, type GlobalOptions, serverChoiceOf } from "./options.js";

type SessionFacts = Result<"session.resume">;

export async function whoamiCommand(output: Output, options: GlobalOptions): Promise<void> {
  await withSession(await keptFor(output, options), async (facts) => {
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
  await withSession(await keptFor(output, options), async (_facts, rpc) => {
    const { token, expires_in } = await rpc.call("session.token", audience === undefined ? {} : { audience });
    output.result({ token, expires_in }, say`${token}`);
  });
}

/** Logged out is logged out: a session that has ended by itself meanwhile is forgotten here, and that is success. */
export async function logoutCommand(output: Output, options: GlobalOptions): Promise<void> {
  const kept = await keptFor(output, options);
  try {
    await withSession(kept, async (_facts, rpc) => {
      await rpc.call("session.logout", {});
    });
  } catch (thrown) {
    if (!isInvalid(thrown)) throw thrown;
  }
  await dropSession(kept.environment.paths, kept.choice.address, kept.session);
  output.result({ logged_out: true, name: kept.session.name }, say`Logged out.`);
}

interface Kept {
  readonly environment: Environment;
  readonly choice: ServerChoice;
  readonly session: KeptSession;
}

/** @throws PosternError `not_logged_in` */
async function keptFor(output: Output, options: GlobalOptions): Promise<Kept> {
  const environment = environmentOf(output, options);
  const choice = serverChoiceOf(options);
  return { environment, choice, session: await keptSession(environment.paths, choice.address) };
}

/**
 * Connects, resumes the session that this machine keeps, and runs `use` with it. A session is shown only to the
 * identity that gave it: one that was pinned anew since, knowingly or not, must not get the secret of the other.
 * @throws PosternError `not_logged_in`, `session_invalid`
 */
async function withSession(
  { environment, choice, session }: Kept,
  use: (facts: SessionFacts, rpc: RpcClient) => Promise<void>,
): Promise<void> {
  const { rpc, identity } = await openServer(environment, choice);
  try {
    if (identity !== session.fingerprint) throw new PosternError("not_logged_in");
    await use(await rpc.call("session.resume", { secret: session.secret }), rpc);
  } catch (thrown) {
    if (isInvalid(thrown)) await dropSession(environment.paths, choice.address, session);
    throw thrown;
  } finally {
    rpc.close();
  }
}

function isInvalid(thrown: unknown): boolean {
  return thrown instanceof PosternError && thrown.code === "session_invalid";
}

function minutes(seconds: number): string {
  return `${Math.round(seconds / 60)} minutes`;
}
