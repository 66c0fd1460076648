import type { Output } from "./output.js";
import { say, type TerminalStream } from "./terminal-text.js";

/**
 * How far something has come, on stderr: on a terminal one line that is drawn over and goes at the end; where stderr is a
 * pipe or a file, a line each tenth; under `--json` nothing. No colours, and no more than 80 columns.
 */
export interface Progress {
  /** `done` of `total`; without a total, so many. May be called as often as one likes. */
  readonly to: (done: number, total?: number) => void;
  /** Takes the line away. Again does nothing. */
  readonly end: () => void;
}

export interface ProgressOptions {
  readonly stream: TerminalStream;
  readonly env: NodeJS.ProcessEnv;
  /** On a terminal also how many, and how fast since the first. */
  readonly rate?: { readonly unit: string; readonly now: () => number };
}

const BAR_COLUMNS = 30;
const LINE_COLUMNS = 79;
/** Where no total is known, each so many are told. */
const EACH = 10_000;

export function showProgress(label: string, output: Output, { stream, env, rate }: ProgressOptions): Progress {
  if (output.json) return { to: () => undefined, end: () => undefined };
  const drawn = stream.isTTY === true && env["TERM"] !== "dumb";
  const steps = drawn ? 100 : 10;
  let told: number | undefined;
  let shown = 0;
  const counted = rate === undefined ? () => "" : countOf(rate);

  const to = (done: number, total?: number) => {
    const step = total === undefined ? Math.floor(done / EACH) : Math.floor((percentOf(done, total) * steps) / 100);
    if (step === told || (!drawn && step === 0)) return;
    told = step;
    if (!drawn) {
      output.note(total === undefined ? say`${label} ${step * EACH}` : say`${label} ${step * 10} %`);
      return;
    }
    const line = total === undefined ? `${label} ${done}` : `${label} ${barOf(done, total)}${counted(done)}`;
    // No wider than it must be: the ^C that a terminal puts behind it is to stay on the line, and go with it.
    stream.write(`\r${line.padEnd(shown).slice(0, LINE_COLUMNS)}`);
    shown = Math.min(line.length, LINE_COLUMNS);
  };
  const end = () => {
    if (shown > 0) stream.write(`\r${" ".repeat(LINE_COLUMNS)}\r`);
    shown = 0;
  };
  return { to, end };
}

function barOf(done: number, total: number): string {
  const filled = Math.floor((BAR_COLUMNS * percentOf(done, total)) / 100);
  return `[${"#".repeat(filled)}${"-".repeat(BAR_COLUMNS - filled)}] ${String(percentOf(done, total)).padStart(3)} %`;
}

/** `  12800 records, 5300/s` */
function countOf({ unit, now }: NonNullable<ProgressOptions["rate"]>): (done: number) => string {
  let first: { readonly at: number; readonly done: number } | undefined;
  return (done) => {
    first ??= { at: now(), done };
    const seconds = (now() - first.at) / 1000;
    const fast = seconds > 0 ? `, ${Math.round((done - first.done) / seconds)}/s` : "";
    return `  ${done} ${unit}${fast}`;
  };
}

function percentOf(done: number, total: number): number {
  return total <= 0 ? 100 : Math.min(100, Math.floor((100 * done) / total));
}
