import type { SealedReadTransaction } from "../barrier/barrier.js";
import { firstKept } from "../records/audit-anchor.js";
import { parseEntry } from "../records/audit-chain.js";
import {
  deleteErasure,
  type Erasure,
  findErasure,
  putErasure,
  saveErasure,
  scanErasures,
} from "../records/audit-erasure.js";
import { appendAudit, auditHead } from "../records/audit-log.js";
import { deleteFields, readFields, readTexts, type Span } from "../records/audit-stored.js";
import { auditNodes } from "../records/audit-verify.js";
import type { AuditContext } from "./audit-key.js";
import { AUDIT_PAGE, pagesOf } from "./audit-pages.js";

/**
 * Erasing a person from the audit log: the personal fields of their entries go, and the chain, which holds only salted
 * commitments to them, goes on holding. A chain is read a page at a time; what was found is removed, and how far that
 * has come is noted, in one transaction. A crash costs no more than the pages since.
 */
const PAGES_A_STEP = 16;

/**
 * So long after the first pass an erasure stays queued: a connection that was open when the account went may still
 * write an entry that names it.
 */
export const ERASURE_SETTLES_MS = 3_600_000;

/**
 * Queues the erasure of an account and does it at once. Returns how many entries lost their personal fields.
 * Whoever deletes the account calls `putErasure` in that transaction, and `runErasures` when it is done.
 */
export async function eraseFromAudit(context: AuditContext, account: string, name?: string): Promise<number> {
  await context.barrier.transact((tx) => putErasure(tx, account, name));
  return eraseQueued(context, account);
}

/** Does what is queued; run now and then, and after a deletion. Returns how many entries lost their fields. */
export async function runErasures(context: AuditContext): Promise<number> {
  let erased = 0;
  let after: Buffer | undefined;
  do {
    const from = after;
    const { erasures, next } = await context.barrier.read((tx) => scanErasures(tx, from, AUDIT_PAGE));
    for (const { account } of erasures) erased += await eraseQueued(context, account);
    after = next;
  } while (after !== undefined);
  return erased;
}

async function eraseQueued(context: AuditContext, account: string): Promise<number> {
  const { barrier, node: own } = context;
  let erased = 0;
  for (const node of await barrier.read((tx) => auditNodes(tx, own))) {
    for (let more = true; more; ) {
      const step = await eraseStep(context, account, node);
      erased += step.erased;
      more = step.more;
    }
  }
  await notePass(context, account);
  return erased;
}

/** Goes along some pages of one chain from where the erasure has come to. */
async function eraseStep(
  { barrier }: AuditContext,
  account: string,
  node: string,
): Promise<{ erased: number; more: boolean }> {
  const read = pagesOf(barrier);
  const erasure = await read((tx) => findErasure(tx, account));
  if (erasure === undefined) return { erased: 0, more: false };
  const { length } = await read((tx) => auditHead(tx, node));
  let at = Math.max(erasure.cursors[node] ?? 0, await read((tx) => firstKept(tx, node)));
  if (at >= length) return { erased: 0, more: false };
  const found: number[] = [];
  for (let pages = 0; pages < PAGES_A_STEP && found.length < AUDIT_PAGE && at < length; pages++) {
    const span = { from: at, to: Math.min(at + AUDIT_PAGE, length) };
    found.push(...(await read((tx) => entriesOf(tx, erasure, node, span))));
    at = span.to;
  }
  await barrier.transact(async (tx) => {
    for (const index of found) await deleteFields(tx, node, index);
    const current = await findErasure(tx, account);
    // Another process does the same: what is further along counts, and what is done stays done.
    if (current === undefined) return;
    const cursors = { ...current.cursors, [node]: Math.max(at, current.cursors[node] ?? 0) };
    await saveErasure(tx, { ...current, cursors });
  });
  return { erased: found.length, more: at < length };
}

/**
 * The entries of a page that tell of this person and have anything personal. The name alone counts in the first pass
 * only: after it, it may be somebody else's.
 */
async function entriesOf(
  tx: SealedReadTransaction,
  { account, name, passedAt }: Erasure,
  node: string,
  span: Span,
): Promise<number[]> {
  const byName = passedAt === undefined && name !== undefined;
  const texts = await readTexts(tx, node, span);
  const fieldsOfPage = await readFields(tx, node, span);
  const found: number[] = [];
  for (const [offset, text] of texts.entries()) {
    const fields = fieldsOfPage[offset] ?? {};
    if (fields !== "damaged" && Object.keys(fields).length === 0) continue;
    const entry = parseEntry(text ?? "");
    const named = entry?.account === undefined && byName && fields !== "damaged" && fields.name?.value === name;
    if (entry?.account === account || named) found.push(span.from + offset);
  }
  return found;
}

/** The first pass to end is told in the log; one that ends when nothing can follow any more takes the erasure away. */
async function notePass({ barrier, node, now, random }: AuditContext, account: string): Promise<void> {
  await barrier.transact(async (tx) => {
    const erasure = await findErasure(tx, account);
    if (erasure === undefined) return;
    const time = now();
    if (erasure.passedAt === undefined) {
      await saveErasure(tx, { ...erasure, passedAt: time });
      await appendAudit(tx, node, { event: "audit.erase", outcome: "done", account, time }, random);
    } else if (time >= erasure.passedAt + ERASURE_SETTLES_MS) {
      await deleteErasure(tx, account);
    }
  });
}
