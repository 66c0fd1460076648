import { setTimeout as sleep } from "node:timers/promises";
import { PosternError } from "@postern/shared/errors";
import { parseCode } from "@postern/shared/otp/code";
import { type OtpAlgorithm, otpAlgorithms, totpDefaults } from "@postern/shared/otp/parameters";
import { decodeSecret, encodeSecret, newSecret } from "@postern/shared/otp/secret";
import { matchTotp, NO_STEP, stepAt, totpCode, untilNextStep } from "@postern/shared/otp/totp";
import { type OtpauthTotp, otpauthUri, parseOtpauthUri } from "@postern/shared/otp/uri";
import type { Output } from "@postern/shared/terminal/output";
import type { StdinLines } from "@postern/shared/terminal/stdin-lines";
import { bold, drawn, say } from "@postern/shared/terminal/terminal-text";
import { enrolmentScreen } from "../../terminal/enrolment-screen.js";
import { environmentOf, type GlobalOptions, passwordFrom, pipedLines } from "../options.js";
import { parsePeriod } from "../period.js";
import { parseDigits } from "../typed-code.js";

interface KeyOptions extends GlobalOptions {
  readonly secretFile?: string;
  readonly uriFile?: string;
  readonly account?: string;
  readonly issuer?: string;
  readonly algorithm?: OtpAlgorithm;
  readonly digits?: string;
  readonly period?: string;
}

export async function otpSecretCommand(output: Output, { algorithm }: { algorithm?: OtpAlgorithm }): Promise<void> {
  const secret = newSecret(otpAlgorithms[algorithm ?? totpDefaults.algorithm].secretBytes);
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
  if (options.next === true) await nextStep(key.period);
  const now = Date.now();
  const code = totpCode(key.secret, stepAt(now, key.period), key);
  const expires_in = Math.ceil(untilNextStep(now, key.period) / 1000);
  output.result({ code, expires_in }, say`${code}`);
}

/** A timer may fire some milliseconds before its time: the clock has the last word. */
async function nextStep(period: number): Promise<void> {
  const first = stepAt(Date.now(), period);
  while (stepAt(Date.now(), period) === first) await sleep(untilNextStep(Date.now(), period));
}

/**
 * With the secret or URI from stdin, the code may be its second line.
 * @throws PosternError `otp_wrong`, saying whether it has expired or never was right
 */
export async function otpVerifyCommand(output: Output, options: KeyOptions & { code?: string }): Promise<void> {
  const stdin = pipedLines();
  const key = await keyOf(output, options, stdin);
  const code = parseDigits(await typedCode(output, options, stdin), key.digits);
  const verdict = code === undefined ? undefined : judge(key, code);
  if (verdict?.kind === "match") {
    output.result({ valid: true }, say`${bold("Right.")}`);
    return;
  }
  const past = verdict?.kind === "past" ? `it has expired: it was right ${verdict.stepsBehind * key.period} s ago` : "";
  throw new PosternError("otp_wrong", past === "" ? {} : { detail: past });
}

async function typedCode(
  output: Output,
  options: KeyOptions & { code?: string },
  stdin: StdinLines | undefined,
): Promise<string> {
  if (options.code !== undefined) return options.code;
  const usesStdin = options.secretFile === "-" || options.uriFile === "-";
  if (usesStdin && stdin !== undefined) return stdin.next();
  return environmentOf(output, options).prompter.text("Code");
}

function judge(key: OtpauthTotp, text: string): ReturnType<typeof matchTotp> {
  const code = parseCode(text, key.digits);
  if (code === undefined) return { kind: "none" };
  return matchTotp({ secret: key.secret, code, now: Date.now(), lastStep: NO_STEP, params: key });
}

/** The secret and its parameters: of an otpauth URI, or of a secret and the options. */
async function keyOf(output: Output, options: KeyOptions, stdin = pipedLines()): Promise<OtpauthTotp> {
  const { secretFile, uriFile } = options;
  if (uriFile !== undefined && secretFile !== undefined) {
    throw new PosternError("usage", { detail: "--secret-file and --uri-file exclude each other" });
  }
  const file = uriFile ?? secretFile;
  const text =
    file === undefined
      ? await environmentOf(output, options).prompter.password("Secret (base32) or otpauth URI")
      : await passwordFrom(output, file, stdin);
  if (uriFile !== undefined || text.trim().startsWith("otpauth:")) return keyOfUri(text.trim(), options);
  return checked({
    type: "totp",
    secret: decodeSecret(text.trim()),
    algorithm: options.algorithm ?? totpDefaults.algorithm,
    digits: Number(options.digits ?? totpDefaults.digits),
    period: options.period === undefined ? totpDefaults.period : parsePeriod(options.period),
    issuer: options.issuer ?? "Postern",
    account: options.account ?? "account",
  });
}

function keyOfUri(text: string, { algorithm, digits, period, issuer, account }: KeyOptions): OtpauthTotp {
  if ([algorithm, digits, period, issuer, account].some((option) => option !== undefined)) {
    throw new PosternError("usage", { detail: "an otpauth URI says all of it: give no further parameters" });
  }
  const key = parseOtpauthUri(text);
  if (key.type !== "totp") throw new PosternError("otp_invalid", { detail: "it is for counters, not for time" });
  return key;
}

/** @throws PosternError `usage` for a name that cannot stand in a URI */
function checked(key: OtpauthTotp): OtpauthTotp {
  try {
    otpauthUri(key);
    return key;
  } catch (cause) {
    const detail = "--account and --issuer take up to 128 bytes without a colon, and not nothing";
    throw new PosternError("usage", { detail, cause });
  }
}
