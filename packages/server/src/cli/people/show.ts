import { RECOVERY_CODES } from "@postern/shared/otp/recovery-code";
import type { Output } from "@postern/shared/terminal/output";
import { duration } from "@postern/shared/terminal/output";
import { table } from "@postern/shared/terminal/table";
import { bold, say, type TerminalText } from "@postern/shared/terminal/terminal-text";
import type { Factor } from "../../records/account.js";
import type { Device } from "../../records/device.js";
import type { Session } from "../../records/session.js";
import { type BudgetState, budgetState, CODE_FAILURES_MAX } from "../../services/budget.js";
import { codesOf, type Person, parseWho, readPerson } from "../../services/people.js";
import { withAudit } from "../audit.js";
import { isoTime, shownTime } from "../shown.js";
import type { StoreOptions } from "../unseal.js";
import { stateOf } from "./list.js";

/** Prints what is known of somebody, never a secret. @throws PosternError `user_unknown`, `name_invalid` */
export async function userShowCommand(output: Output, typed: string, options: StoreOptions): Promise<void> {
  const who = parseWho(typed);
  await withAudit(output, options, async ({ barrier, now }) => {
    const person = await readPerson(barrier, who, now());
    output.result(factsOf(person, now()), ...linesOf(person, now()));
  });
}

function factsOf({ account, passwordBudget, sessions, devices }: Person, now: number) {
  const { id, identity: name, createdAt, lastLoginAt, disabledAt, stretch, recovery, factors, codeBudget } = account;
  return {
    account: id,
    name,
    state: stateOf(account, now),
    created_at: isoTime(createdAt),
    last_login_at: lastLoginAt && isoTime(lastLoginAt),
    disabled_at: disabledAt && isoTime(disabledAt),
    stretch,
    recovery_codes_left: recovery.length,
    passwords: { wrong: passwordBudget.failures, ...budgetFacts(budgetState(passwordBudget, now)) },
    codes: { wrong: codeBudget.failures, ...budgetFacts(codesOf(account, now)) },
    factors: factors.map(({ id: factor, label, kind, createdAt: made, lastUsedAt }) => ({
      factor,
      label,
      kind,
      created_at: isoTime(made),
      last_used_at: lastUsedAt && isoTime(lastUsedAt),
    })),
    sessions: sessions.map((session) => ({
      session: session.id,
      last_seen_at: isoTime(session.lastSeenAt),
      expires_at: isoTime(session.expiresAt),
      address: session.address,
      client: session.client,
    })),
    devices: devices.map((device) => ({
      device: device.id,
      last_seen_at: isoTime(device.lastSeenAt),
      address: device.address,
      client: device.client,
      ...budgetFacts(ofDevice(device, now)),
    })),
  };
}

function budgetFacts(state: BudgetState) {
  return { state: state.kind, retry_after: state.kind === "blocked" ? state.retryAfter : undefined };
}

/** The worse of the two that a device has. */
function ofDevice({ passwordBudget, codeBudget }: Device, now: number): BudgetState {
  const codes = budgetState(codeBudget, now, CODE_FAILURES_MAX);
  return codes.kind === "open" ? budgetState(passwordBudget, now) : codes;
}

function linesOf(person: Person, now: number): TerminalText[] {
  const { account, passwordBudget, sessions, devices } = person;
  const { identity, id, createdAt, lastLoginAt, disabledAt, stretch, recovery, factors } = account;
  return [
    say`${bold(identity)}  ${id}`,
    fact("state", disabledAt === undefined ? stateOf(account, now) : `disabled since ${shownTime(disabledAt)}`),
    fact("registered", shownTime(createdAt)),
    fact("last login", lastLoginAt === undefined ? "never" : shownTime(lastLoginAt)),
    fact("stretching", `generation ${stretch}`),
    fact("recovery codes", `${recovery.length} of ${RECOVERY_CODES} left`),
    fact("strangers", `passwords ${met(budgetState(passwordBudget, now))}, codes ${met(codesOf(account, now))}`),
    say``,
    ...table(["authenticator", "kind", "added", "last used"], factors.map(factorRow)),
    ...listed(["session", "last used", "address", "client"], sessions.map(sessionRow), "No session."),
    ...listed(
      ["device", "last used", "address", "client", ""],
      devices.map((device) => deviceRow(device, now)),
      "No known device.",
    ),
  ];
}

const fact = (name: string, value: string) => say`${name.padEnd(16)}${value}`;

/** What a guess meets. */
function met(state: BudgetState): string {
  if (state.kind === "blocked") return `refused for ${duration(state.retryAfter)}`;
  return state.kind === "locked" ? "refused until a recovery code, or unlock" : "judged";
}

function listed(heading: string[], rows: string[][], none: string): TerminalText[] {
  return [say``, ...(rows.length === 0 ? [say`${none}`] : table(heading, rows))];
}

const minute = (time: number) => shownTime(time).slice(0, 16);

function factorRow({ label, kind, createdAt, lastUsedAt }: Factor): string[] {
  return [label, kind.toUpperCase(), minute(createdAt), lastUsedAt === undefined ? "never" : minute(lastUsedAt)];
}

function sessionRow({ id, lastSeenAt, address, client }: Session): string[] {
  return [id.slice(0, 12), minute(lastSeenAt), address, client];
}

function deviceRow(device: Device, now: number): string[] {
  const { id, lastSeenAt, address, client } = device;
  const state = ofDevice(device, now).kind;
  return [id.slice(0, 12), minute(lastSeenAt), address, client, state === "open" ? "" : state];
}
