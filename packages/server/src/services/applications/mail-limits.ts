import { parseMailAddress } from "@postern/shared/mail-address";
import type { SealedWriteTransaction } from "../../barrier/barrier.js";
import { findMailbox, putMailbox, scanMailboxes } from "../../records/applications/mailbox.js";
import type { ServiceContext } from "../context.js";
import { type EndedIn, sweep } from "../sweep.js";
import type { Owner } from "./subject.js";

/**
 * So many mails go to one subject in an hour, and to one mailbox, whatever subjects an application has it for: a mailbox
 * is nobody's to fill, the application's users' least of all.
 */
const MAILS_AN_HOUR = 5;
const HOUR_MS = 3_600_000;

/** Whether a mail counts still. One that lies ahead by more than an hour was noted by a clock that ran ahead. */
export function isRecent(at: number, now: number): boolean {
  return at > now - HOUR_MS && at <= now + HOUR_MS;
}

/** Seconds until the oldest mail counts no more; undefined while there is room. */
export function waitForMail(recent: readonly number[], now: number): number | undefined {
  if (recent.length < MAILS_AN_HOUR) return undefined;
  return Math.ceil((Math.min(...recent) + HOUR_MS - now) / 1000);
}

/** A mailbox that has had its mails; `first`: nothing in the log tells yet of one that was refused. */
export interface FullMailbox {
  readonly retryAfter: number;
  readonly first: boolean;
}

/**
 * Notes a mail to an address, or says how long it has to wait. Upper case makes no other mailbox: hardly a mail server
 * tells it apart.
 * @throws PosternError `mail_address_invalid`
 */
export async function noteMailTo(
  { barrier, now }: Pick<ServiceContext, "barrier" | "now">,
  tx: SealedWriteTransaction,
  { application }: Pick<Owner, "application">,
  to: string,
): Promise<FullMailbox | undefined> {
  const address = parseMailAddress(to).toLowerCase();
  const index = barrier.nameIndex(`mailbox\0${application}\0${address}`);
  const found = (await findMailbox(tx, application, index)) ?? { mails: [], noted: false };
  const at = now();
  const mails = found.mails.filter((mail) => isRecent(mail, at));
  const retryAfter = waitForMail(mails, at);
  const full = retryAfter !== undefined;
  if (!(full && found.noted)) {
    await putMailbox(tx, application, index, { mails: full ? mails : [...mails, at], noted: full });
  }
  return full ? { retryAfter, first: !found.noted } : undefined;
}

/** Deletes those whose hour is over, and what is damaged; run now and then. Returns how many. */
export function sweepMailboxes(
  { barrier, now }: Pick<ServiceContext, "barrier" | "now">,
  pageSize?: number,
): Promise<number> {
  const endedIn: EndedIn = async (tx, after, limit) => {
    const { records, damaged, next } = await scanMailboxes(tx, after, limit);
    const over = records.filter(({ value }) => !value.mails.some((at) => isRecent(at, now())));
    return { keys: [...over.map(({ key }) => key), ...damaged], next };
  };
  return sweep(barrier, endedIn, pageSize);
}
