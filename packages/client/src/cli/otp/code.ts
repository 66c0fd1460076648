import { PosternError } from "@postern/shared/errors";
import { hotpCode } from "@postern/shared/otp/hotp";
import { MAX_COUNTER } from "@postern/shared/otp/parameters";
import { stepAt, totpCode, untilNextStep } from "@postern/shared/otp/totp";
import type { OtpauthHotp, OtpauthTotp } from "@postern/shared/otp/uri";
import type { Output } from "@postern/shared/terminal/output";
import { say } from "@postern/shared/terminal/terminal-text";
import { type OtpHost, otpHostOf } from "./host.js";
import { type KeyOptions, keyOf } from "./key.js";
import { parseNumber } from "./numbers.js";
import { watchCodes } from "./watch.js";

export interface CodeOptions extends KeyOptions {
  readonly next?: boolean;
  readonly watch?: boolean;
  readonly count?: string;
}

const countLimits = { least: 1, most: 1000 } as const;

/** The code of this moment or the next one, the codes as they come, or those of a counter and behind it. */
export async function otpCodeCommand(
  output: Output,
  options: CodeOptions,
  host: OtpHost = otpHostOf(output, options),
): Promise<void> {
  const { next, watch, count } = options;
  const times = count === undefined ? undefined : parseNumber("--count", count, countLimits);
  const key = await keyOf(output, options, host);
  try {
    if (key.type === "hotp") return printCounted(output, key, options, times ?? 1);
    if (count !== undefined && watch !== true) {
      throw new PosternError("usage", { detail: "--count goes with --watch, or with the counter of HOTP" });
    }
    if (next === true) await nextStep(key.period, host);
    if (watch === true) await watchCodes(output, key, { times, host });
    else printCode(output, key, host.now());
  } finally {
    key.secret.fill(0);
  }
}

function printCode(output: Output, key: OtpauthTotp, now: number): void {
  const code = totpCode(key.secret, stepAt(now, key.period), key);
  const expires_in = Math.ceil(untilNextStep(now, key.period) / 1000);
  output.result({ code, expires_in }, say`${code}`);
}

/** A timer may fire some milliseconds before its time: the clock has the last word. */
async function nextStep(period: number, { now, sleep }: OtpHost): Promise<void> {
  const first = stepAt(now(), period);
  while (stepAt(now(), period) === first) await sleep(untilNextStep(now(), period));
}

function printCounted(output: Output, key: OtpauthHotp, { next, watch }: CodeOptions, times: number): void {
  if (next === true || watch === true) {
    throw new PosternError("usage", { detail: "HOTP codes do not come by time: give --counter, and --count for more" });
  }
  if (key.counter + times > MAX_COUNTER)
    throw new PosternError("usage", { detail: "there are no counters beyond that" });
  for (let counter = key.counter; counter < key.counter + times; counter += 1) {
    const code = hotpCode(key.secret, counter, key);
    output.result({ code, counter, next_counter: counter + 1 }, say`${code}`);
  }
}
