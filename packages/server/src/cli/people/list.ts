import type { JsonObject, Output } from "@postern/shared/terminal/output";
import { table } from "@postern/shared/terminal/table";
import { say } from "@postern/shared/terminal/terminal-text";
import type { Account, ListedAccount } from "../../records/account.js";
import { codesOf, type PeopleFilter, people } from "../../services/people.js";
import { withAudit } from "../audit.js";
import { parseAgo, parseLimit } from "../audit-options.js";
import { isoTime, shownTime } from "../shown.js";
import type { StoreOptions } from "../unseal.js";

export interface UserListOptions extends StoreOptions {
  readonly match?: string;
  readonly disabled?: boolean;
  readonly locked?: boolean;
  readonly inactiveFor?: string;
  readonly limit: string;
}

/** Rows that a table is made of: its columns are as wide as the widest of them, and memory is bounded. */
const ROWS = 1000;

/** Prints who passes the filter, in the order in which they are stored, which means nothing. */
export async function userListCommand(output: Output, options: UserListOptions): Promise<void> {
  const { match, disabled = false, locked = false, inactiveFor } = options;
  const limit = parseLimit(options.limit);
  const inactiveSince = inactiveFor === undefined ? undefined : parseAgo("--inactive-for", inactiveFor, Date.now());
  await withAudit(output, options, async ({ barrier, now }) => {
    const filter: PeopleFilter = { match: match?.toLowerCase().normalize("NFC"), disabled, locked, inactiveSince };
    const page: ListedAccount[] = [];
    const print = () => {
      if (page.length > 0) printPage(output, page.splice(0), now());
    };
    let listed = 0;
    let more = false;
    for await (const one of people(barrier, filter, now())) {
      more = listed === limit;
      if (more) break;
      page.push(one);
      listed += 1;
      if (page.length === ROWS) print();
    }
    print();
    if (listed === 0) output.note(say`Nobody.`);
    if (more) output.note(say`There are more: --limit shows them.`);
  });
}

/** One line of JSON for each, or a table. */
function printPage(output: Output, page: readonly ListedAccount[], now: number): void {
  if (output.json) {
    for (const one of page) output.result(factsOf(one, now));
    return;
  }
  const rows = page.map((one) => rowOf(one, now));
  output.result({}, ...table(["name", "state", "factors", "codes", "last login"], rows));
}

function factsOf({ account }: ListedAccount, now: number): JsonObject {
  if (account === undefined) return { damaged: true };
  const { id, identity: name, factors, recovery, createdAt, lastLoginAt } = account;
  return {
    account: id,
    name,
    state: stateOf(account, now),
    factors: factors.length,
    recovery_codes_left: recovery.length,
    created_at: isoTime(createdAt),
    last_login_at: lastLoginAt && isoTime(lastLoginAt),
  };
}

function rowOf({ account }: ListedAccount, now: number): string[] {
  if (account === undefined) return ["(damaged)", "", "", "", ""];
  const { identity, factors, recovery, lastLoginAt } = account;
  const last = lastLoginAt === undefined ? "never" : shownTime(lastLoginAt).slice(0, 16);
  return [identity, stateOf(account, now), String(factors.length), String(recovery.length), last];
}

/** `disabled`, else what strangers' codes meet: `locked`, `waiting`, or `active`. */
export function stateOf(account: Account, now: number): "disabled" | "locked" | "waiting" | "active" {
  if (account.disabledAt !== undefined) return "disabled";
  const { kind } = codesOf(account, now);
  if (kind === "open") return "active";
  return kind === "locked" ? "locked" : "waiting";
}
