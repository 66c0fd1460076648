import { resetMac, verifyResetMac } from "@postern/shared/channel";
import { PosternError } from "@postern/shared/errors";
import type { Result } from "@postern/shared/messages";
import { parseSalt } from "@postern/shared/srp/parse";
import { type Token, tokenKey } from "@postern/shared/token";
import type { PasswordDialogue } from "./change-password.js";
import { giveCode } from "./give-code.js";
import type { Reopen } from "./login.js";
import type { OpenServer } from "./open-server.js";
import type { SaltedName, Stretch } from "./prove-password.js";

export type ResetDone = Result<"reset.password">;

export interface TokenShown {
  readonly name: string;
  readonly token: Token;
}

/** A connection on which the token was taken: a code may be asked for, and sent. */
interface Begun extends SaltedName {
  readonly server: OpenServer;
  readonly stretch: Stretch;
  readonly factors: readonly string[];
  readonly period: number | undefined;
}

/**
 * Sets a new password by an operator's token and a code. No password is known that the server could prove itself with:
 * it does so with the token, over this very connection, behind the identity that the token carries and `openServer` has
 * held against it. Only then are a new password and a code asked for. A connection that ended meanwhile is made anew, and
 * the server proves itself anew, before the code is sent.
 * @throws PosternError `token_invalid`, `code_refused`, `throttled`, `codes_locked`; `server_not_proved`,
 *   `stretch_refused` for a false server; `memory_short`
 */
export async function resetPassword(
  reopen: Reopen,
  first: OpenServer,
  shown: TokenShown,
  { newPassword, askCode }: PasswordDialogue,
): Promise<ResetDone> {
  let now = await begin(first, shown);
  const chosen = await newPassword(now.identity);
  await chosen.verifier(now, now.stretch);
  const about = () => ({ factors: now.factors, period: now.period });
  const done = await giveCode(askCode, { about, otherwise: new PosternError("code_refused") }, async (code) => {
    if (now.server.rpc.ended.aborted) now = await begin(await reopen(), shown);
    const new_verifier = await chosen.verifier(now, now.stretch);
    return now.server.rpc.call("reset.password", { ...code, new_verifier });
  });
  if (done.name !== now.identity) throw new PosternError("server_failed", { detail: "it reset another name" });
  return done;
}

async function begin(server: OpenServer, { name, token }: TokenShown): Promise<Begun> {
  const { rpc, exporter } = server;
  const key = tokenKey(token.secret);
  try {
    const reply = await rpc.call("reset.start", { name, mac: resetMac("client", key, exporter).toString("hex") });
    const proved = verifyResetMac("server", key, exporter, Buffer.from(reply.mac, "hex"));
    if (!proved) throw new PosternError("server_not_proved");
    const { identity, salt, stretch, factors, period } = reply;
    return { identity, salt: parseSalt(salt), stretch, factors, period, server };
  } finally {
    key.fill(0);
  }
}
