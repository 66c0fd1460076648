import { PosternError } from "@postern/shared/errors";
import { type Code, equalCodes, parseCode } from "@postern/shared/otp/code";
import { hotpCodes, matchHotp } from "@postern/shared/otp/hotp";
import { HOTP_LOOK_AHEAD, MAX_COUNTER, TOTP_WINDOW } from "@postern/shared/otp/parameters";
import { matchTotp, NO_STEP, PAST_STEPS } from "@postern/shared/otp/totp";
import type { Otpauth, OtpauthHotp, OtpauthTotp } from "@postern/shared/otp/uri";
import type { Output } from "@postern/shared/terminal/output";
import { bold, say } from "@postern/shared/terminal/terminal-text";
import { parseDigits } from "../typed-code.js";
import { type OtpHost, otpHostOf } from "./host.js";
import { type KeyOptions, keyOf } from "./key.js";
import { parseNumber } from "./numbers.js";

export interface VerifyOptions extends KeyOptions {
  readonly code?: string;
  readonly window?: string;
  readonly lookAhead?: string;
}

const windowLimits = { least: 0, most: PAST_STEPS } as const;
const lookAheadLimits = { least: 0, most: 1000 } as const;

/** How many counters back a code is still recognised as a used one. */
const PAST_COUNTERS = 20;

/**
 * With the secret or URI from stdin, the code may be its second line.
 * @throws PosternError `otp_expired` for a code that was right, `otp_wrong` for one that never was
 */
export async function otpVerifyCommand(
  output: Output,
  options: VerifyOptions,
  host: OtpHost = otpHostOf(output, options),
): Promise<void> {
  const key = await keyOf(output, options, host);
  try {
    const judge = judgeOf(key, options, host);
    const code = parseCode(parseDigits(await typedCode(options, host), key.digits), key.digits);
    if (code === undefined) throw new PosternError("otp_wrong");
    judge(output, code);
  } finally {
    key.secret.fill(0);
  }
}

async function typedCode(options: VerifyOptions, { stdin, prompter }: OtpHost): Promise<string> {
  if (options.code !== undefined) return options.code;
  const usesStdin = options.secretFile === "-" || options.uriFile === "-";
  return usesStdin && stdin !== undefined ? stdin.next() : prompter.text("Code");
}

/** Options that cannot be are told before anybody is asked for a code. */
function judgeOf(
  key: Otpauth,
  { window, lookAhead }: VerifyOptions,
  { now }: OtpHost,
): (output: Output, code: Code) => void {
  if (key.type === "totp") {
    if (lookAhead !== undefined) throw new PosternError("usage", { detail: "--look-ahead is for HOTP" });
    const steps = window === undefined ? TOTP_WINDOW : parseNumber("--window", window, windowLimits);
    return (output, code) => judgeTotp(output, key, code, { window: steps, now: now() });
  }
  if (window !== undefined) throw new PosternError("usage", { detail: "--window is for TOTP" });
  const ahead = lookAhead === undefined ? HOTP_LOOK_AHEAD : parseNumber("--look-ahead", lookAhead, lookAheadLimits);
  if (key.counter + ahead >= MAX_COUNTER) {
    throw new PosternError("usage", { detail: "there are no counters beyond that" });
  }
  return (output, code) => judgeHotp(output, key, code, ahead);
}

function judgeTotp(output: Output, key: OtpauthTotp, code: Code, at: { window: number; now: number }): void {
  const verdict = matchTotp({ secret: key.secret, code, ...at, lastStep: NO_STEP, params: key });
  if (verdict.kind === "past") {
    throw new PosternError("otp_expired", { detail: `it was right ${verdict.stepsBehind * key.period} s ago` });
  }
  if (verdict.kind !== "match") throw new PosternError("otp_wrong");
  output.result({ valid: true }, say`${bold("Right.")}`);
}

function judgeHotp(output: Output, key: OtpauthHotp, code: Code, lookAhead: number): void {
  const { secret, counter } = key;
  const match = matchHotp({ secret, counter, code, params: key, lookAhead });
  if (match !== undefined) {
    const { nextCounter } = match;
    output.result(
      { valid: true, next_counter: nextCounter },
      say`${bold("Right.")} The next counter is ${nextCounter}.`,
    );
    return;
  }
  const from = Math.max(0, counter - PAST_COUNTERS);
  const used = hotpCodes(secret, { from, to: counter - 1 }, key).findLastIndex((past) => equalCodes(past, code));
  if (used === -1) throw new PosternError("otp_wrong");
  throw new PosternError("otp_expired", { detail: `it is that of counter ${from + used}, before ${counter}` });
}
