import { type ErrorCode, errorFacts } from "@postern/shared/errors";
import type { JsonObject } from "@postern/shared/terminal/output";
import { table } from "@postern/shared/terminal/table";
import { bold, say, type TerminalText } from "@postern/shared/terminal/terminal-text";
import type { LatencySummary } from "../../flows/load/latencies.js";
import type { LoadPlan, LoadReport } from "../../flows/load/run-load.js";

/** What a load test was of, and of what it came. */
export interface Outcome {
  /** Of one request, as the table of latencies calls it. */
  readonly what: string;
  /** `host:port` */
  readonly target: string;
  readonly plan: LoadPlan;
  readonly report: LoadReport;
  readonly cancelled: boolean;
}

/** Requests that came to an end in a second; 0 where no time has passed. */
export function perSecond({ done, seconds }: { readonly done: number; readonly seconds: number }): number {
  return seconds > 0 ? done / seconds : 0;
}

/** What lifts the limits of this machine's addresses. */
const EXEMPT = "--address-limits 127.0.0.0/8,::1/128";

/** Refusals by which a server says that it limits. */
const limits: ReadonlySet<ErrorCode> = new Set(["rate_limited", "throttled", "busy"]);
/** What a connection ends with that had no place. */
const losses: ReadonlySet<ErrorCode> = new Set(["connection_lost", "server_unreachable"]);

export function isLimited({ errors }: Pick<LoadReport, "errors">): boolean {
  return [...errors.keys()].some((code) => limits.has(code));
}

/** One object: counts, seconds, and latencies in milliseconds. */
export function outcomeFacts({ what, target, plan, report, cancelled }: Outcome): JsonObject {
  const { done, failed, seconds, cpuSeconds, latency, parts, errors } = report;
  return {
    load: what,
    target,
    requests: plan.requests,
    concurrency: plan.concurrency,
    warm_up: plan.warmUp,
    done,
    succeeded: done - failed,
    failed,
    cancelled,
    seconds: rounded(seconds),
    throughput: rounded(perSecond({ done: done - failed, seconds })),
    latency_ms: latency && figures(latency),
    parts_ms: Object.fromEntries([...parts].map(([part, summary]) => [part, figures(summary)])),
    errors: Object.fromEntries(errors),
    limited: isLimited(report),
    client_cpu_seconds: rounded(cpuSeconds),
  };
}

function figures({ p50, p95, p99, max }: LatencySummary) {
  return { p50: rounded(p50), p95: rounded(p95), p99: rounded(p99), max: rounded(max) };
}

/** To thousandths: microseconds, where it is milliseconds. */
function rounded(value: number): number {
  return Math.round(value * 1000) / 1000;
}

export function outcomeLines({ what, target, plan, report, cancelled }: Outcome): readonly TerminalText[] {
  const { done, failed, seconds, cpuSeconds, latency, parts } = report;
  const succeeded = done - failed;
  const of = cancelled ? ` of ${plan.requests}` : "";
  return [
    say`${bold(target)}`,
    say`requests    ${done}${of}, ${plan.concurrency} at once`,
    say`failed      ${failed}`,
    say`seconds     ${seconds.toFixed(2)}`,
    say`throughput  ${perSecond({ done: succeeded, seconds }).toFixed(1)} a second`,
    say`client CPU  ${cpuSeconds.toFixed(2)} seconds, ${percentOf(cpuSeconds, seconds)} % of one core`,
    ...(latency === undefined ? [] : [say``, ...latencyLines(what, latency, parts)]),
    ...(failed === 0 ? [] : [say``, ...errorLines(report)]),
  ];
}

function percentOf(cpuSeconds: number, seconds: number): number {
  return seconds > 0 ? Math.round((100 * cpuSeconds) / seconds) : 0;
}

function latencyLines(what: string, whole: LatencySummary, parts: LoadReport["parts"]): readonly TerminalText[] {
  const rows = [[what, whole] as const, ...[...parts].map(([part, summary]) => [`  ${part}`, summary] as const)];
  const cells = rows.map(([name, { p50, p95, p99, max }]) => [
    name,
    ...[p50, p95, p99, max].map((milliseconds) => milliseconds.toFixed(1).padStart(8)),
  ]);
  return table(["milliseconds", ...["p50", "p95", "p99", "max"].map((heading) => heading.padStart(8))], cells);
}

function errorLines({ errors }: LoadReport): readonly TerminalText[] {
  return table(
    ["failed with", "times", "which is"],
    [...errors].map(([code, times]) => [code, String(times), errorFacts(code).message]),
  );
}

/** Connections that a server holds: of one address, unless that is exempt, and of all together. */
export interface Places {
  readonly ofAddress: number;
  readonly ofAll: number;
}

/** What the person should know of the figures, and may change. */
export function advice({ plan, report }: Outcome, { ofAddress, ofAll }: Places): readonly TerminalText[] {
  const { errors, cpuSeconds, seconds } = report;
  const lost = [...errors.keys()].some((code) => losses.has(code));
  const lines: TerminalText[] = [];
  if (isLimited(report)) {
    lines.push(say`the server limited this address; start it with\n  ${EXEMPT}`);
  } else if (lost && plan.concurrency > ofAll) {
    lines.push(say`a server holds ${ofAll} such connections: give a lower --concurrency`);
  } else if (lost && plan.concurrency > ofAddress) {
    lines.push(say`a server holds ${ofAddress} connections of an address, unless it is started with\n  ${EXEMPT}`);
  }
  if (errors.has("sockets_short")) lines.push(say`${errorFacts("sockets_short").hint ?? ""}`);
  if (percentOf(cpuSeconds, seconds) >= 90) {
    lines.push(say`this program had no core to spare: the server may be able to do more`);
  }
  return lines;
}
