import type { JsonObject, Output } from "@postern/shared/terminal/output";
import { say, type TerminalText } from "@postern/shared/terminal/terminal-text";
import type { Presence } from "../../records/presence.js";
import type { KeyView } from "../../services/key-schedule.js";
import { readStatus, type StoreStatus } from "../../services/status.js";
import { type StoreUsage, shownPlace } from "../../store.js";
import { isoTime, shownSize, shownTime } from "../shown.js";
import { locationOf, type StoreOptions, unsealStore } from "../unseal.js";

interface Place extends StoreUsage {
  /** A data directory, or a database. */
  readonly where: string;
  readonly database: boolean;
}

/** Prints how the store is. It changes nothing. */
export async function statusCommand(output: Output, options: StoreOptions): Promise<void> {
  const location = locationOf(output, options);
  const store = await unsealStore(output, options);
  try {
    const status = await readStatus(store.barrier, Date.now());
    const database = location.database !== undefined;
    const place = { where: shownPlace(location), database, ...(await store.usage()) };
    output.result(fieldsOf(status, place), ...linesOf(status, place));
  } finally {
    await store.close();
  }
}

export function fieldsOf(status: StoreStatus, { where, database, bytes, free }: Place): JsonObject {
  const { format, since, terms, audit, budgets, lastStart, lastStop, logLevel } = status;
  return {
    store: {
      directory: database ? undefined : where,
      database: database ? where : undefined,
      bytes,
      free,
      format,
      since: isoTime(since),
      terms: [...terms].map(([term, records]) => ({ term: term ?? null, records })),
    },
    audit: { length: audit.length, head: audit.hash },
    fingerprint: status.fingerprint,
    leaf_expires: isoTime(status.leafEnds),
    accounts: status.accounts,
    sessions: status.sessions,
    api_keys: status.apiKeys,
    challenges: { open: status.challenges.open },
    callbacks: { waiting: status.challenges.waiting, dead: status.challenges.dead },
    throttled: { names: budgets.names, accounts: budgets.accounts, devices: budgets.devices },
    locked: budgets.locked,
    signing_keys: status.signingKeys.map(({ id, state, createdAt }) => ({ id, state, made: isoTime(createdAt) })),
    log_level: logLevel?.level ?? null,
    last_start: lastStart === undefined ? null : isoTime(lastStart),
    last_stop: lastStop === undefined ? null : isoTime(lastStop),
    servers: status.servers.map(serverFields),
  };
}

function serverFields({ pid, workers = 1, version, startedAt, seenAt, listen, http, draining }: Presence): JsonObject {
  const times = { started: isoTime(startedAt), seen: isoTime(seenAt) };
  return { pid, workers, version, ...times, listen, http: http ?? "off", draining };
}

export function linesOf(status: StoreStatus, { where, bytes, free }: Place): TerminalText[] {
  const { format, since, audit, budgets, challenges, lastStart, lastStop, logLevel } = status;
  const row = (label: string, text: string | number) => say`${label.padEnd(13)} ${text}`;
  const throttled = `${budgets.names} names, ${budgets.accounts} accounts, ${budgets.devices} devices`;
  return [
    row("store", where),
    row("size", free === undefined ? shownSize(bytes) : `${shownSize(bytes)}, ${shownSize(free)} free on its disk`),
    row("format", `${format}, since ${shownTime(since)}`),
    row("terms", termsLine(status.terms)),
    row("audit log", `${audit.length} entries, head ${audit.hash.slice(0, 16)}…`),
    row("fingerprint", status.fingerprint),
    row("certificate", `ends ${shownTime(status.leafEnds)}`),
    row("signing key", keyLine(status.signingKeys)),
    row("accounts", status.accounts),
    row("sessions", `${status.sessions} live`),
    row("API keys", status.apiKeys),
    row("challenges", `${challenges.open} open`),
    row("callbacks", `${challenges.waiting} waiting, ${challenges.dead} dead`),
    row("throttled", `${throttled}`),
    row("codes locked", budgets.locked),
    ...(logLevel === undefined ? [] : [row("log level", `${logLevel.level}, for all servers`)]),
    row("last start", whenLine(lastStart)),
    row("last stop", whenLine(lastStop)),
    ...serverLines(status.servers).map((line, index) => row(index === 0 ? "servers" : "", line)),
  ];
}

function termsLine(terms: StoreStatus["terms"]): string {
  const sorted = [...terms].sort(([a = 0], [b = 0]) => a - b);
  return sorted.map(([term, records]) => `${term ?? "unreadable"} (${records} records)`).join(", ");
}

function keyLine(keys: readonly KeyView[]): string {
  const signing = keys.find(({ state }) => state === "signs");
  const next = keys.some(({ state }) => state === "next") ? "; the next one is published" : "";
  return signing === undefined ? "none signs" : `made ${shownTime(signing.createdAt)}${next}`;
}

const whenLine = (time: number | undefined) => (time === undefined ? "not at the end of the log" : shownTime(time));

function serverLines(servers: readonly Presence[]): string[] {
  if (servers.length === 0) return ["none seems to run"];
  return servers.flatMap(({ pid, workers, version, listen, http, startedAt, draining }) => [
    [
      `${listen}, https ${http ?? "off"}`,
      ...(workers === undefined ? [] : [`${workers} workers`]),
      ...(draining ? ["stopping"] : []),
    ].join(", "),
    `  since ${shownTime(startedAt)}, version ${version}, pid ${pid}`,
  ]);
}
