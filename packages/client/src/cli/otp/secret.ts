import { toolkitLimits } from "@postern/shared/otp/limits";
import { type OtpAlgorithm, otpAlgorithms, totpDefaults } from "@postern/shared/otp/parameters";
import { LEAST_NEW_BYTES, newSecret } from "@postern/shared/otp/secret";
import { encodeSecretAs, type SecretEncoding } from "@postern/shared/otp/secret-encodings";
import type { Output } from "@postern/shared/terminal/output";
import { say } from "@postern/shared/terminal/terminal-text";
import { parseNumber } from "./numbers.js";

export interface SecretOptions {
  readonly algorithm?: OtpAlgorithm;
  readonly bytes?: string;
  readonly encoding?: SecretEncoding;
}

/** A random secret, as long as the hash wants it or as `--bytes` says. */
export async function otpSecretCommand(output: Output, options: SecretOptions): Promise<void> {
  const { algorithm = totpDefaults.algorithm, bytes, encoding = "base32" } = options;
  const limits = { least: LEAST_NEW_BYTES, most: toolkitLimits.secretBytes.most };
  const length = bytes === undefined ? otpAlgorithms[algorithm].secretBytes : parseNumber("--bytes", bytes, limits);
  const secret = newSecret(length);
  const text = encodeSecretAs(secret, encoding);
  secret.fill(0);
  output.result({ secret: text }, say`${text}`);
}
