import { setImmediate as turn } from "node:timers/promises";
import { PosternError } from "@postern/shared/errors";
import { type AccountId, isId } from "@postern/shared/ids";
import { parseName } from "@postern/shared/names/name";
import type { Barrier, SealedReadTransaction } from "../barrier/barrier.js";
import { type Account, findAccount, scanAccounts } from "../records/account.js";
import type { Budget } from "../records/budget.js";
import { type Device, devicesOf } from "../records/device.js";
import { type Session, sessionsOf } from "../records/session.js";
import { type BudgetState, budgetState, CODE_FAILURES_MAX } from "./budget.js";
import { FirstFew } from "./first-few.js";
import { isLive } from "./live-session.js";
import { strangerBudget, strangerBudgets } from "./stranger-counters.js";

/** The people as their operator sees them. */

/** Somebody by name, by the id of their account, or by both. */
export type Who =
  | { readonly name: string; readonly account?: AccountId }
  | { readonly name?: undefined; readonly account: AccountId };

/** @throws PosternError `name_invalid` for what can be nobody's name */
export function parseWho(text: string): Who {
  return isId("account", text) ? { account: text } : { name: parseName(text) };
}

const PAGE = 256;

/** Whom a transaction looks for: the account of a name, and where an id is said, no other one. */
export interface Located {
  readonly name: string;
  readonly account?: AccountId | undefined;
}

/**
 * Goes through all accounts for an id, since no key leads from it to the name: a page a snapshot, so that no transaction
 * waits for that.
 * @throws PosternError `user_unknown`
 */
export async function locate(barrier: Barrier, { name, account }: Who): Promise<Located> {
  if (name !== undefined) return { name, account };
  for await (const page of accountPages(barrier, scanAccounts)) {
    const found = page.find((each) => each.account?.id === account)?.account;
    if (found !== undefined) return { name: found.identity, account: found.id };
  }
  throw new PosternError("user_unknown");
}

export interface Found {
  readonly nameIndex: Buffer;
  readonly account: Account;
}

/** An account as a transaction finds it. @throws PosternError `user_unknown` */
export async function findLocated(
  barrier: Barrier,
  tx: SealedReadTransaction,
  { name, account: id }: Located,
): Promise<Found> {
  const nameIndex = barrier.nameIndex(name);
  const account = await findAccount(tx, nameIndex);
  if (account === undefined || (id !== undefined && account.id !== id)) throw new PosternError("user_unknown");
  return { nameIndex, account };
}

type PageOf<T> = (
  tx: SealedReadTransaction,
  after: Buffer | undefined,
  limit: number,
) => Promise<{ accounts: T[]; next: Buffer | undefined }>;

/** All accounts in the order of their keys, which means nothing: a page at a time, and logins go on in between. */
async function* accountPages<T>(barrier: Barrier, pageOf: PageOf<T>): AsyncGenerator<T[]> {
  let after: Buffer | undefined;
  do {
    const from = after;
    const { accounts, next } = await barrier.read((tx) => pageOf(tx, from, PAGE));
    yield accounts;
    after = next;
    await turn();
  } while (after !== undefined);
}

/** Whether somebody can log in, and what strangers who try meet: `waiting` for a while, `locked` with a code for good. */
export type PersonState = "active" | "waiting" | "locked" | "disabled";

/** Somebody in a list: what is told of them, and no more, so that many can be kept. */
export interface PersonSummary {
  readonly account: AccountId;
  readonly name: string;
  readonly state: PersonState;
  readonly factors: number;
  readonly recoveryCodesLeft: number;
  readonly createdAt: number;
  readonly lastLoginAt: number | undefined;
}

export interface PeopleFilter {
  /** `*` stands for any characters. Undefined: everybody. */
  readonly match?: string | undefined;
  readonly disabled?: boolean;
  /** Whom strangers keep waiting, or have locked. */
  readonly locked?: boolean;
  /** Whose last login, or registration where there was none, is before this moment. */
  readonly inactiveSince?: number | undefined;
}

export interface PeoplePage {
  readonly people: readonly PersonSummary[];
  /** Whether others who pass come behind them. */
  readonly more: boolean;
  /** Accounts that do not open: whose they are nobody can tell. */
  readonly damaged: number;
}

/** The first `limit` of those who pass the filter and come behind the name `after`, by name. */
export async function listPeople(
  barrier: Barrier,
  filter: PeopleFilter,
  { limit, after = "" }: { readonly limit: number; readonly after?: string | undefined },
  now: number,
): Promise<PeoplePage> {
  const passes = passesFilter(filter);
  const first = new FirstFew<PersonSummary>(limit, (a, b) => (a.name < b.name ? -1 : 1));
  let damaged = 0;
  for await (const page of accountPages(barrier, summaries(now))) {
    for (const person of page) {
      if (person === undefined) damaged += 1;
      else if (person.name > after && passes(person)) first.add(person);
    }
  }
  const { few, more } = first.take();
  return { people: few, more, damaged };
}

function summaries(now: number): PageOf<PersonSummary | undefined> {
  return async (tx, after, limit) => {
    const { accounts, next } = await scanAccounts(tx, after, limit);
    const budgetOf = await strangerBudgets(
      tx,
      accounts.map(({ nameIndex }) => nameIndex),
      now,
    );
    const people = accounts.map(({ nameIndex, account }) => account && summaryOf(account, budgetOf(nameIndex), now));
    return { accounts: people, next };
  };
}

function summaryOf(account: Account, passwordBudget: Budget, now: number): PersonSummary {
  const { id, identity: name, factors, recovery, createdAt, lastLoginAt } = account;
  const state = stateOf({ account, passwordBudget }, now);
  const counts = { factors: factors.length, recoveryCodesLeft: recovery.length };
  return { account: id, name, state, ...counts, createdAt, lastLoginAt };
}

function passesFilter({ match, disabled, locked, inactiveSince }: PeopleFilter): (person: PersonSummary) => boolean {
  const named = match === undefined ? undefined : patternOf(match);
  return ({ name, state, createdAt, lastLoginAt }) =>
    (named === undefined || named.test(name)) &&
    (disabled !== true || state === "disabled") &&
    (locked !== true || state === "waiting" || state === "locked") &&
    (inactiveSince === undefined || (lastLoginAt ?? createdAt) < inactiveSince);
}

function patternOf(match: string): RegExp {
  const parts = match.split(/\*+/).map((part) => part.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"));
  return new RegExp(`^${parts.join(".*")}$`, "su");
}

export function stateOf(
  { account, passwordBudget }: Pick<Person, "account" | "passwordBudget">,
  now: number,
): PersonState {
  if (account.disabledAt !== undefined) return "disabled";
  const codes = codesOf(account, now).kind;
  if (codes === "locked") return "locked";
  return codes === "blocked" || budgetState(passwordBudget, now).kind === "blocked" ? "waiting" : "active";
}

/** What a code meets that is paid for by this budget. */
export function codesOf({ codeBudget }: { readonly codeBudget: Budget }, now: number): BudgetState {
  return budgetState(codeBudget, now, CODE_FAILURES_MAX);
}

export interface Person {
  readonly account: Account;
  /** What strangers have for passwords. */
  readonly passwordBudget: Budget;
  /** Those that are live, the one used last first. */
  readonly sessions: readonly Session[];
  /** Those that are known still, likewise. */
  readonly devices: readonly Device[];
}

/** @throws PosternError `user_unknown` */
export async function readPerson(barrier: Barrier, who: Who, now: number): Promise<Person> {
  const located = await locate(barrier, who);
  return barrier.read(async (tx) => {
    const { nameIndex, account } = await findLocated(barrier, tx, located);
    const sessions = (await sessionsOf(tx, account.id)).filter((session) => isLive(session, now));
    const devices = await devicesOf(tx, account.id);
    return {
      account,
      passwordBudget: await strangerBudget(tx, nameIndex, now),
      sessions: sessions.sort(lastUsedFirst),
      devices: devices.filter(({ passwordVersion }) => passwordVersion === account.passwordVersion).sort(lastUsedFirst),
    };
  });
}

export function lastUsedFirst(a: { readonly lastSeenAt: number }, b: { readonly lastSeenAt: number }): number {
  return b.lastSeenAt - a.lastSeenAt;
}
