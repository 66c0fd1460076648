import { hashRecoveryCode, parseRecoveryCode } from "@postern/shared/otp/recovery-code";
import { type Barrier, type BarrierOptions, openBarrier } from "../../packages/server/src/barrier/barrier.js";
import { isPostgresUrl, parsePostgresUrl } from "../../packages/server/src/postgres-url.js";
import { type Account, findAccount } from "../../packages/server/src/records/account.js";
import type { AuditRow } from "../../packages/server/src/records/audit-log.js";
import { recordRange } from "../../packages/server/src/records/keys.js";
import { sessionsOf } from "../../packages/server/src/records/session.js";
import { verifyTrail } from "../../packages/server/src/services/audit-trail.js";
import { openLmdbStorage } from "../../packages/server/src/storage/lmdb.js";
import { openPostgresStorage } from "../../packages/server/src/storage/postgres.js";
import type { Login, Witness } from "./crash-load.js";
import { adminPassword, auditRows, cheap } from "./in-process.js";

export interface StoreKey extends BarrierOptions {
  readonly password: Uint8Array;
}

/** Opens the store of a directory or of a database, beside whoever has it open already, for as long as `use` takes. */
export async function withStore<T>(
  place: string,
  use: (barrier: Barrier) => Promise<T>,
  { password, ...options }: StoreKey = { password: adminPassword, ...cheap },
): Promise<T> {
  const storage = isPostgresUrl(place)
    ? await openPostgresStorage({ server: parsePostgresUrl(place), password: async () => undefined, create: false })
    : await openLmdbStorage({ directory: place, create: false });
  try {
    const barrier = await openBarrier(storage, password, options);
    return await use(barrier).finally(() => barrier.close());
  } finally {
    await storage.close();
  }
}

/**
 * What in a store does not go together, or not with what people were told. Empty when everything that was acknowledged
 * is there, everything that was not is there whole or not at all, and nothing was granted without its record.
 */
export async function faultsStored(barrier: Barrier, witnesses: readonly Witness[]): Promise<string[]> {
  const faults: string[] = [];
  const chain = await verifyTrail(barrier);
  if (!chain.ok) faults.push(`the audit chain is broken at ${chain.firstBad}: ${chain.why}`);
  const rows = await auditRows(barrier);
  const registrations = registrationsIn(rows);
  const records = await barrier.read((tx) => tx.scan(recordRange("account")));
  // One of the records is of nobody: unknown names are answered from it.
  const accounts = records.length - 1;
  if (accounts !== registrations.length) faults.push(`${accounts} accounts, ${registrations.length} registrations`);
  const byAccount = new Map<string | undefined, AuditRow[]>();
  for (const row of rows) byAccount.set(row.account, [...(byAccount.get(row.account) ?? []), row]);
  for (const witness of witnesses) {
    const { name } = witness.person;
    faults.push(...(await faultsOfWitness(barrier, byAccount, witness)).map((fault) => `${name}: ${fault}`));
  }
  return faults;
}

type RowsOf = ReadonlyMap<string | undefined, readonly AuditRow[]>;

async function faultsOfWitness(barrier: Barrier, rows: RowsOf, witness: Witness): Promise<string[]> {
  const { person, registered, logins } = witness;
  const account = await barrier.read((tx) => findAccount(tx, barrier.nameIndex(person.name)));
  if (account === undefined) return registered ? ["an acknowledged registration is lost"] : [];
  const own = rows.get(account.id) ?? [];
  const sessions = new Set((await barrier.read((tx) => sessionsOf(tx, account.id))).map(({ id }) => id as string));
  const granted = sessionsIn(own, "login");
  const ended = sessionsIn(own, "session.logout");
  const faults: string[] = [];
  if (registered && person.account !== "" && account.id !== person.account) faults.push("another account has the name");
  // Whoever got no answer tries the name again, and is refused it: that is another event of this account's.
  if (registrationsIn(own).length !== 1) faults.push("not one record of the registration");
  const spent = spentCodes(witness, account);
  if (granted.size !== spent) faults.push(`${granted.size} logins were granted for ${spent} codes`);
  if (![...granted].every((id) => sessions.has(id) !== ended.has(id)) || sessions.size + ended.size !== granted.size) {
    faults.push("sessions, logins and logouts do not go together");
  }
  for (const login of logins) faults.push(...faultsOfLogin(login, account, { own, sessions, granted, ended }));
  return faults;
}

interface Traces {
  readonly own: readonly AuditRow[];
  readonly sessions: ReadonlySet<string>;
  readonly granted: ReadonlySet<string>;
  readonly ended: ReadonlySet<string>;
}

function faultsOfLogin(login: Login, account: Account, { own, sessions, granted, ended }: Traces): string[] {
  if (login.granted === undefined) return [];
  const { session } = login.granted;
  const faults: string[] = [];
  if (!granted.has(session)) faults.push("an acknowledged login has no record");
  if (login.logout === "no" && !sessions.has(session)) faults.push("an acknowledged session is lost");
  if (login.logout === "acknowledged" && !ended.has(session)) faults.push("an acknowledged logout is lost");
  if (login.factor === "recovery" && holds(account, login.code)) faults.push("a used recovery code is still good");
  const replays = own.filter(({ reason }) => reason === "replayed_code").length;
  if (login.factor === "totp" && login.refusedAgain === true && replays === 0) faults.push("a replay has no record");
  return faults;
}

/** The codes that the record has as used since the registration: a person here uses one step beyond its own. */
function spentCodes({ step }: Witness, { factors, recovery }: Account): number {
  return factors.filter((factor) => factor.kind === "totp" && factor.lastStep > step).length + (10 - recovery.length);
}

function holds({ recovery }: Account, code: string): boolean {
  const parsed = parseRecoveryCode(code);
  return parsed !== undefined && recovery.some((hash) => hash.equals(hashRecoveryCode(parsed)));
}

function registrationsIn(rows: readonly AuditRow[]): AuditRow[] {
  return rows.filter(({ event, outcome }) => event === "register" && outcome === "done");
}

function sessionsIn(rows: readonly AuditRow[], event: string): Set<string> {
  const done = rows.filter((row) => row.event === event && row.outcome !== "refused");
  return new Set(done.map(({ session }) => session ?? ""));
}
