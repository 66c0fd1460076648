import { parseName } from "@postern/shared/names/name";
import type { JsonObject, Output } from "@postern/shared/terminal/output";
import { table } from "@postern/shared/terminal/table";
import { say, type TerminalText } from "@postern/shared/terminal/terminal-text";
import { listPeople, type PersonSummary } from "../../services/people.js";
import { withAudit } from "../audit.js";
import { parseAgo, parseLimit } from "../audit-options.js";
import { isoTime, shownDay, shownMinute } from "../shown.js";
import type { StoreOptions } from "../unseal.js";
import { parsePattern } from "./options.js";

export interface UserListOptions extends StoreOptions {
  readonly match?: string;
  readonly disabled?: boolean;
  readonly locked?: boolean;
  readonly inactiveFor?: string;
  readonly limit: string;
  readonly after?: string;
}

/**
 * Prints who passes the filter, by name: a table, or under `--json` a line for each.
 * @throws PosternError `usage`; `name_invalid` for an `--after` that can be nobody's name
 */
export async function userListCommand(output: Output, options: UserListOptions): Promise<void> {
  const { match, disabled = false, locked = false, inactiveFor } = options;
  const filter = {
    match: match === undefined ? undefined : parsePattern(match),
    disabled,
    locked,
    inactiveSince: inactiveFor === undefined ? undefined : parseAgo("--inactive-for", inactiveFor, Date.now()),
  };
  const range = {
    limit: parseLimit(options.limit),
    after: options.after === undefined ? undefined : parseName(options.after),
  };
  await withAudit(output, options, async ({ barrier, now }) => {
    const { people, more, damaged } = await listPeople(barrier, filter, range, now());
    print(output, people);
    if (more) output.note(say`There are more: --after ${people.at(-1)?.name ?? ""} goes on from here.`);
    if (damaged > 0) output.warn(say`accounts that do not open, and are not listed: ${damaged}`);
  });
}

function print(output: Output, people: readonly PersonSummary[]): void {
  if (people.length === 0) output.note(say`Nobody.`);
  else if (output.json) for (const person of people) output.result(factsOf(person));
  else output.result({}, ...peopleTable(people));
}

export function peopleTable(people: readonly PersonSummary[]): TerminalText[] {
  return table(heading, people.map(rowOf));
}

const heading = ["name", "state", "factors", "recovery", "last login (UTC)", "created"];

function rowOf({ name, state, factors, recoveryCodesLeft, lastLoginAt, createdAt }: PersonSummary): string[] {
  const last = lastLoginAt === undefined ? "never" : shownMinute(lastLoginAt);
  return [name, state, String(factors), String(recoveryCodesLeft), last, shownDay(createdAt)];
}

function factsOf({ account, name, state, ...person }: PersonSummary): JsonObject {
  return {
    account,
    name,
    state,
    factors: person.factors,
    recovery_codes_left: person.recoveryCodesLeft,
    created_at: isoTime(person.createdAt),
    last_login_at: person.lastLoginAt === undefined ? undefined : isoTime(person.lastLoginAt),
  };
}
