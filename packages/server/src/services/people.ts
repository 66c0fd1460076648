import { setImmediate as turn } from "node:timers/promises";
import { PosternError } from "@postern/shared/errors";
import { type AccountId, isId } from "@postern/shared/ids";
import { parseName } from "@postern/shared/names/name";
import type { Barrier, SealedReadTransaction } from "../barrier/barrier.js";
import { type Account, findAccount, type ListedAccount, scanAccounts } from "../records/account.js";
import type { Budget } from "../records/budget.js";
import { type Device, devicesOf } from "../records/device.js";
import { type Session, sessionsOf } from "../records/session.js";
import { getStrangerCounter } from "../records/stranger-counter.js";
import { type BudgetState, budgetState, CODE_FAILURES_MAX } from "./budget.js";
import { isLive } from "./live-session.js";

/** The people as their operator sees them: nothing here gives out a verifier, a secret or a recovery code. */

/** Somebody by name, or by the id of their account. */
export type Who = { readonly name: string } | { readonly account: AccountId };

/** @throws PosternError `name_invalid` for what can be nobody's name */
export function parseWho(text: string): Who {
  return isId("account", text) ? { account: text } : { name: parseName(text) };
}

export interface Found {
  readonly nameIndex: Buffer;
  readonly account: Account;
}

const PAGE = 256;

/**
 * An account as a transaction finds it. An id is looked for among all of them: no key leads from it to the name.
 * @throws PosternError `user_unknown`
 */
export async function findWho(barrier: Barrier, tx: SealedReadTransaction, who: Who): Promise<Found> {
  if ("name" in who) {
    const nameIndex = barrier.nameIndex(who.name);
    const account = await findAccount(tx, nameIndex);
    if (account === undefined) throw new PosternError("user_unknown");
    return { nameIndex, account };
  }
  let after: Buffer | undefined;
  do {
    const { accounts, next } = await scanAccounts(tx, after, PAGE);
    for (const { nameIndex, account } of accounts) if (account?.id === who.account) return { nameIndex, account };
    after = next;
  } while (after !== undefined);
  throw new PosternError("user_unknown");
}

export interface PeopleFilter {
  /** `*` stands for any characters. Undefined: everybody. */
  readonly match?: string | undefined;
  readonly disabled?: boolean;
  /** Whose codes are refused, or kept waiting, for strangers. */
  readonly locked?: boolean;
  /** Whose last login, or registration where there was none, is before this moment. */
  readonly inactiveSince?: number | undefined;
}

/**
 * Everybody who passes the filter, in no order that means anything, a page at a time: logins go on meanwhile, and a
 * hundred thousand take no more memory than a page. An account that does not open is told of, whatever the filter.
 */
export async function* people(barrier: Barrier, filter: PeopleFilter, now: number): AsyncGenerator<ListedAccount> {
  const passes = filterOf(filter, now);
  let after: Buffer | undefined;
  do {
    const from = after;
    const { accounts, next } = await barrier.read((tx) => scanAccounts(tx, from, PAGE));
    yield* accounts.filter(({ account }) => account === undefined || passes(account));
    after = next;
    await turn();
  } while (after !== undefined);
}

function filterOf(
  { match, disabled, locked, inactiveSince }: PeopleFilter,
  now: number,
): (account: Account) => boolean {
  const named = match === undefined ? undefined : patternOf(match);
  return (account) =>
    (named === undefined || named.test(account.identity)) &&
    (disabled !== true || account.disabledAt !== undefined) &&
    (locked !== true || codesOf(account, now).kind !== "open") &&
    (inactiveSince === undefined || (account.lastLoginAt ?? account.createdAt) < inactiveSince);
}

function patternOf(match: string): RegExp {
  const parts = match.split(/\*+/).map((part) => part.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"));
  return new RegExp(`^${parts.join(".*")}$`, "su");
}

/** What strangers who give a code for this account meet. */
export function codesOf({ codeBudget }: Account, now: number): BudgetState {
  return budgetState(codeBudget, now, CODE_FAILURES_MAX);
}

export interface Person {
  readonly account: Account;
  /** What strangers have left for passwords. */
  readonly passwordBudget: Budget;
  readonly sessions: readonly Session[];
  readonly devices: readonly Device[];
}

/** @throws PosternError `user_unknown` */
export function readPerson(barrier: Barrier, who: Who, now: number): Promise<Person> {
  return barrier.read(async (tx) => {
    const { nameIndex, account } = await findWho(barrier, tx, who);
    const sessions = (await sessionsOf(tx, account.id)).filter((session) => isLive(session, now));
    const devices = await devicesOf(tx, account.id);
    return {
      account,
      passwordBudget: await getStrangerCounter(tx, nameIndex),
      sessions: sessions.sort((a, b) => b.lastSeenAt - a.lastSeenAt),
      devices: devices
        .filter(({ passwordVersion }) => passwordVersion === account.passwordVersion)
        .sort((a, b) => b.lastSeenAt - a.lastSeenAt),
    };
  });
}
