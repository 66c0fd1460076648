import { PosternError } from "@postern/shared/errors";
import type { Output } from "@postern/shared/terminal/output";
import { say, type TerminalText } from "@postern/shared/terminal/terminal-text";
import { auditTrail, verifyTrail } from "../services/audit-trail.js";
import { type StoreOptions, unsealStore } from "./unseal.js";

type Row = ReturnType<typeof auditTrail> extends AsyncGenerator<infer Row> ? Row : never;
type DamagedRow = Extract<Row, { damaged: true }>;
type AuditRow = Exclude<Row, DamagedRow>;

/** Prints the last entries of the log, oldest first; under --json one line each. */
export async function auditListCommand(output: Output, options: StoreOptions & { limit: string }): Promise<void> {
  const limit = parseLimit(options.limit);
  const store = await unsealStore(output, options);
  try {
    for await (const row of auditTrail(store.barrier, limit)) print(output, row);
  } finally {
    await store.close();
  }
}

/** @throws PosternError `audit_damaged`, naming the first bad entry */
export async function auditVerifyCommand(output: Output, options: StoreOptions): Promise<void> {
  const store = await unsealStore(output, options);
  try {
    const verdict = await verifyTrail(store.barrier);
    if (!verdict.ok) {
      throw new PosternError("audit_damaged", { detail: `entry ${verdict.firstBad} is ${verdict.why}` });
    }
    output.result({ ok: true, entries: verdict.length }, say`The audit log holds: ${verdict.length} entries.`);
  } finally {
    await store.close();
  }
}

function print(output: Output, row: Row): void {
  if ("damaged" in row) output.result({ ...row }, say`${String(row.index).padStart(4)} (damaged)`);
  else output.result(fieldsOf(row), lineOf(row));
}

function fieldsOf({ personal, commitments, prev, time, ...row }: AuditRow) {
  return { ...row, time: new Date(time).toISOString(), ...personal };
}

/** `index  time  event  outcome reason  name  address`, in 80 columns for names of the usual length. */
function lineOf({ index, time, event, outcome, reason, personal }: AuditRow): TerminalText {
  const when = new Date(time).toISOString().slice(0, 19).replace("T", " ");
  const what = reason === undefined ? outcome : `${outcome}: ${reason}`;
  const who = [personal.name ?? "-", personal.address ?? "-"].join(" ");
  return say`${String(index).padStart(4)} ${when} ${event.padEnd(14)} ${what.padEnd(22)} ${who}`;
}

function parseLimit(text: string): number {
  if (!/^[1-9]\d{0,6}$/.test(text)) {
    throw new PosternError("usage", { detail: "--limit takes a whole number from 1 to 9999999" });
  }
  return Number(text);
}
