import { PosternError } from "@postern/shared/errors";
import { stepAt, totpCode, untilNextStep } from "@postern/shared/otp/totp";
import type { OtpauthTotp } from "@postern/shared/otp/uri";
import type { Output } from "@postern/shared/terminal/output";
import { bold, say, showsColour } from "@postern/shared/terminal/terminal-text";
import type { OtpHost } from "./host.js";

export interface Watching {
  /** How many codes; undefined for as long as it is not ended. */
  readonly times: number | undefined;
  readonly host: OtpHost;
}

const endingSignals = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

/**
 * Shows each code as it comes, the one of this moment first. On a terminal that is one line, drawn over each second and
 * taken away at the end, so that no code stays in sight; elsewhere, and under `--json`, a line for each code.
 * Ends, too, when whoever read it has gone away (`| head -1`).
 * @throws PosternError `cancelled` at Ctrl-C and signals that end
 */
export async function watchCodes(output: Output, key: OtpauthTotp, { times, host }: Watching): Promise<void> {
  const { stdout, env, signals } = host;
  const drawn = stdout.isTTY === true && env["TERM"] !== "dumb" && !output.json;
  const ending = new AbortController();
  const cancel = () => ending.abort(new PosternError("cancelled"));
  for (const name of endingSignals) signals.on(name, cancel);
  try {
    for (let shown = 0; shown !== times && !stdout.destroyed; shown += 1) {
      const step = stepAt(host.now(), key.period);
      const code = totpCode(key.secret, step, key);
      if (!drawn) printStep(output, code, untilNextStep(host.now(), key.period));
      if (!drawn && shown + 1 === times) return;
      const draw = (left: number) => stdout.write(lineOf(code, left, showsColour(stdout, env)));
      await throughStep(step, key.period, { host, signal: ending.signal, ...(drawn && { tell: draw }) });
    }
  } finally {
    for (const name of endingSignals) signals.off(name, cancel);
    if (drawn) stdout.write(CLEARED);
  }
}

/** To the start of the line, and nothing behind it (ECMA-48, 8.3.41). */
const CLEARED = "\r\u001b[K";

function lineOf(code: string, secondsLeft: number, colour: boolean): string {
  const left = `${secondsLeft} s`.padStart(7);
  return `${CLEARED}${say`${bold(groupedCode(code))}${left}`.render(colour)}`;
}

function printStep(output: Output, code: string, millisecondsLeft: number): void {
  output.result({ code, expires_in: Math.ceil(millisecondsLeft / 1000) }, say`${code}`);
}

interface Waiting {
  readonly host: OtpHost;
  readonly signal: AbortSignal;
  /** Told at each whole second how many are left. */
  readonly tell?: (secondsLeft: number) => void;
}

/** Waits until the step is over: a timer may fire some milliseconds before its time, so the clock has the last word. */
async function throughStep(step: number, period: number, { host, signal, tell }: Waiting): Promise<void> {
  while (stepAt(host.now(), period) === step) {
    const left = untilNextStep(host.now(), period);
    const seconds = Math.ceil(left / 1000);
    tell?.(seconds);
    await host.sleep(tell === undefined ? left : left - (seconds - 1) * 1000, signal);
  }
}

/** `123 456`, `1234 5678`: groups of three to five, all as long as the last, or the last one longer by one. */
export function groupedCode(code: string): string {
  const groups = Math.max(1, Math.floor(code.length / (code.length % 4 === 0 ? 4 : 3)));
  const size = Math.floor(code.length / groups);
  const starts = Array.from({ length: groups }, (_, group) => group * size);
  return starts.map((start, group) => code.slice(start, group + 1 === groups ? undefined : start + size)).join(" ");
}
