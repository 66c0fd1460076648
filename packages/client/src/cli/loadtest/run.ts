import { PosternError } from "@postern/shared/errors";
import type { Output } from "@postern/shared/terminal/output";
import { type LoadPlan, type LoadRequest, runLoad } from "../../flows/load/run-load.js";
import type { LoadHost } from "./host.js";
import { liveLine } from "./live-line.js";
import { advice, type Outcome, outcomeFacts, outcomeLines, type Places } from "./summary.js";

export interface LoadRun {
  /** Of one request, and of many. */
  readonly what: readonly [one: string, many: string];
  /** `host:port` */
  readonly target: string;
  readonly plan: LoadPlan;
  readonly request: LoadRequest;
  readonly signal: AbortSignal;
  readonly places: Places;
}

/** Runs a load and prints its summary, also when it is ended on the way. */
export async function runAndTell(output: Output, run: LoadRun, host: LoadHost): Promise<Outcome> {
  const { what, target, plan, request, signal } = run;
  const line = liveLine(output, { what: what[1], total: plan.requests }, host);
  const report = await runLoad(plan, request, { ...host.stopwatch, signal, onDone: line.to });
  line.end();
  const outcome = { what: what[0], target, plan, report, cancelled: signal.aborted };
  output.result(outcomeFacts(outcome), ...outcomeLines(outcome));
  for (const warning of advice(outcome, run.places)) output.warn(warning);
  return outcome;
}

/** What a load test ends with. @throws PosternError `cancelled`, `requests_failed` */
export function judge({ cancelled, report }: Outcome): void {
  if (cancelled) throw new PosternError("cancelled");
  if (report.failed > 0) throw new PosternError("requests_failed");
}
