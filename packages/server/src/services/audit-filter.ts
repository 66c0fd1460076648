import type { ApplicationId } from "@postern/shared/ids";
import type { Identity } from "@postern/shared/names/name";
import type { Barrier } from "../barrier/barrier.js";
import { findAccount } from "../records/account.js";
import type { AuditRow, DamagedRow } from "../records/audit-log.js";
import type { NodeName } from "../records/node.js";

/** Which entries are asked for; what is left out lets all pass. */
export interface AuditFilter {
  /** The node that wrote them. */
  readonly node?: NodeName | undefined;
  readonly user?: { readonly account: string } | { readonly name: Identity } | undefined;
  readonly application?: ApplicationId | undefined;
  /** Whom an application means, in its words, in NFC. */
  readonly subject?: string | undefined;
  /** Names of events, any of which will do; `*` stands for any characters. */
  readonly events?: readonly string[] | undefined;
  /** Milliseconds since 1970, included. */
  readonly since?: number | undefined;
  /** Milliseconds since 1970, excluded. */
  readonly until?: number | undefined;
}

type Row = AuditRow | DamagedRow;
type Passes = (row: AuditRow) => boolean;

/**
 * The filter as a predicate, but for the node, which is a chain of its own; undefined when all pass. A person who is
 * asked for by name is the name in the entries, and the account that has it: where no account has it (any more), those
 * of the entries with that name, which are looked for in `all`.
 */
export async function auditMatcher(
  barrier: Barrier,
  { user, application, subject, events, since, until }: AuditFilter,
  all: () => AsyncIterable<Row[]>,
): Promise<((row: Row) => boolean) | undefined> {
  const tests: Passes[] = [];
  if (since !== undefined) tests.push(({ time }) => time >= since);
  if (until !== undefined) tests.push(({ time }) => time < until);
  if (events !== undefined) tests.push(passesEvents(events));
  if (application !== undefined) tests.push((row) => row.application === application);
  if (subject !== undefined) tests.push(({ personal }) => personal.subject === subject);
  if (user !== undefined) tests.push(await passesUser(barrier, user, all));
  if (tests.length === 0) return undefined;
  return (row) => "damaged" in row || tests.every((test) => test(row));
}

function passesEvents(patterns: readonly string[]): Passes {
  const any = patterns.map((pattern) => {
    const parts = pattern.split(/\*+/).map((part) => part.replaceAll(".", "\\."));
    return new RegExp(`^${parts.join(".*")}$`);
  });
  return ({ event }) => any.some((one) => one.test(event));
}

async function passesUser(
  barrier: Barrier,
  user: NonNullable<AuditFilter["user"]>,
  all: () => AsyncIterable<Row[]>,
): Promise<Passes> {
  if ("account" in user) return ({ account }) => account === user.account;
  const { name } = user;
  const owner = await barrier.read((tx) => findAccount(tx, barrier.nameIndex(name)));
  const accounts = new Set<string | undefined>(owner === undefined ? await accountsNamed(name, all()) : [owner.id]);
  return ({ account, personal }) => personal.name === name || (account !== undefined && accounts.has(account));
}

async function accountsNamed(name: string, pages: AsyncIterable<Row[]>): Promise<Set<string>> {
  const accounts = new Set<string>();
  for await (const rows of pages) {
    for (const row of rows) {
      if (!("damaged" in row) && row.personal.name === name && row.account !== undefined) accounts.add(row.account);
    }
  }
  return accounts;
}
