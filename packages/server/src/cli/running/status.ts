import type { JsonObject, Output } from "@postern/shared/terminal/output";
import { say, type TerminalText } from "@postern/shared/terminal/terminal-text";
import type { Presence } from "../../records/presence.js";
import type { KeyView } from "../../services/key-schedule.js";
import { type NodeView, readStatus, type StoreStatus } from "../../services/status.js";
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
    audit: { length: audit.length, head: audit.hash, nodes: status.nodes.map(nodeFields) },
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
    silent_servers: status.silent.map(serverFields),
  };
}

function nodeFields({ node, length, hash, lastEntry }: NodeView): JsonObject {
  return { node, length, head: hash, last_entry: lastEntry === undefined ? null : isoTime(lastEntry) };
}

function serverFields({ startedAt, seenAt, http, ...server }: Presence): JsonObject {
  const { node = null, host = null, pid, workers = 1, version, listen, draining } = server;
  const times = { started: isoTime(startedAt), seen: isoTime(seenAt) };
  return { node, host, pid, workers, version, ...times, listen, http: http ?? "off", draining };
}

export function linesOf(status: StoreStatus, { where, bytes, free }: Place): TerminalText[] {
  const { format, since, budgets, challenges, lastStart, lastStop, logLevel, nodes, servers, silent } = status;
  const several = nodes.length > 1;
  const row = (label: string, text: string | number) => say`${label.padEnd(13)} ${text}`;
  const labelled = (label: string, lines: readonly string[]) =>
    lines.map((line, index) => row(index === 0 ? label : "", line));
  const throttled = `${budgets.names} names, ${budgets.accounts} accounts, ${budgets.devices} devices`;
  return [
    row("store", where),
    row("size", free === undefined ? shownSize(bytes) : `${shownSize(bytes)}, ${shownSize(free)} free on its disk`),
    row("format", `${format}, since ${shownTime(since)}`),
    row("terms", termsLine(status.terms)),
    ...labelled("audit log", auditLines(status)),
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
    ...labelled("servers", servers.length === 0 ? ["none seems to run"] : serverLines(servers, several)),
    ...labelled(
      "silent",
      silent.flatMap((server) => silentLines(server, several)),
    ),
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

function auditLines({ audit, nodes }: StoreStatus): string[] {
  const headOf = (hash: string) => `head ${hash.slice(0, 16)}…`;
  if (nodes.length === 1) return [`${audit.length} entries, ${headOf(audit.hash)}`];
  const each = nodes.flatMap(({ node, length, hash, lastEntry }) => [
    `  ${node}: ${length} entries, ${headOf(hash)}`,
    `    the last one ${lastEntry === undefined ? "does not open" : shownTime(lastEntry)}`,
  ]);
  return [`${audit.length} entries of ${nodes.length} nodes`, ...each];
}

/** `several`: whether the nodes have to be told apart. */
function serverLines(servers: readonly Presence[], several: boolean): string[] {
  return servers.flatMap((server) => [
    `${placeLine(server, several)}${workersOf(server)}${server.draining ? ", stopping" : ""}`,
    `  since ${shownTime(server.startedAt)}, version ${server.version}, pid ${server.pid}`,
    ...hostLine(server, several),
  ]);
}

function silentLines(server: Presence, several: boolean): string[] {
  const { seenAt, version, pid } = server;
  return [
    placeLine(server, several),
    `  not heard of since ${shownTime(seenAt)}: killed, or cut off`,
    `  version ${version}, pid ${pid}`,
    ...hostLine(server, several),
  ];
}

function placeLine({ node = "?", listen, http = "off" }: Presence, several: boolean): string {
  return `${several ? `${node}: ` : ""}${listen}, https ${http}`;
}

const workersOf = ({ workers }: Presence) => (workers === undefined ? "" : `, ${workers} workers`);

const hostLine = ({ host }: Presence, several: boolean) => (several && host !== undefined ? [`  on ${host}`] : []);
