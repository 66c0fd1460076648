import { RECOVERY_CODES } from "@postern/shared/otp/recovery-code";
import { abbreviate } from "@postern/shared/terminal/abbreviated-ids";
import { duration, type JsonObject, type Output } from "@postern/shared/terminal/output";
import { table } from "@postern/shared/terminal/table";
import { bold, say, type TerminalText } from "@postern/shared/terminal/terminal-text";
import type { Factor } from "../../records/account.js";
import type { Budget } from "../../records/budget.js";
import type { Device } from "../../records/device.js";
import type { Session } from "../../records/session.js";
import { type BudgetState, budgetState } from "../../services/budget.js";
import { codesOf, type Person, parseWho, readPerson, stateOf } from "../../services/people.js";
import { withAudit } from "../audit.js";
import { isoTime, shownMinute } from "../shown.js";
import type { StoreOptions } from "../unseal.js";
import { sessionFacts } from "./sessions.js";

/** Prints what is known of somebody, never a secret. @throws PosternError `user_unknown`, `name_invalid` */
export async function userShowCommand(output: Output, typed: string, options: StoreOptions): Promise<void> {
  const who = parseWho(typed);
  await withAudit(output, options, async ({ barrier, now }) => {
    const person = await readPerson(barrier, who, now());
    output.result(personFacts(person, now()), ...personLines(person, now()));
  });
}

const isoOrNone = (time: number | undefined) => (time === undefined ? undefined : isoTime(time));

export function personFacts(person: Person, now: number): JsonObject {
  const { account, passwordBudget, sessions, devices } = person;
  return {
    account: account.id,
    name: account.identity,
    state: stateOf(person, now),
    created_at: isoTime(account.createdAt),
    last_login_at: isoOrNone(account.lastLoginAt),
    disabled_at: isoOrNone(account.disabledAt),
    stretch_generation: account.stretch,
    recovery_codes_left: account.recovery.length,
    strangers: guessFacts({ passwordBudget, codeBudget: account.codeBudget }, now),
    factors: account.factors.map(factorFacts),
    devices: devices.map((device) => deviceFacts(device, now)),
    sessions: sessions.map(sessionFacts),
  };
}

/** The two budgets of a guesser: strangers, or a known device. */
interface Budgets {
  readonly passwordBudget: Budget;
  readonly codeBudget: Budget;
}

function guessFacts(budgets: Budgets, now: number) {
  const { passwordBudget, codeBudget } = budgets;
  return {
    passwords: budgetFacts(passwordBudget, budgetState(passwordBudget, now)),
    codes: budgetFacts(codeBudget, codesOf(budgets, now)),
  };
}

/** `state`: `open`, `blocked` for `retry_after` seconds, or `locked`; `wrong`: how many in a row. */
function budgetFacts({ failures }: Budget, state: BudgetState) {
  return { wrong: failures, state: state.kind, retry_after: state.kind === "blocked" ? state.retryAfter : undefined };
}

function factorFacts({ id: factor, label, kind, algorithm, digits, createdAt, lastUsedAt }: Factor) {
  const times = { created_at: isoTime(createdAt), last_used_at: isoOrNone(lastUsedAt) };
  return { factor, label, kind, algorithm, digits, ...times };
}

function deviceFacts(device: Device, now: number) {
  const { id, createdAt, lastSeenAt, address, client } = device;
  const times = { created_at: isoTime(createdAt), last_seen_at: isoTime(lastSeenAt) };
  return { device: id, ...times, address, client, ...guessFacts(device, now) };
}

export function personLines(person: Person, now: number): TerminalText[] {
  const { account, passwordBudget, sessions, devices } = person;
  const { identity, id, createdAt, lastLoginAt, disabledAt, stretch, recovery, factors } = account;
  return [
    say`${bold(identity)}`,
    fact("account", id),
    fact("state", disabledAt === undefined ? stateOf(person, now) : `disabled since ${shownMinute(disabledAt)}`),
    fact("created", `${shownMinute(createdAt)}, as all times here in UTC`),
    fact("last login", lastLoginAt === undefined ? "never" : shownMinute(lastLoginAt)),
    fact("recovery codes", `${recovery.length} of ${RECOVERY_CODES} left`),
    fact("stretching", `generation ${stretch}`),
    fact("wrong passwords", `${met(passwordBudget, budgetState(passwordBudget, now))}, by strangers`),
    fact("wrong codes", `${met(account.codeBudget, codesOf(account, now))}, by strangers`),
    say``,
    ...table(["authenticator", "kind", "added", "last used"], factors.map(factorRow)),
    say``,
    ...listed(
      ["device", "last seen", "address", "client", "wrong tries"],
      deviceRows(devices, now),
      "No known device.",
    ),
    say``,
    ...listed(["session", "last used", "address", "client"], sessionRows(sessions), "No session."),
  ];
}

const fact = (name: string, value: string) => say`${name.padEnd(16)} ${value}`;

/** How many were wrong in a row, and what the next one meets. */
function met({ failures }: Budget, state: BudgetState): string {
  const wrong = failures === 0 ? "none" : `${failures} in a row`;
  if (state.kind === "blocked") return `${wrong}, refused for ${duration(state.retryAfter)}`;
  return state.kind === "locked" ? `${wrong}, refused for good` : wrong;
}

function listed(heading: string[], rows: string[][], none: string): TerminalText[] {
  return rows.length === 0 ? [say`${none}`] : table(heading, rows);
}

function factorRow({ label, kind, createdAt, lastUsedAt }: Factor): string[] {
  return [label, kind, shownMinute(createdAt), lastUsedAt === undefined ? "never" : shownMinute(lastUsedAt)];
}

function sessionRows(sessions: readonly Session[]): string[][] {
  const ids = abbreviate(sessions.map(({ id }) => id));
  return sessions.map(({ lastSeenAt, address, client }, index) => [
    ids[index] ?? "",
    shownMinute(lastSeenAt),
    address,
    client,
  ]);
}

function deviceRows(devices: readonly Device[], now: number): string[][] {
  const ids = abbreviate(devices.map(({ id }) => id));
  return devices.map((device, index) => [
    ids[index] ?? "",
    shownMinute(device.lastSeenAt),
    device.address,
    device.client,
    triesOn(device, now),
  ]);
}

/** `12, waiting`: passwords and codes together. */
function triesOn(device: Device, now: number): string {
  const { passwordBudget, codeBudget } = device;
  const wrong = passwordBudget.failures + codeBudget.failures;
  if (wrong === 0) return "";
  const states = [budgetState(passwordBudget, now).kind, codesOf(device, now).kind];
  if (states.includes("locked")) return `${wrong}, locked`;
  return states.includes("blocked") ? `${wrong}, waiting` : String(wrong);
}
