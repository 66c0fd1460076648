import { PosternError } from "@postern/shared/errors";
import {
  type ExportPart,
  isAuthenticatorExport,
  parseAuthenticatorExport,
} from "@postern/shared/otp/authenticator-export";
import { toolkitLimits } from "@postern/shared/otp/limits";
import { encodeSecret } from "@postern/shared/otp/secret";
import { type Otpauth, otpauthUri, parseOtpauthUri } from "@postern/shared/otp/uri";
import type { JsonObject, Output } from "@postern/shared/terminal/output";
import { readSecretLines } from "@postern/shared/terminal/secret-file";
import { say } from "@postern/shared/terminal/terminal-text";
import type { GlobalOptions } from "../options.js";
import { type OtpHost, otpHostOf } from "./host.js";

export interface ImportOptions extends GlobalOptions {
  readonly file?: string;
}

/**
 * Reads otpauth URIs and exports of authenticators, one a line, and prints what they hold as otpauth URIs. Nothing is
 * printed unless all of them were understood.
 * @throws PosternError `otp_invalid`, `export_invalid`, each with the line; `export_incomplete` behind what is there
 */
export async function otpImportCommand(
  output: Output,
  options: ImportOptions,
  host: OtpHost = otpHostOf(output, options),
): Promise<void> {
  const read: Otpauth[] = [];
  const batches = new Batches();
  try {
    for (const [index, line] of (await linesOf(output, options, host)).entries()) {
      if (line !== "") read.push(...inLine(index + 1, () => otpauthsOf(line, batches)));
    }
    if (read.length === 0 && batches.missing() === "")
      throw new PosternError("otp_invalid", { detail: "there is none" });
    for (const otpauth of read) print(output, otpauth);
  } finally {
    for (const { secret } of read) secret.fill(0);
  }
  const missing = batches.missing();
  if (missing !== "") throw new PosternError("export_incomplete", { detail: missing });
}

async function linesOf(output: Output, { file }: ImportOptions, host: OtpHost): Promise<string[]> {
  if (file === undefined) return [(await host.prompter.password("otpauth URI or export")).trim()];
  const { secret, warning } = await readSecretLines(file, host);
  if (warning !== undefined) output.warn(say`${warning}`);
  return secret.split("\n").map((line) => line.trim());
}

/** What a line adds: nothing for a part of an export that was there before. */
function otpauthsOf(line: string, batches: Batches): readonly Otpauth[] {
  if (!isAuthenticatorExport(line)) return [parseOtpauthUri(line, toolkitLimits)];
  const part = parseAuthenticatorExport(line);
  return batches.add(part) ? part.otpauths : [];
}

/** Which parts of which exports were there. */
class Batches {
  readonly #seen = new Map<string, { readonly size: number; readonly parts: Map<number, string> }>();

  /**
   * False for a part that was there before: whoever scans QR codes catches one twice.
   * @throws PosternError `export_invalid` when it contradicts one that was there before
   */
  add({ batch, index, size, otpauths }: ExportPart): boolean {
    const content = otpauths.map((otpauth) => otpauthUri(otpauth, toolkitLimits)).join("\n");
    // One that is whole by itself need have no number of its own.
    const key = size === 1 ? content : `${batch}`;
    const { size: known, parts } = this.#seen.get(key) ?? { size, parts: new Map<number, string>() };
    const before = parts.get(index);
    if (size !== known || (before ?? content) !== content) {
      throw new PosternError("export_invalid", { detail: "it contradicts another part of the same export" });
    }
    this.#seen.set(key, { size, parts: parts.set(index, content) });
    return before === undefined;
  }

  /** Empty when nothing is missing. */
  missing(): string {
    const gaps = [...this.#seen.values()].map(({ size, parts }) => {
      const absent = Array.from({ length: size }, (_, index) => index).filter((index) => !parts.has(index));
      const numbers = absent.map((index) => index + 1).join(", ");
      return absent.length === 0 ? "" : `of ${size} parts, ${numbers} ${absent.length === 1 ? "is" : "are"} missing`;
    });
    return gaps.filter((gap) => gap !== "").join("; ");
  }
}

function inLine<T>(number: number, read: () => T): T {
  try {
    return read();
  } catch (thrown) {
    if (!(thrown instanceof PosternError)) throw thrown;
    const { code, detail } = thrown;
    throw new PosternError(code, {
      detail: `line ${number}${detail === undefined ? "" : `: ${detail}`}`,
      cause: thrown,
    });
  }
}

function print(output: Output, otpauth: Otpauth): void {
  const uri = otpauthUri(otpauth, toolkitLimits);
  output.result({ uri, ...factsOf(otpauth) }, say`${uri}`);
}

function factsOf(otpauth: Otpauth): JsonObject {
  const { type, issuer, account, algorithm, digits, secret } = otpauth;
  const variable = otpauth.type === "totp" ? { period: otpauth.period } : { counter: otpauth.counter };
  return { type, issuer, account, secret: encodeSecret(secret), algorithm, digits, ...variable };
}
