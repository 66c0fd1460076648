import { channelMac, verifyChannelMac } from "@postern/shared/channel";
import { PosternError } from "@postern/shared/errors";
import { checkStretch, type StretchParameters, stretchPassword } from "@postern/shared/kdf";
import type { FactorKind, Result } from "@postern/shared/messages";
import { clientEphemeral, clientSession, verifyServerProof } from "@postern/shared/srp/client";
import { parsePublicValue, parseSalt, type Salt } from "@postern/shared/srp/parse";
import type { OpenServer } from "./open-server.js";

export type LoggedIn = Result<"login.code">;

/** A code as the server takes it. */
export interface TypedCode {
  readonly factor: FactorKind;
  readonly code: string;
}

/** Whom a login asks for the code, once the server has proved itself. */
export type AskCode = (state: { refused: boolean }) => Promise<TypedCode | undefined>;

/**
 * The password for one login, and what it stretches to: that takes 100 ms and 64 MiB, and is the same for every
 * attempt that the login takes.
 */
export class LoginPassword {
  readonly #password: string;
  #stretched: { readonly key: string; readonly text: string } | undefined;

  constructor(password: string) {
    this.#password = password;
  }

  async stretch(salt: Salt, parameters: StretchParameters): Promise<string> {
    checkStretch(parameters);
    const key = `${salt.toString("hex")} ${parameters.memory_kib} ${parameters.passes}`;
    if (this.#stretched?.key !== key) {
      this.#stretched = { key, text: await stretchPassword({ password: this.#password, salt, parameters }) };
    }
    return this.#stretched.text;
  }
}

/**
 * Proves the password to the server, and has the server prove that it knows the verifier, both over this very TLS
 * connection. Only after this returns may a code be asked for.
 * @throws PosternError `login_failed`, `throttled`, `busy`; `server_not_proved`, `stretch_refused` for a false server
 */
export async function provePassword(
  { rpc, exporter }: OpenServer,
  name: string,
  password: LoginPassword,
): Promise<void> {
  const ephemeral = clientEphemeral();
  const { identity, salt, stretch, B } = await rpc.call("login.start", { name, A: ephemeral.publicHex });
  const parsedSalt = parseSalt(salt);
  const serverPublic = parsePublicValue(B, "server_not_proved");
  const credentials = { identity, salt: parsedSalt, password: await password.stretch(parsedSalt, stretch) };
  const session = clientSession({ credentials, ephemeral, serverPublic });
  try {
    const mac = channelMac("client", session.key, exporter).toString("hex");
    const reply = await rpc.call("login.proof", { M1: session.proofHex, mac });
    verifyServerProof(session, reply.M2);
    const bound = verifyChannelMac("server", session.key, exporter, Buffer.from(reply.mac, "hex"));
    if (!bound) throw new PosternError("server_not_proved");
  } finally {
    session.key.fill(0);
  }
}

/**
 * A whole login. A person may take longer over the code than the server waits: then the connection is made anew, and
 * the server proves itself anew, before the code is sent.
 * @throws PosternError as `provePassword`; `code_refused` when `askCode` has none left to give
 */
export async function login(
  reopen: () => Promise<OpenServer>,
  first: OpenServer,
  { name, password, askCode }: { name: string; password: LoginPassword; askCode: AskCode },
): Promise<{ loggedIn: LoggedIn; server: OpenServer }> {
  let server = first;
  await provePassword(server, name, password);
  for (let refused = false; ; refused = true) {
    const typed = await askCode({ refused });
    if (typed === undefined) throw new PosternError("code_refused");
    if (server.rpc.ended.aborted) {
      server = await reopen();
      await provePassword(server, name, password);
    }
    try {
      return { loggedIn: await server.rpc.call("login.code", typed), server };
    } catch (thrown) {
      if (!(thrown instanceof PosternError && thrown.code === "code_refused")) throw thrown;
    }
  }
}
