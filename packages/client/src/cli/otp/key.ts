import { PosternError } from "@postern/shared/errors";
import { toolkitLimits } from "@postern/shared/otp/limits";
import { type OtpAlgorithm, totpDefaults } from "@postern/shared/otp/parameters";
import { decodeSecretAs, type SecretEncoding } from "@postern/shared/otp/secret-encodings";
import { MAX_URI_LENGTH, type Otpauth, otpauthUri, parseOtpauthUri } from "@postern/shared/otp/uri";
import type { Output } from "@postern/shared/terminal/output";
import { readSecretFile } from "@postern/shared/terminal/secret-file";
import { say } from "@postern/shared/terminal/terminal-text";
import type { GlobalOptions } from "../options.js";
import type { OtpHost } from "./host.js";
import { parseCounter, parseNumber } from "./numbers.js";

export interface KeyOptions extends GlobalOptions {
  readonly secretFile?: string;
  readonly uriFile?: string;
  readonly encoding?: SecretEncoding;
  readonly account?: string;
  readonly issuer?: string;
  readonly type?: Otpauth["type"];
  readonly algorithm?: OtpAlgorithm;
  readonly digits?: string;
  readonly period?: string;
  readonly counter?: string;
}

/**
 * The secret and its parameters: of an otpauth URI, or of a secret and the options.
 * @throws PosternError `usage` where options contradict each other or the URI, `otp_invalid`
 */
export async function keyOf(output: Output, options: KeyOptions, host: OtpHost): Promise<Otpauth> {
  const { secretFile, uriFile, encoding = "base32" } = options;
  if (uriFile !== undefined && secretFile !== undefined) {
    throw new PosternError("usage", { detail: "--secret-file and --uri-file exclude each other" });
  }
  const file = uriFile ?? secretFile;
  const given =
    file === undefined
      ? await host.prompter.password(`Secret (${encoding}) or otpauth URI`)
      : await readGiven(output, file, host);
  const text = given.trim();
  if (uriFile !== undefined || /^otpauth:/i.test(text)) return keyOfUri(text, options);
  return keyOfSecret(text, encoding, options);
}

/** As `passwordFrom`, but as long as a URI may be. */
async function readGiven(output: Output, file: string, { stdin, env }: OtpHost): Promise<string> {
  const { secret, warning } = await readSecretFile(file, { stdin, env, max: MAX_URI_LENGTH });
  if (warning !== undefined) output.warn(say`${warning}`);
  return secret;
}

/** The counter moves on with each code, and a URI does not: that option alone says more than it. */
function keyOfUri(text: string, options: KeyOptions): Otpauth {
  const { type, encoding, algorithm, digits, period, issuer, account, counter } = options;
  if ([type, encoding, algorithm, digits, period, issuer, account].some((option) => option !== undefined)) {
    throw new PosternError("usage", { detail: "an otpauth URI says all of it: give no further parameters" });
  }
  const key = parseOtpauthUri(text, toolkitLimits);
  if (counter === undefined) return key;
  if (key.type === "totp")
    throw new PosternError("usage", { detail: "--counter is for HOTP, and the URI is for TOTP" });
  return { ...key, counter: parseCounter(counter) };
}

function keyOfSecret(text: string, encoding: SecretEncoding, options: KeyOptions): Otpauth {
  const variable = variablePartOf(options);
  const { algorithm, digits = `${totpDefaults.digits}`, issuer = "Postern", account = "account" } = options;
  const count = parseNumber("--digits", digits, toolkitLimits.digits);
  const secret = decodeSecretAs(text, encoding, toolkitLimits.secretBytes);
  return checked({
    ...variable,
    secret,
    algorithm: algorithm ?? totpDefaults.algorithm,
    digits: count,
    issuer,
    account,
  });
}

type VariablePart =
  | { readonly type: "totp"; readonly period: number }
  | { readonly type: "hotp"; readonly counter: number };

/** @throws PosternError `usage` for a counter of codes by time, or a period of codes by counter */
function variablePartOf({ type = "totp", period, counter }: KeyOptions): VariablePart {
  if (type === "totp") {
    if (counter !== undefined) throw new PosternError("usage", { detail: "--counter goes with --type hotp" });
    const seconds = period ?? `${totpDefaults.period}`;
    return { type, period: parseNumber("--period", seconds, toolkitLimits.period) };
  }
  if (period !== undefined)
    throw new PosternError("usage", { detail: "--period is for TOTP: HOTP codes last until used" });
  return { type, counter: parseCounter(counter ?? "0") };
}

/** @throws PosternError `usage` for a name that cannot stand in a URI */
function checked(key: Otpauth): Otpauth {
  try {
    otpauthUri(key, toolkitLimits);
    return key;
  } catch (cause) {
    const detail = "--account and --issuer take up to 128 bytes without a colon, and not nothing";
    throw new PosternError("usage", { detail, cause });
  }
}
