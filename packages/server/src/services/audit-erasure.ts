import type { Barrier, SealedReadTransaction } from "../barrier/barrier.js";
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
import { AUDIT_PAGE, pagesOf } from "./audit-pages.js";
import { type AuditContext, pseudonym } from "./context.js";

/**
 * Erasing a person from the audit log: the personal fields of their entries go, and the chain, which holds only salted
 * commitments to them, goes on holding. A chain is read a page at a time; what was found is removed, and how far that
 * has come is noted, in one transaction. A crash costs no more than the pages since.
 *
 * The first pass, at once, begins where the account's registration began: whoever registers and deletes again and again
 * has no more walked than that. The second one takes the whole log, once an hour for all: by then nothing can follow any
 * more, and it finds what stood under the name's pseudonym before there was an account.
 */
const PAGES_A_STEP = 16;

/**
 * So long after the first pass an erasure stays queued: a connection that was open when the account went may still
 * write an entry that names it.
 */
export const ERASURE_SETTLES_MS = 3_600_000;
const HOUR_MS = 3_600_000;

/**
 * Queues the erasure of an account and does it at once. Returns how many entries lost their personal fields.
 * Whoever deletes the account calls `putErasure` in that transaction; the server's upkeep does what is queued.
 */
export async function eraseFromAudit(context: AuditContext, account: string, name?: string): Promise<number> {
  await context.barrier.transact((tx) => putErasure(tx, account, { name }));
  return eraseAll(context, [account]);
}

/** Erasures that one walk along the log does together. */
const BATCH = 256;

/**
 * Does what is queued and due; run now and then, by one worker of a process. However many people were deleted, the log
 * is walked once for a batch of them. Returns how many entries lost their fields.
 */
export async function runErasures(context: AuditContext): Promise<number> {
  const due: string[] = [];
  let after: Buffer | undefined;
  do {
    const from = after;
    const { erasures, damaged, next } = await context.barrier.read((tx) => scanErasures(tx, from, AUDIT_PAGE));
    // What it had come to is lost with it, and the name: it begins anew with the account.
    for (const account of damaged) await context.barrier.transact((tx) => putErasure(tx, account));
    due.push(...damaged);
    due.push(...erasures.filter((erasure) => isDue(erasure, context.now())).map(({ account }) => account));
    after = next;
  } while (after !== undefined);
  let erased = 0;
  for (let at = 0; at < due.length; at += BATCH) erased += await eraseAll(context, due.slice(at, at + BATCH));
  return erased;
}

/**
 * One that has passed rests until nothing can follow any more, and then until the hour is full, with all others of that
 * hour. A clock that was set back makes it no younger.
 */
function isDue({ passedAt }: Erasure, now: number): boolean {
  if (passedAt === undefined || now < passedAt - ERASURE_SETTLES_MS) return true;
  return now >= Math.ceil((passedAt + ERASURE_SETTLES_MS) / HOUR_MS) * HOUR_MS;
}

async function eraseAll(context: AuditContext, accounts: readonly string[]): Promise<number> {
  const { barrier, node: own } = context;
  let erased = 0;
  for (const node of await barrier.read((tx) => auditNodes(tx, own))) {
    for (let more = true; more; ) {
      const step = await eraseStep(context, accounts, node);
      erased += step.erased;
      more = step.more;
    }
  }
  await notePasses(context, accounts);
  return erased;
}

async function findErasures(tx: SealedReadTransaction, accounts: readonly string[]): Promise<Erasure[]> {
  const found: Erasure[] = [];
  for (const account of accounts) {
    const erasure = await findErasure(tx, account);
    if (erasure !== undefined) found.push(erasure);
  }
  return found;
}

/** Goes along some pages of one chain from where the erasures have come to. */
async function eraseStep(
  { barrier }: AuditContext,
  accounts: readonly string[],
  node: string,
): Promise<{ erased: number; more: boolean }> {
  const read = pagesOf(barrier);
  const erasures = await read((tx) => findErasures(tx, accounts));
  if (erasures.length === 0) return { erased: 0, more: false };
  const { length } = await read((tx) => auditHead(tx, node));
  const come = Math.min(...erasures.map(({ cursors }) => cursors[node] ?? 0));
  let at = Math.max(come, await read((tx) => firstKept(tx, node)));
  if (at >= length) return { erased: 0, more: false };
  const wanted = wantedOf(barrier, erasures, node);
  const found: number[] = [];
  for (let pages = 0; pages < PAGES_A_STEP && found.length < AUDIT_PAGE && at < length; pages++) {
    const span = { from: at, to: Math.min(at + AUDIT_PAGE, length) };
    found.push(...(await read((tx) => entriesOf(tx, wanted, node, span))));
    at = span.to;
  }
  await barrier.transact(async (tx) => {
    for (const index of found) await deleteFields(tx, node, index);
    // Another process may do the same: what is further along counts, and what is done stays done.
    for (const current of await findErasures(tx, accounts)) {
      const cursors = { ...current.cursors, [node]: Math.max(at, current.cursors[node] ?? 0) };
      await saveErasure(tx, { ...current, cursors });
    }
  });
  return { erased: found.length, more: at < length };
}

/** Whose entries are looked for. */
interface Wanted {
  readonly accounts: ReadonlySet<string>;
  /** Of each name, the index before which it alone counts. */
  readonly names: ReadonlyMap<string, number>;
}

/**
 * The names alone count in the first pass, and before the account's registration: after it, they may be somebody else's.
 * Before there was an account its person stood in the log under the name's pseudonym.
 */
function wantedOf(barrier: Barrier, erasures: readonly Erasure[], node: string): Wanted {
  const names = new Map<string, number>();
  for (const { name, passedAt, since } of erasures) {
    if (name === undefined) continue;
    const before = passedAt === undefined ? Number.POSITIVE_INFINITY : (since?.[node] ?? 0);
    for (const shown of [name, pseudonym(barrier.nameIndex(name))]) {
      names.set(shown, Math.max(before, names.get(shown) ?? 0));
    }
  }
  return { accounts: new Set(erasures.map(({ account }) => account)), names };
}

/** The entries of a page that tell of these people and have anything personal. */
async function entriesOf(
  tx: SealedReadTransaction,
  { accounts, names }: Wanted,
  node: string,
  span: Span,
): Promise<number[]> {
  const texts = await readTexts(tx, node, span);
  const fieldsOfPage = await readFields(tx, node, span);
  const found: number[] = [];
  for (const [offset, text] of texts.entries()) {
    const fields = fieldsOfPage[offset] ?? {};
    if (fields !== "damaged" && Object.keys(fields).length === 0) continue;
    const account = parseEntry(text ?? "")?.account;
    const name = fields === "damaged" ? undefined : fields.name?.value;
    const index = span.from + offset;
    const named = account === undefined && name !== undefined && index < (names.get(name) ?? 0);
    if (named || (account !== undefined && accounts.has(account))) found.push(index);
  }
  return found;
}

/** The first pass to end is told in the log; one that ends when nothing can follow any more takes the erasure away. */
async function notePasses({ barrier, node, now, random }: AuditContext, accounts: readonly string[]): Promise<void> {
  await barrier.transact(async (tx) => {
    const time = now();
    for (const erasure of await findErasures(tx, accounts)) {
      const { account, passedAt } = erasure;
      if (passedAt === undefined) {
        // The second pass begins at the beginning, where the first one did not.
        await saveErasure(tx, { ...erasure, passedAt: time, ...(erasure.since && { cursors: {} }) });
        await appendAudit(tx, node, { event: "audit.erase", outcome: "done", account, time }, random);
      } else if (isDue(erasure, time)) {
        await deleteErasure(tx, account);
      }
    }
  });
}
