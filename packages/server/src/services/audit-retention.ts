import type { NodeId } from "@postern/shared/ids";
import type { SealedReadTransaction, SealedWriteTransaction } from "../barrier/barrier.js";
import { chainStart, firstKept, putAnchor, signAnchor } from "../records/audit-anchor.js";
import { ChainVerifier, entryHash, parseEntry } from "../records/audit-chain.js";
import { damaged } from "../records/audit-checkpoint.js";
import { appendAudit, auditHead } from "../records/audit-log.js";
import { deleteEntry, readTexts, type Span } from "../records/audit-stored.js";
import { ensureAuditKey } from "./audit-key.js";
import { AUDIT_PAGE, pagesOf } from "./audit-pages.js";
import type { AuditContext } from "./context.js";
import { chainsOf, labelOf, ofChain } from "./nodes.js";

/** What is to be removed of one chain: `count` entries, all before the index `before`. */
export interface Pruning {
  readonly node: NodeId;
  /** As of `labelOf`: whose chain it is, where there are several. */
  readonly label: string | undefined;
  readonly before: number;
  readonly count: number;
}

/**
 * What of each chain is older than `cutoff` (milliseconds since 1970): all up to the first entry that is not. So a
 * younger entry in front keeps those behind it, and a clock that once ran ahead loses nothing. The newest stays.
 */
export async function planPruning({ barrier }: AuditContext, cutoff: number): Promise<Pruning[]> {
  const read = pagesOf(barrier);
  const plan: Pruning[] = [];
  const chains = await chainsOf(barrier);
  for (const chain of chains) {
    const { node } = chain;
    const label = labelOf(chains, chain);
    const first = await read((tx) => firstKept(tx, node));
    const { length } = await ofChain(label, () => read((tx) => auditHead(tx, node)));
    let before = first;
    for (let from = first; from === before && from < length - 1; from += AUDIT_PAGE) {
      const to = Math.min(from + AUDIT_PAGE, length - 1);
      before = await read((tx) => firstSince(tx, node, { from, to, cutoff }));
    }
    if (before > first) plan.push({ node, label, before, count: before - first });
  }
  return plan;
}

/** The index of the first entry of a page that is as young as `cutoff`, or cannot be read; `to` when there is none. */
async function firstSince(
  tx: SealedReadTransaction,
  node: string,
  { from, to, cutoff }: Span & { readonly cutoff: number },
): Promise<number> {
  const young = (await readTexts(tx, node, { from, to })).findIndex((text) => {
    const entry = parseEntry(text ?? "");
    return entry === undefined || entry.time >= cutoff;
  });
  return young === -1 ? to : from + young;
}

/**
 * Removes what was planned, with its personal fields: a batch a transaction, which leaves a signed anchor in place of
 * the entries. With the first batch of a chain `audit.prune` is appended to the chain that `context` writes, with the
 * reason `before_<index>`, and of which chain where it is another one.
 * Returns how many entries it removed: fewer where another process has removed them already.
 * @throws PosternError `audit_damaged` when what is to go does not hold together, and then nothing of that batch goes
 */
export async function pruneAudit(context: AuditContext, plan: readonly Pruning[], batch = AUDIT_PAGE): Promise<number> {
  let removed = 0;
  for (const { node, label, before } of plan) {
    let count: number;
    let told = false;
    do {
      const step = { node, label, before, batch, told };
      count = await ofChain(label, () => context.barrier.transact((tx) => pruneBatch(context, tx, step)));
      removed += count;
      told = true;
    } while (count > 0);
  }
  return removed;
}

/** Removes what is older than so many milliseconds. Returns how many entries those were. */
export async function keepAuditFor(context: AuditContext, milliseconds: number): Promise<number> {
  return pruneAudit(context, await planPruning(context, context.now() - milliseconds));
}

interface Batch extends Pick<Pruning, "node" | "label"> {
  readonly before: number;
  readonly batch: number;
  /** Whether the log tells of this already. */
  readonly told: boolean;
}

async function pruneBatch(
  context: AuditContext,
  tx: SealedWriteTransaction,
  { node, label, before, batch, told }: Batch,
): Promise<number> {
  const chain = { store: context.barrier.storeId, node };
  const start = await chainStart(tx, chain);
  const first = Math.min(before, start.first + batch);
  if (first <= start.first) return 0;
  const key = await ensureAuditKey(tx, context);
  const prev = await linkOf(tx, node, { ...start, to: first });
  for (let index = start.first; index < first; index++) await deleteEntry(tx, node, index);
  const time = context.now();
  await putAnchor(tx, node, signAnchor(key, chain, { first, prev, time }));
  if (!told) {
    const of = node === context.node ? "" : ` of ${label ?? node}`;
    const event = { event: "audit.prune", outcome: "done", reason: `before_${before}${of}`, time } as const;
    await appendAudit(tx, context.node, event, context.random);
  }
  return first - start.first;
}

/**
 * What the entry `to` points to, once every entry before it, and it, is known to hold: an anchor never stands for
 * something that was damaged.
 */
async function linkOf(
  tx: SealedReadTransaction,
  node: string,
  { first, prev, to }: { first: number; prev: string; to: number },
): Promise<string> {
  const verifier = new ChainVerifier({ first, prev });
  const texts = await readTexts(tx, node, { from: first, to: to + 1 });
  for (const text of texts) {
    const bad = verifier.next(text);
    if (bad !== undefined) throw damaged(`entry ${bad.firstBad} is ${bad.why}`);
  }
  const last = texts.at(-1) ?? "";
  const verdict = verifier.end({ length: to + 1, hash: entryHash(last) });
  const kept = parseEntry(last);
  if (!verdict.ok) throw damaged(`entry ${verdict.firstBad} is ${verdict.why}`);
  if (kept === undefined) throw damaged(`entry ${to} is not an audit entry`);
  return kept.prev;
}
