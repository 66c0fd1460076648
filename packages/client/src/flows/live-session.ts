import { sessionMac, verifySessionMac } from "@postern/shared/channel";
import { PosternError } from "@postern/shared/errors";
import type { Method, Params, Result } from "@postern/shared/messages";
import { parseSessionSecret, sessionKeyOf } from "@postern/shared/session-secret";
import type { RpcClient } from "../connection/rpc-client.js";
import type { Environment, ServerChoice } from "../environment.js";
import { failedWith } from "../failed-with.js";
import { dropSession, type KeptSession } from "../session/session-file.js";
import { type OpenServer, openServer } from "./open-server.js";

export type SessionFacts = Result<"session.whoami">;

/** What a session is used with: the server that gave it, and what this machine keeps of it. */
export interface SessionUse {
  readonly environment: Environment;
  readonly choice: ServerChoice;
  readonly kept: KeptSession;
}

/** A session on a connection that was authenticated by it. */
export class LiveSession implements SessionUse {
  readonly environment: Environment;
  readonly choice: ServerChoice;
  readonly kept: KeptSession;
  #rpc: RpcClient;
  #facts: SessionFacts;

  private constructor({ environment, choice, kept }: SessionUse, rpc: RpcClient, facts: SessionFacts) {
    this.environment = environment;
    this.choice = choice;
    this.kept = kept;
    this.#rpc = rpc;
    this.#facts = facts;
  }

  /** @throws PosternError `not_logged_in`, `session_invalid` */
  static async resume(use: SessionUse): Promise<LiveSession> {
    const { rpc, facts } = await resume(use);
    return new LiveSession(use, rpc, facts);
  }

  /** A session that has just begun on a connection. */
  static begun(use: SessionUse, { rpc }: OpenServer, facts: SessionFacts): LiveSession {
    return new LiveSession(use, rpc, facts);
  }

  get facts(): SessionFacts {
    return this.#facts;
  }

  /** The connection of this moment, for calls that belong to one another. */
  get rpc(): RpcClient {
    return this.#rpc;
  }

  /** Calls; on another connection, where the last one ended while a person thought. */
  async call<M extends Method>(method: M, params: Params<M>): Promise<Result<M>> {
    if (this.#rpc.ended.aborted) {
      const { rpc, facts } = await resume(this);
      this.#rpc = rpc;
      this.#facts = facts;
    }
    return this.#rpc.call(method, params);
  }

  close(): void {
    this.#rpc.close();
  }
}

/**
 * A session is shown only to the identity that gave it: one that was pinned anew since, knowingly or not, must not get
 * the secret of the other.
 */
async function resume({ environment, choice, kept }: SessionUse): Promise<{ rpc: RpcClient; facts: SessionFacts }> {
  const server = await openServer(environment, choice);
  const { rpc, identity } = server;
  try {
    if (identity !== kept.fingerprint) throw new PosternError("not_logged_in");
    return { rpc, facts: await resumeOn(server, kept) };
  } catch (thrown) {
    rpc.close();
    throw thrown;
  }
}

/**
 * Both sides show that they have the session, over this connection. A server with the right identity that does not have
 * it gets nothing that another one would take for the session, and later no code.
 */
async function resumeOn({ rpc, exporter }: OpenServer, kept: KeptSession): Promise<SessionFacts> {
  const parsed = parseSessionSecret(kept.secret);
  if (parsed === undefined) throw new PosternError("session_invalid");
  const { account, session, secret } = parsed;
  const key = sessionKeyOf(secret);
  secret.fill(0);
  try {
    const mac = sessionMac("client", key, exporter).toString("hex");
    const { mac: answer, ...facts } = await rpc.call("session.resume", { account, session, mac });
    const proved = verifySessionMac("server", key, exporter, Buffer.from(answer, "hex"));
    if (!proved) throw new PosternError("server_not_proved");
    return facts;
  } finally {
    key.fill(0);
  }
}

/**
 * Runs `act` with a session, closes its connection, and forgets it where it turns out to have ended.
 * @throws PosternError `not_logged_in`, `session_invalid`
 */
export async function withSession<T>(use: SessionUse, act: (session: LiveSession) => Promise<T>): Promise<T> {
  return forgetting(use, async () => {
    const session = await LiveSession.resume(use);
    try {
      return await act(session);
    } finally {
      session.close();
    }
  });
}

/** Forgets a session that has ended, whatever it was that found it out. */
export async function forgetting<T>({ environment, choice, kept }: SessionUse, act: () => Promise<T>): Promise<T> {
  try {
    return await act();
  } catch (thrown) {
    if (failedWith(thrown, "session_invalid")) await dropSession(environment.paths, choice.address, kept);
    throw thrown;
  }
}
