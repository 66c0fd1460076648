import type { Id } from "@postern/shared/ids";
import {
  deleteOneTimeCode,
  type OneTimeCode,
  putOneTimeCode,
  scanAllOneTimeCodes,
  scanOneTimeCodes,
} from "../../records/applications/one-time-code.js";
import { orDamaged } from "../../records/intact.js";
import { CODE_FAILURES_MAX } from "../budget.js";
import { audit, type Peer, type ServiceContext } from "../context.js";
import { type EndedIn, sweep } from "../sweep.js";
import { unlocked } from "./guess.js";
import { type Page, type PageWish, pageOf, requireVersion, type Versions } from "./listing.js";
import { isRecent } from "./mail-limits.js";
import { findIssued, isOver } from "./one-time-code-verify.js";
import { type ShownCode, shownCode } from "./shown-code.js";
import type { Owner } from "./subject.js";

/** What becomes of one-time codes once they are issued. */

type Application = Pick<Owner, "application">;
type CodeId = Id<"otp">;

/** @throws PosternError `credential_unknown` */
export function showCode({ barrier }: ServiceContext, owner: Application, id: CodeId): Promise<ShownCode> {
  return barrier.read(async (tx) => shownCode(await findIssued(tx, owner, id)));
}

/** One page of what an application has issued. */
export function listCodes(
  { barrier }: ServiceContext,
  { application }: Application,
  { after, limit }: PageWish<CodeId>,
): Promise<Page<CodeId, ShownCode>> {
  return barrier.read(async (tx) => {
    const page = pageOf(await scanOneTimeCodes(tx, application, after, limit + 1), limit);
    const items = page.items.flatMap(({ issued, ...rest }) => (issued ? [shownCode({ ...rest, issued })] : []));
    return { ...page, items };
  });
}

/** Has the budget begin anew; what the code itself has left stays. @throws PosternError `credential_unknown` */
export function unlockCode(context: ServiceContext, peer: Peer, owner: Application, id: CodeId): Promise<ShownCode> {
  return context.barrier.transact(async (tx) => {
    const record = unlocked(await findIssued(tx, owner, id));
    await putOneTimeCode(tx, owner.application, record);
    const about = { application: owner.application, subject: record.issued.subject };
    await audit(context, tx, peer, { ...about, event: "otp.unlock", outcome: "done" });
    return shownCode(record);
  });
}

/**
 * Deletes a code. What was guessed at it, and the mails, stay without a word of whose they are, until they are of no
 * account: else a guesser would only have to have the code deleted. Of a record that is damaged nobody knows what was
 * guessed: its subject is locked.
 * @throws PosternError `credential_unknown`, `version_mismatch`
 */
export function deleteCode(
  context: ServiceContext,
  peer: Peer,
  owner: Application,
  { id, versions }: { readonly id: CodeId; readonly versions?: Versions },
): Promise<void> {
  const { application } = owner;
  return context.barrier.transact(async (tx) => {
    const record = await orDamaged(() => findIssued(tx, owner, id));
    requireVersion(record, versions);
    const told = { application, event: "otp.delete", outcome: "done" } as const;
    if (record === "damaged") {
      const budget = { failures: CODE_FAILURES_MAX, lastFailure: context.now(), blockedUntil: 0, noted: false };
      await putOneTimeCode(tx, application, { id, version: 1, budget, mails: [] });
      return audit(context, tx, peer, { ...told, reason: "damaged" });
    }
    const { issued, ...rest } = record;
    const left = { ...rest, version: record.version + 1 };
    if (isForgotten(left, context.now())) await deleteOneTimeCode(tx, application, id);
    else await putOneTimeCode(tx, application, left);
    return audit(context, tx, peer, { ...told, subject: issued.subject });
  });
}

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

/**
 * Whether a record has nothing that anybody goes by: no code, no guesses that count, no mails. Guesses at a code that is
 * over count for a day; what is locked by a hundred of them stays, for the application to unlock or delete.
 */
function isForgotten({ issued, budget, mails }: OneTimeCode, now: number): boolean {
  if (mails.some((at) => isRecent(at, now))) return false;
  if (issued !== undefined && (!isOver(issued, now) || budget.failures >= CODE_FAILURES_MAX)) return false;
  return budget.failures === 0 || budget.lastFailure + DAY_MS <= now || budget.lastFailure > now + HOUR_MS;
}

/** Deletes what nobody goes by any more; run now and then. A damaged record stays. Returns how many. */
export function sweepOneTimeCodes(
  { barrier, now }: Pick<ServiceContext, "barrier" | "now">,
  pageSize?: number,
): Promise<number> {
  const endedIn: EndedIn = async (tx, after, limit) => {
    const { records, next } = await scanAllOneTimeCodes(tx, after, limit);
    return { keys: records.filter(({ value }) => isForgotten(value, now())).map(({ key }) => key), next };
  };
  return sweep(barrier, endedIn, pageSize);
}

/** As it is in a store that was restored: a code of then may have been used since, and its time is over. */
export function settledCode(record: OneTimeCode, now: number): OneTimeCode {
  const { issued } = record;
  if (issued === undefined) return record;
  const expiresAt = Math.min(issued.expiresAt, now);
  return { ...record, version: record.version + 1, issued: { ...issued, expiresAt } };
}
