import { PosternError } from "@postern/shared/errors";
import type { Result } from "@postern/shared/messages";
import type { Output } from "@postern/shared/terminal/output";
import { bold, say } from "@postern/shared/terminal/terminal-text";
import type { RpcClient } from "../connection/rpc-client.js";
import { openServer } from "../flows/open-server.js";
import { dropSession, keptSession } from "../session/session-file.js";
import { localTime } from "./local-time.js";
import { environmentOf, type GlobalOptions, serverChoiceOf } from "./options.js";

type SessionFacts = Result<"session.resume">;

export async function whoamiCommand(output: Output, options: GlobalOptions): Promise<void> {
  await withSession(output, options, async (facts) => {
    const server = serverChoiceOf(options).address.key;
    output.result(
      { ...facts, server },
      say`${bold(facts.name)} on ${server}`,
      say`account        ${facts.account}`,
      say`session        ${facts.session}`,
      say`logged in      ${localTime(facts.authenticated_at)}`,
      say`ends at        ${localTime(facts.expires_at)}, or after ${facts.idle_timeout / 60} minutes without use`,
    );
  });
}

export async function tokenCommand(output: Output, options: GlobalOptions & { audience?: string }): Promise<void> {
  await withSession(output, options, async (_facts, rpc) => {
    const { audience } = options;
    const { token, expires_in } = await rpc.call("session.token", audience === undefined ? {} : { audience });
    output.result({ token, expires_in }, say`${token}`);
  });
}

/** Logged out is logged out: a session that has ended by itself meanwhile is forgotten here, and that is success. */
export async function logoutCommand(output: Output, options: GlobalOptions): Promise<void> {
  const environment = environmentOf(output, options);
  const { address } = serverChoiceOf(options);
  const { name } = await keptSession(environment.paths, address);
  try {
    await withSession(output, options, async (_facts, rpc) => {
      await rpc.call("session.logout", {});
    });
  } catch (thrown) {
    if (!(thrown instanceof PosternError && thrown.code === "session_invalid")) throw thrown;
  }
  const kept = await keptSession(environment.paths, address).catch(() => undefined);
  if (kept !== undefined) await dropSession(environment.paths, address, kept);
  output.result({ logged_out: true, name }, say`Logged out.`);
}

/** Connects, resumes the session that this machine keeps, and runs `use` with it. */
async function withSession(
  output: Output,
  options: GlobalOptions,
  use: (facts: SessionFacts, rpc: RpcClient) => Promise<void>,
): Promise<void> {
  const environment = environmentOf(output, options);
  const choice = serverChoiceOf(options);
  const kept = await keptSession(environment.paths, choice.address);
  const { rpc } = await openServer(environment, choice);
  try {
    await use(await rpc.call("session.resume", { secret: kept.secret }), rpc);
  } catch (thrown) {
    if (thrown instanceof PosternError && thrown.code === "session_invalid") {
      await dropSession(environment.paths, choice.address, kept);
    }
    throw thrown;
  } finally {
    rpc.close();
  }
}
