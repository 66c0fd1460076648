import type { Id } from "@postern/shared/ids";
import { TOTP_WINDOW } from "@postern/shared/otp/parameters";
import { stepAt } from "@postern/shared/otp/totp";
import {
  type Authenticator,
  type AuthenticatorId,
  type AuthenticatorKind,
  type AuthenticatorOf,
  deleteAuthenticator,
  putAuthenticator,
  scanAuthenticators,
} from "../../records/applications/authenticator.js";
import { orDamaged } from "../../records/intact.js";
import { audit, type Peer, type ServiceContext } from "../context.js";
import { findOwn } from "./authenticator-verify.js";
import { unlocked } from "./guess.js";
import { type Page, type PageWish, pageOf, requireVersion, type Versions } from "./listing.js";
import { type ShownOf, shownAuthenticator } from "./shown-authenticator.js";
import type { Owner } from "./subject.js";

/** What becomes of applications' authenticators once they are made. */

type Application = Pick<Owner, "application">;

const shownOf = <K extends AuthenticatorKind>(record: AuthenticatorOf<K>) => shownAuthenticator(record) as ShownOf<K>;

/** @throws PosternError `credential_unknown`, `store_damaged` */
export function showAuthenticator<K extends AuthenticatorKind>(
  { barrier }: ServiceContext,
  owner: Application,
  id: Id<K>,
): Promise<ShownOf<K>> {
  return barrier.read(async (tx) => shownOf<K>(await findOwn(tx, owner, id)));
}

/** One page of an application's authenticators of a kind. */
export function listAuthenticators<K extends AuthenticatorKind>(
  { barrier }: ServiceContext,
  { application }: Application,
  kind: K,
  { after, limit }: PageWish<Id<K>>,
): Promise<Page<Id<K>, ShownOf<K>>> {
  return barrier.read(async (tx) => {
    const found = await scanAuthenticators(tx, { application, kind }, after, limit + 1);
    const shown = found.records.map((record) => shownOf<K>(record) as ShownOf<K> & { readonly id: Id<K> });
    return pageOf({ records: shown, damaged: found.damaged }, limit);
  });
}

/** Has the budget of guesses begin anew. @throws PosternError `credential_unknown`, `store_damaged` */
export function unlockAuthenticator<K extends AuthenticatorKind>(
  context: ServiceContext,
  peer: Peer,
  owner: Application,
  id: Id<K>,
): Promise<ShownOf<K>> {
  const { application } = owner;
  return context.barrier.transact(async (tx) => {
    const record = unlocked(await findOwn(tx, owner, id));
    await putAuthenticator(tx, application, record);
    const about = { application, subject: record.subject };
    await audit(context, tx, peer, { ...about, event: `${record.kind}.unlock`, outcome: "done" });
    return shownOf<K>(record);
  });
}

/**
 * Deletes an authenticator, one that is damaged too: another one has another secret.
 * @throws PosternError `credential_unknown`, `version_mismatch`
 */
export function removeAuthenticator(
  context: ServiceContext,
  peer: Peer,
  owner: Application,
  {
    kind,
    id,
    versions,
  }: { readonly kind: AuthenticatorKind; readonly id: AuthenticatorId; readonly versions?: Versions },
): Promise<void> {
  const { application } = owner;
  return context.barrier.transact(async (tx) => {
    const record: Authenticator | "damaged" = await orDamaged(() => findOwn(tx, owner, id));
    requireVersion(record, versions);
    await deleteAuthenticator(tx, application, id);
    const more = record === "damaged" ? { reason: "damaged" } : { subject: record.subject };
    await audit(context, tx, peer, { application, event: `${kind}.delete`, outcome: "done", ...more });
  });
}

/**
 * As it is in a store that was restored: codes may have been used since. TOTP begins behind every step that could be
 * accepted up to now; HOTP, of which nobody can say how far it has come, with two codes in a row.
 */
export function settledAuthenticator(record: Authenticator, now: number): Authenticator {
  const version = record.version + 1;
  if (record.kind === "hotp") return { ...record, version, resync: true };
  return { ...record, version, lastStep: Math.max(record.lastStep, stepAt(now, record.period) + TOTP_WINDOW) };
}
