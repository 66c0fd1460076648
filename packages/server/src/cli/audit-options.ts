import { PosternError } from "@postern/shared/errors";
import { type ApplicationId, isId } from "@postern/shared/ids";
import { parseName } from "@postern/shared/names/name";
import { type AuditPublicKey, parsePublicKey } from "../records/audit-signature.js";
import { parseNodeName } from "../records/node.js";
import type { AuditFilter } from "../services/audit-filter.js";

/** What the audit commands take as options, parsed. What they refuse is `usage`, unless a line says otherwise. */

const MINUTE_MS = 60_000;
const units = { m: MINUTE_MS, h: 60 * MINUTE_MS, d: 24 * 60 * MINUTE_MS } as const;

export interface FilterOptions {
  readonly node?: string;
  readonly user?: string;
  readonly application?: string;
  readonly subject?: string;
  readonly event?: string;
  readonly since?: string;
  readonly until?: string;
}

/** @throws PosternError `usage`; `name_invalid` for a `--user` that can be nobody's name */
export function parseFilter(options: FilterOptions, now: number): AuditFilter {
  const { node, user, application, subject, event, since, until } = options;
  const filter = {
    node: node === undefined ? undefined : parseNodeName(node),
    user: user === undefined ? undefined : parseUser(user),
    application: application === undefined ? undefined : parseApplication("--application", application),
    subject: subject === undefined ? undefined : parseSubject(subject),
    events: event === undefined ? undefined : parseEvents(event),
    since: since === undefined ? undefined : parseMoment("--since", since, now),
    until: until === undefined ? undefined : parseMoment("--until", until, now),
  };
  if (filter.since !== undefined && filter.until !== undefined && filter.since >= filter.until) {
    throw usage("--since must lie before --until");
  }
  return filter;
}

function parseUser(text: string): NonNullable<AuditFilter["user"]> {
  return isId("account", text) ? { account: text } : { name: parseName(text) };
}

/** @throws PosternError `usage` */
export function parseApplication(option: string, text: string): ApplicationId {
  if (!isId("application", text)) throw usage(`${option} takes an application's id: app_ and 32 hex digits`);
  return text;
}

/** As applications may call their people: what can be nobody is a slip, not a search that finds nothing. */
function parseSubject(text: string): string {
  const subject = parseLine(text, 128);
  if (subject === undefined) throw usage("--subject takes a line of 1 to 128 characters");
  return subject;
}

/** A line of text in NFC, of 1 to `most` characters, none of which is invisible; undefined for anything else. */
export function parseLine(text: string, most: number): string | undefined {
  const line = text.normalize("NFC");
  return line === "" || [...line].length > most || /[\p{C}\p{Zl}\p{Zp}]/u.test(line) ? undefined : line;
}

function parseEvents(text: string): string[] {
  const patterns = text.split(",").map((pattern) => pattern.trim());
  if (!patterns.every((pattern) => /^[\w.*-]{1,64}$/.test(pattern))) {
    throw usage("--event takes names of events, with commas between them; * stands for any characters: login.*");
  }
  return patterns;
}

/**
 * A moment in milliseconds since 1970: a date or time of ISO 8601 (UTC, unless it says its offset), or `30m`, `24h`,
 * `7d` for so long before `now`.
 */
function parseMoment(option: string, text: string, now: number): number {
  const ago = parseSpan(text);
  const moment = ago === undefined ? parseIso(text) : now - ago;
  if (moment === undefined || moment < 0) {
    throw usage(`${option} takes a date (2026-11-21), a time in UTC (2026-11-21T06:10) or a span (30m, 24h, 7d)`);
  }
  return moment;
}

/** The moment that lies `30m`, `24h`, `90d` before `now`. @throws PosternError `usage` */
export function parseAgo(option: string, text: string, now: number): number {
  const span = parseSpan(text);
  if (span === undefined) throw usage(`${option} takes a span: 30m, 24h, 90d`);
  return now - span;
}

/** `30m`, `24h`, `7d`, in milliseconds; undefined for anything else. */
export function parseSpan(text: string): number | undefined {
  const [, count = "", unit = ""] = /^([1-9]\d{0,5})([mhd])$/.exec(text) ?? [];
  return unit === "" ? undefined : Number(count) * units[unit as keyof typeof units];
}

/** Days that there are not (30 February) are none, where Date would go on to the next month. */
function parseIso(text: string): number | undefined {
  const [, date, time, zone] =
    /^(\d{4}-\d\d-\d\d)(?:[T ](\d\d:\d\d(?::\d\d(?:\.\d{1,3})?)?)(Z|[+-]\d\d:\d\d)?)?$/.exec(text) ?? [];
  if (date === undefined) return undefined;
  const day = Date.parse(`${date}T00:00Z`);
  if (Number.isNaN(day) || new Date(day).toISOString().slice(0, 10) !== date) return undefined;
  const moment = time === undefined ? day : Date.parse(`${date}T${time}${zone ?? "Z"}`);
  return Number.isNaN(moment) ? undefined : moment;
}

export function parseLimit(text: string): number {
  if (!/^[1-9]\d{0,6}$/.test(text)) throw usage("--limit takes a whole number from 1 to 9999999");
  return Number(text);
}

/** `365d`, in milliseconds. Days only: by `12m` somebody will mean months, and what is removed does not come back. */
export function parseRetention(option: string, text: string): number {
  const [, days] = /^([1-9]\d{0,4})d$/.exec(text) ?? [];
  if (days === undefined) throw usage(`${option} takes a number of days, such as 365d`);
  return Number(days) * units.d;
}

export function parseKeyOption(text: string): AuditPublicKey {
  const key = parsePublicKey(text);
  if (key === undefined) {
    throw usage("--public-key takes ed25519: and 43 characters, as `posternd audit key` prints it");
  }
  return key;
}

function usage(detail: string): PosternError {
  return new PosternError("usage", { detail });
}
