import { randomBytes } from "node:crypto";
import { PosternError } from "@postern/shared/errors";
import type { Output } from "@postern/shared/terminal/output";
import { createPrompter } from "@postern/shared/terminal/prompts";
import { say, type TerminalText } from "@postern/shared/terminal/terminal-text";
import { formatPublicKey } from "../records/audit-signature.js";
import { auditKeyOf } from "../services/audit-key.js";
import { type Pruning, planPruning, pruneAudit } from "../services/audit-retention.js";
import { auditTrail, nodeColumn, type TrailRow } from "../services/audit-trail.js";
import type { AuditContext } from "../services/context.js";
import { readSettings } from "../services/store.js";
import { type FilterOptions, parseFilter, parseLimit, parseRetention } from "./audit-options.js";
import { type StoreOptions, unsealStore } from "./unseal.js";

type DamagedRow = Extract<TrailRow, { damaged: true }>;
type AuditRow = Exclude<TrailRow, DamagedRow>;

/** Opens the store for a command, and closes it whatever comes. */
export async function withAudit<T>(
  output: Output,
  options: StoreOptions,
  use: (context: AuditContext) => Promise<T>,
): Promise<T> {
  const { barrier, close } = await unsealStore(output, options);
  try {
    const { node } = await readSettings(barrier);
    return await use({ barrier, node, now: Date.now, random: randomBytes });
  } finally {
    await close();
  }
}

/** Prints the last entries that pass the filter, oldest first; under --json one line each. */
export async function auditListCommand(
  output: Output,
  options: StoreOptions & FilterOptions & { limit: string },
): Promise<void> {
  const limit = parseLimit(options.limit);
  const filter = parseFilter(options, Date.now());
  await withAudit(output, options, async ({ barrier }) => {
    let printed = 0;
    const width = await nodeColumn(barrier);
    for await (const row of auditTrail(barrier, limit, filter)) {
      print(output, row, width);
      printed += 1;
    }
    if (printed === 0) output.note(say`No entry matches.`);
  });
}

/** Prints the public half of the key that signs checkpoints, to be kept elsewhere. */
export async function auditKeyCommand(output: Output, options: StoreOptions): Promise<void> {
  const { publicKey } = await withAudit(output, options, auditKeyOf);
  const key = formatPublicKey(publicKey);
  output.result({ key }, say`${key}`);
}

/**
 * Removes the oldest entries, once a person has said yes, or with `--yes`.
 * @throws PosternError `input_needed` without a terminal and without `--yes`; `cancelled`; `audit_damaged`
 */
export async function auditPruneCommand(
  output: Output,
  options: StoreOptions & { olderThan: string; yes?: boolean },
): Promise<void> {
  const age = parseRetention("--older-than", options.olderThan);
  await withAudit(output, options, async (context) => {
    const plan = await planPruning(context, context.now() - age);
    const count = plan.reduce((sum, pruning) => sum + pruning.count, 0);
    if (count > 0 && options.yes !== true) await confirmPruning(options, count, plan);
    const removed = await pruneAudit(context, plan);
    const what = removed === 1 ? "1 entry was" : `${removed} entries were`;
    output.result({ removed }, removed === 0 ? say`No entry is that old.` : say`${what} removed.`);
  });
}

async function confirmPruning({ input }: StoreOptions, count: number, plan: readonly Pruning[]): Promise<void> {
  const before = plan.map(({ label, before }) => `${before}${label === undefined ? "" : ` of ${label}`}`).join(", ");
  const question = `Remove the oldest entries for good: ${count}, all before entry ${before}?`;
  if (!(await createPrompter({ noInput: !input }).confirm(question, false))) throw new PosternError("cancelled");
}

/** `width` is that of the column of nodes, where there are several. */
function print(output: Output, row: TrailRow, width: number | undefined): void {
  const place = `${width === undefined ? "" : `${row.node.padEnd(width)} `}${String(row.index).padStart(4)}`;
  if ("damaged" in row) output.result({ ...row }, say`${place} (damaged)`);
  else output.result(fieldsOf(row), lineOf(row, place, width === undefined ? 0 : width + 1));
}

function fieldsOf({ personal, commitments, prev, time, ...row }: AuditRow) {
  return { ...row, time: new Date(time).toISOString(), ...personal };
}

/**
 * `index  time  event  outcome reason  name  address`, in 80 columns for names of the usual length; the column of nodes
 * takes its room from that of the outcome.
 */
function lineOf(
  { time, event, outcome, reason, application, personal }: AuditRow,
  place: string,
  taken: number,
): TerminalText {
  const when = new Date(time).toISOString().slice(0, 19).replace("T", " ");
  const what = reason === undefined ? outcome : `${outcome}: ${reason}`;
  const who = [personal.name ?? personal.subject ?? application?.slice(0, 12) ?? "-", personal.address ?? "-"].join(
    " ",
  );
  return say`${place} ${when} ${event.padEnd(15)} ${what.padEnd(Math.max(8, 22 - taken))} ${who}`;
}
