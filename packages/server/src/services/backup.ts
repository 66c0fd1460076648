import { badEntryText } from "../records/audit-chain.js";
import { damaged } from "../records/audit-checkpoint.js";
import { verifyTrail } from "./audit-trail.js";
import { type AuditContext, audit } from "./context.js";

export interface BackupTarget {
  /** Takes the bytes one after another. */
  readonly write: (bytes: Buffer) => Promise<void>;
  readonly onRecords?: ((records: number) => void) | undefined;
}

export interface BackedUp {
  readonly records: number;
  /** What was written. */
  readonly bytes: number;
  readonly time: number;
}

/**
 * Writes a backup. What a restore would refuse is refused now: every record is opened, and the audit chain has to hold.
 * The log tells of it before the first byte, in the copy too, and when the last one was taken.
 * @throws PosternError `audit_damaged`, `store_damaged`; what `write` throws
 */
export async function backUp(context: AuditContext, { write, onRecords }: BackupTarget): Promise<BackedUp> {
  const { barrier } = context;
  const verdict = await verifyTrail(barrier);
  if (!verdict.ok) throw damaged(badEntryText(verdict));
  await barrier.transact((tx) => audit(context, tx, undefined, { event: "backup.begin", outcome: "done" }));
  const time = context.now();
  let bytes = 0;
  const counted = async (piece: Buffer) => {
    bytes += piece.length;
    await write(piece);
  };
  const { entries: records } = await barrier.backUp({ time, write: counted, onRecords });
  const reason = `records_${records}`;
  await barrier.transact((tx) => audit(context, tx, undefined, { event: "backup.end", outcome: "done", reason }));
  return { records, bytes, time };
}
