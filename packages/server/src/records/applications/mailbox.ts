import type { ApplicationId } from "@postern/shared/ids";
import type { SealedReadTransaction, SealedWriteTransaction } from "../../barrier/barrier.js";
import { recordCodec } from "../codec.js";
import { getIntact, type IntactScan, scanIntact } from "../intact.js";
import { idBytes, recordKey, recordRange } from "../keys.js";
import { flag, instant, list, type ValueOf } from "../kinds.js";
import { record } from "../record-kind.js";

/** When an application had mails sent to one address, whomever it meant by it. The address stands nowhere here. */
const schema = record({
  mails: list(instant),
  /** Whether the log tells of a mail that was refused since the last one. */
  noted: flag,
});
export type Mailbox = ValueOf<typeof schema>;

const codec = recordCodec(schema, { format: 1 });

/** `addressIndex`: the barrier's keyed hash of application and address. */
const mailboxKey = (application: ApplicationId, addressIndex: Buffer) =>
  recordKey("mailbox", idBytes(application), addressIndex);

/** A damaged record is none: it only bounds mails, and lets nobody in. */
export function findMailbox(
  tx: SealedReadTransaction,
  application: ApplicationId,
  addressIndex: Buffer,
): Promise<Mailbox | undefined> {
  return getIntact(tx, mailboxKey(application, addressIndex), codec.decode);
}

export async function putMailbox(
  tx: SealedWriteTransaction,
  application: ApplicationId,
  addressIndex: Buffer,
  mailbox: Mailbox,
): Promise<void> {
  await tx.put(mailboxKey(application, addressIndex), codec.encode(mailbox));
}

/** One page of all applications' in the order of their keys, with the keys of the damaged ones, and where to go on. */
export function scanMailboxes(
  tx: SealedReadTransaction,
  after: Buffer | undefined,
  limit: number,
): Promise<IntactScan<Mailbox>> {
  const range = recordRange("mailbox");
  return scanIntact(tx, { ...range, from: after ?? range.from, limit }, codec.decode);
}
