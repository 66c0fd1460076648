import { hotpCode } from "@postern/shared/otp/hotp";
import type { OtpAlgorithm } from "@postern/shared/otp/parameters";
import { decodeSecret } from "@postern/shared/otp/secret";
import { stepAt, totpCode } from "@postern/shared/otp/totp";
import type { ApiClient, ApiReply } from "./api-client.js";
import type { Clock } from "./in-process.js";

/** What an application has for a subject, with all that its codes are made of. */

export interface Credential {
  readonly path: string;
  verify(code: string, by?: ApiClient): Promise<ApiReply>;
  show(): Promise<ApiReply>;
}

function credentialAt(client: ApiClient, path: string): Credential {
  return {
    path,
    verify: (code, by = client) => by.post(`${path}/verify`, { code }),
    show: () => client.get(path),
  };
}

async function created(client: ApiClient, kind: "otp" | "totp" | "hotp", body: object) {
  const reply = await client.post(`/v1/${kind}`, body);
  if (reply.status !== 201) throw new Error(reply.text);
  return { ...credentialAt(client, `/v1/${kind}/${reply.body["id"]}`), made: reply.body };
}

export async function newOtp(client: ApiClient, body: object = {}) {
  const otp = await created(client, "otp", { subject: "ann", ...body });
  return { ...otp, code: String(otp.made["code"]) };
}

const shown = { subject: "ann", issuer: "Shop", account: "ann@example.org" };

export async function newTotp(client: ApiClient, clock: Clock, body: object = {}) {
  const totp = await created(client, "totp", { ...shown, ...body });
  const { secret, ...params } = facts(totp.made);
  /** The code of so many steps from now. */
  const code = (at = 0): string => totpCode(secret, stepAt(clock.now(), params.period) + at, params);
  return { ...totp, code };
}

export async function newHotp(client: ApiClient, body: object = {}) {
  const hotp = await created(client, "hotp", { ...shown, ...body });
  const { secret, ...params } = facts(hotp.made);
  const code = (counter: number): string => hotpCode(secret, counter, params);
  const resync = (first: number, second: number) =>
    client.post(`${hotp.path}/resync`, { codes: [code(first), code(second)] });
  return { ...hotp, code, resync };
}

function facts(made: ApiReply["body"]) {
  return {
    secret: decodeSecret(String(made["secret"])),
    algorithm: made["algorithm"] as OtpAlgorithm,
    digits: Number(made["digits"]),
    period: Number(made["period"]),
  };
}

/** Another code of the same length. */
export function wrongCode(right: string): string {
  return right.replace(/^./, (digit) => String((Number(digit) + 1) % 10));
}
