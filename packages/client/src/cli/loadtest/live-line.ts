import type { Output } from "@postern/shared/terminal/output";
import { say } from "@postern/shared/terminal/terminal-text";
import type { LoadState } from "../../flows/load/run-load.js";
import type { LoadHost } from "./host.js";
import { perSecond } from "./summary.js";

/** How a load test is getting on, on stderr. */
export interface LiveLine {
  readonly to: (state: LoadState) => void;
  /** Takes the line away. */
  readonly end: () => void;
}

/** Seconds between two drawings. */
const DRAWN_EACH = 0.1;
const COLUMNS = 79;

/**
 * Rate, errors, and how many are done of all: on a terminal one line that is drawn over, elsewhere a line each tenth,
 * under `--json` nothing.
 */
export function liveLine(
  output: Output,
  { what, total }: { what: string; total: number },
  { stderr, env }: Pick<LoadHost, "stderr" | "env">,
): LiveLine {
  if (output.json) return { to: () => undefined, end: () => undefined };
  const drawn = stderr.isTTY === true && env["TERM"] !== "dumb";
  let shownAt = Number.NEGATIVE_INFINITY;
  let tenths = 0;
  const line = ({ done, failed, seconds }: LoadState) =>
    `${what}  ${done} of ${total}  ${perSecond({ done, seconds }).toFixed(1)} a second  ${failed} failed`;
  const to = (state: LoadState) => {
    if (drawn) {
      if (state.done < total && state.seconds - shownAt < DRAWN_EACH) return;
      shownAt = state.seconds;
      stderr.write(`\r${line(state).padEnd(COLUMNS).slice(0, COLUMNS)}`);
      return;
    }
    const reached = Math.floor((10 * state.done) / total);
    if (reached > tenths) output.note(say`${line(state)}`);
    tenths = reached;
  };
  const end = () => {
    if (drawn && shownAt >= 0) stderr.write(`\r${" ".repeat(COLUMNS)}\r`);
  };
  return { to, end };
}
