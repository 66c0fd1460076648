import { setTimeout as sleep } from "node:timers/promises";
import { PosternError } from "@postern/shared/errors";
import { parseCode } from "@postern/shared/otp/code";
import { type OtpAlgorithm, otpAlgorithms, periodLimits } from "@postern/shared/otp/parameters";
import { decodeSecret, encodeSecret, newSecret } from "@postern/shared/otp/secret";
import { matchTotp, NO_STEP, stepAt, totpCode, untilNextStep } from "@postern/shared/otp/totp";
import { type OtpauthTotp, otpauthUri, parseOtpauthUri } from "@postern/shared/otp/uri";
import type { Output } from "@postern/shared/terminal/output";
import { bold, drawn, say } from "@postern/shared/terminal/terminal-text";
import { enrolmentScreen } from "../../terminal/enrolment-screen.js";
import { environmentOf, type GlobalOptions, passwordFrom, pipedLines } from "../options.js";

interface ParameterOptions extends GlobalOptions {
  readonly algorithm: OtpAlgorithm;
  readonly digits: string;
  readonly period: string;
}

interface KeyOptions extends ParameterOptions {
  readonly secretFile?: string;
  readonly uriFile?: string;
  readonly account: string;
  readonly issuer: string;
}

export async function otpSecretCommand(output: Output, { algorithm }: ParameterOptions): Promise<void> {
  const secret = newSecret(otpAlgorithms[algorithm].secretBytes);
  const text = encodeSecret(secret);
  secret.fill(0);
  output.result({ secret: text }, say`${text}`);
}

export async function otpUriCommand(output: Output, options: KeyOptions): Promise<void> {
  const uri = otpauthUri(await keyOf(output, options));
  output.result({ uri }, say`${uri}`);
}

export async function otpQrCommand(output: Output, options: KeyOptions): Promise<void> {
  const key = await keyOf(output, options);
  const facts = { uri: otpauthUri(key), secret: encodeSecret(key.secret) };
  output.result(facts, drawn(enrolmentScreen({ ...facts, ...environmentOf(output, options).window() })));
}

export async function otpCodeCommand(output: Output, options: KeyOptions & { next?: boolean }): Promise<void> {
  const key = await keyOf(output, options);
  if (options.next === true) await sleep(untilNextStep(Date.now(), key.period));
  const now = Date.now();
  const code = totpCode(key.secret, stepAt(now, key.period), key);
  const expires_in = Math.ceil(untilNextStep(now, key.period) / 1000);
  output.result({ code, expires_in }, say`${code}`);
}

/** @throws PosternError `code_refused`, saying on the way whether the code is wrong or was right before */
export async function otpVerifyCommand(output: Output, options: KeyOptions & { code?: string }): Promise<void> {
  const key = await keyOf(output, options);
  const typed = options.code ?? (await environmentOf(output, options).prompter.text("Code"));
  const code = parseCode(typed.replaceAll(" ", ""), key.digits);
  const { secret } = key;
  const verdict =
    code === undefined
      ? ({ kind: "none" } as const)
      : matchTotp({ secret, code, now: Date.now(), lastStep: NO_STEP, params: key });
  if (verdict.kind === "match") {
    output.result({ valid: true }, say`${bold("Right.")}`);
    return;
  }
  if (verdict.kind === "past")
    output.note(say`It has expired: it was right ${verdict.stepsBehind * key.period} s ago.`);
  throw new PosternError("code_refused", { detail: verdict.kind === "past" ? "it has expired" : "it is wrong" });
}

/** The secret and its parameters: of an otpauth URI, or of a secret and the options. */
async function keyOf(output: Output, options: KeyOptions): Promise<OtpauthTotp> {
  if (options.uriFile !== undefined && options.secretFile !== undefined) {
    throw new PosternError("usage", { detail: "--secret-file and --uri-file exclude each other" });
  }
  if (options.uriFile !== undefined) return keyOfUri(await passwordFrom(output, options.uriFile, pipedLines()));
  const text =
    options.secretFile === undefined
      ? await environmentOf(output, options).prompter.password("Secret (base32)")
      : await passwordFrom(output, options.secretFile, pipedLines());
  if (text.startsWith("otpauth:")) return keyOfUri(text);
  const { algorithm, issuer, account } = options;
  const digits = Number(options.digits);
  return { type: "totp", secret: decodeSecret(text), algorithm, digits, period: parsePeriod(options), issuer, account };
}

function keyOfUri(text: string): OtpauthTotp {
  const key = parseOtpauthUri(text.trim());
  if (key.type !== "totp") throw new PosternError("otp_invalid", { detail: "it is for counters, not for time" });
  return key;
}

function parsePeriod({ period }: ParameterOptions): number {
  const seconds = /^\d{1,3}$/.test(period) ? Number(period) : 0;
  if (seconds < periodLimits.least || seconds > periodLimits.most) {
    throw new PosternError("usage", { detail: `--period takes ${periodLimits.least} to ${periodLimits.most} seconds` });
  }
  return seconds;
}
