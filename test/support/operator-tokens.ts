import { resetMac } from "@postern/shared/channel";
import type { Params } from "@postern/shared/messages";
import { totpDefaults } from "@postern/shared/otp/parameters";
import { decodeSecret } from "@postern/shared/otp/secret";
import { stepAt, totpCode } from "@postern/shared/otp/totp";
import { clientEphemeral, deriveVerifier } from "@postern/shared/srp/client";
import { parseSalt } from "@postern/shared/srp/parse";
import { parseToken, tokenKey } from "@postern/shared/token";
import type { ResetKind } from "../../packages/server/src/records/reset-token.js";
import { createInvite, type InviteWish } from "../../packages/server/src/services/invites.js";
import { issueResetToken } from "../../packages/server/src/services/reset-tokens.js";
import { DAY, type TestServer } from "./in-process.js";
import { type Person, provePassword } from "./person.js";
import { type Reply, type Target, WireClient } from "./wire-client.js";

/** What an operator makes for people, and what they do with it, a step at a time. */

/** A new invite: what of its token goes over the wire, and its id. */
export async function inviteSecret({ context }: TestServer, wish: Partial<InviteWish> = {}) {
  const { invite, token } = await createInvite(context, { lifetime: 7 * DAY, uses: 1, ...wish });
  return { id: invite.id, secret: parseToken(token).secret.toString("hex") };
}

/** A new reset token of a person's: what of it goes over the wire. */
export async function resetSecret(
  { context }: Pick<TestServer, "context">,
  name: string,
  resets: ResetKind,
  lifetime = DAY,
): Promise<string> {
  const { token } = await issueResetToken(context, { name }, { resets, lifetime });
  return parseToken(token).secret.toString("hex");
}

/** A registration by an invite up to its first code: what sends that. */
export async function aboutToRegister(
  server: TestServer,
  name: string,
  invite: string | undefined,
): Promise<() => Promise<Reply | undefined>> {
  const client = await WireClient.open(server);
  await client.ok("register.start", { name, ...(invite !== undefined && { invite }) });
  const { secret } = await client.ok("register.verifier", { verifier: clientEphemeral().publicHex });
  return () => client.call("register.confirm", { code: shownNow(decodeSecret(secret), server) });
}

function shownNow(secret: Buffer, { clock }: TestServer): string {
  return totpCode(secret, stepAt(clock.now(), totpDefaults.period), totpDefaults);
}

/** How a client shows a password reset token over its connection: the parameters of `reset.start`. */
export function resetProof({ exporter }: WireClient, name: string, token: string): Params<"reset.start"> {
  return { name, mac: resetMac("client", tokenKey(Buffer.from(token, "hex")), exporter).toString("hex") };
}

/** A password reset up to its code: what sends that with a verifier of the new password. */
export async function aboutToResetPassword(
  server: Target,
  to: Person,
  token: string,
): Promise<(code: string) => Promise<Reply | undefined>> {
  const client = await WireClient.open(server);
  const begun = await client.ok("reset.start", resetProof(client, to.name, token));
  const password = await to.stretched(begun);
  const { identity, salt, stretch } = begun;
  const verifier = deriveVerifier({ identity, salt: parseSalt(salt), password });
  const new_verifier = { generation: stretch.generation, verifier };
  return (code) => client.call("reset.password", { code, new_verifier });
}

/** A factor reset up to the first code of the new authenticator: what sends that, and the authenticator's secret. */
export async function aboutToResetFactors(
  server: TestServer,
  person: Person,
  token: string,
): Promise<{ secret: Buffer; confirm: () => Promise<Reply | undefined> }> {
  const client = await WireClient.open(server);
  await provePassword(client, person);
  const offered = await client.ok("reset.factors", { token });
  const secret = decodeSecret(offered.secret);
  return { secret, confirm: () => client.call("reset.confirm", { code: shownNow(secret, server) }) };
}
