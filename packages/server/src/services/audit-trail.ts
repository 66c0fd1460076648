import type { NodeId } from "@postern/shared/ids";
import type { Barrier } from "../barrier/barrier.js";
import { type BadEntry, type ChainVerdict, ChainVerifier, parseEntry } from "../records/audit-chain.js";
import { type Checkpoint, damaged, savedHeads } from "../records/audit-checkpoint.js";
import { type AuditRow, auditHead, type DamagedRow, readAudit } from "../records/audit-log.js";
import type { AuditPublicKey } from "../records/audit-signature.js";
import { readTexts, type Span } from "../records/audit-stored.js";
import { auditNodes, chainEnds, type ReadPage, verifyAudit } from "../records/audit-verify.js";
import { type AuditFilter, auditMatcher } from "./audit-filter.js";
import { storedPublicKey } from "./audit-key.js";
import { AUDIT_PAGE, pagesOf } from "./audit-pages.js";
import { readSettings } from "./store.js";

type Row = AuditRow | DamagedRow;

/**
 * The last `limit` entries of this store's chain that pass the filter, oldest first. A page at a time is read, from the
 * end on, until there are so many; only their indices are kept. A damaged entry passes every filter, since nobody can
 * say that it would not.
 */
export async function* auditTrail(barrier: Barrier, limit: number, filter: AuditFilter = {}): AsyncGenerator<Row> {
  const { node } = await readSettings(barrier);
  const { length } = await barrier.read((tx) => auditHead(tx, node));
  const read = pagesOf(barrier);
  const page: Page = (span) => read((tx) => readAudit(tx, node, span));
  const passes = await auditMatcher(barrier, filter, () => pagesForward(page, { from: 0, to: length }));
  if (passes === undefined) {
    for await (const rows of pagesForward(page, { from: Math.max(0, length - limit), to: length })) yield* rows;
    return;
  }
  const found = await lastIndices(page, length, { limit, passes });
  for (let index = found.pop(); index !== undefined; index = found.pop()) {
    yield* await page({ from: index, to: index + 1 });
  }
}

type Page = (span: Span) => Promise<Row[]>;

async function* pagesForward(page: Page, { from, to }: Span): AsyncGenerator<Row[]> {
  for (let at = from; at < to; at += AUDIT_PAGE) yield await page({ from: at, to: Math.min(at + AUDIT_PAGE, to) });
}

/** The indices of the last `limit` entries that pass, the last one first. */
async function lastIndices(
  page: Page,
  length: number,
  { limit, passes }: { limit: number; passes: (row: Row) => boolean },
): Promise<number[]> {
  const found: number[] = [];
  for (let to = length; to > 0; to -= AUDIT_PAGE) {
    const rows = await page({ from: Math.max(0, to - AUDIT_PAGE), to });
    // Retention has removed all that there was from here on.
    if (rows.length === 0) break;
    for (const row of rows.reverse()) {
      if (passes(row)) found.push(row.index);
      if (found.length === limit) return found;
    }
  }
  return found;
}

export interface AuditTail {
  /** How many entries were walked. */
  readonly checked: number;
  /** Where they do not hold together; undefined when they do. */
  readonly verdict: BadEntry | undefined;
  /** When the last one was written. */
  readonly lastTime: number | undefined;
}

const TAIL = 8 * AUDIT_PAGE;

/**
 * Whether the end of a chain holds together, up to its head; the first entry that is looked at is taken at its word.
 * @throws PosternError `audit_damaged` when the head is missing, or not the chain's
 */
export async function auditTail(barrier: Barrier, node: NodeId): Promise<AuditTail> {
  return barrier.read(async (tx) => {
    const { start, head } = await chainEnds(tx, { store: barrier.storeId, node });
    const first = Math.max(start.first, head.length - TAIL);
    const texts = await readTexts(tx, node, { from: first, to: head.length });
    const [eldest] = texts;
    const prev = first === start.first ? start.prev : eldest && parseEntry(eldest)?.prev;
    const verifier = new ChainVerifier({ first, prev: prev ?? "" });
    const checked = texts.length;
    let lastTime: number | undefined;
    for (const text of texts) {
      const entry = text === undefined ? undefined : parseEntry(text);
      const verdict = verifier.next(text, entry);
      if (verdict !== undefined) return { checked, verdict, lastTime };
      lastTime = entry?.time;
    }
    const verdict = verifier.end(head);
    return { checked, verdict: verdict.ok ? undefined : verdict, lastTime };
  });
}

export interface TrailOptions {
  /** A checkpoint that was kept elsewhere: nothing that it names may be gone or changed. */
  readonly checkpoint?: Checkpoint | undefined;
  /** The public key as it was noted elsewhere; else the store's own word is taken for it. */
  readonly publicKey?: AuditPublicKey | undefined;
}

/**
 * Whether every chain of the store holds from its first entry to its head, and where it first does not.
 * @throws PosternError `audit_damaged` where it is no entry that fails but what frames them; `usage` when the
 *   checkpoint is older than all that is kept
 */
export async function verifyTrail(barrier: Barrier, options: TrailOptions = {}): Promise<ChainVerdict> {
  const { node: own } = await readSettings(barrier);
  const saved = await savedBy(barrier, options);
  const read: ReadPage = pagesOf(barrier);
  const nodes = await read((tx) => auditNodes(tx, own));
  for (const node of saved.keys()) {
    if (!nodes.some((one) => one === node)) throw damaged("a chain that the checkpoint names is missing");
  }
  const sum = { ok: true as const, first: 0, length: 0 };
  for (const node of nodes) {
    const verdict = await verifyAudit(read, { store: barrier.storeId, node }, { saved: saved.get(node) });
    if (!verdict.ok) return verdict;
    sum.first += verdict.first;
    sum.length += verdict.length;
  }
  return sum;
}

async function savedBy(
  barrier: Barrier,
  { checkpoint, publicKey }: TrailOptions,
): Promise<ReturnType<typeof savedHeads>> {
  if (checkpoint === undefined && publicKey === undefined) return new Map();
  const key = await storedPublicKey(barrier);
  if (key === undefined) throw damaged("the store has no audit key");
  if (publicKey !== undefined && publicKey !== key) throw damaged("the store's audit key is not the given one");
  return checkpoint === undefined ? new Map() : savedHeads(checkpoint, { store: barrier.storeId, key });
}
