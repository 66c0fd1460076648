import { PosternError } from "@postern/shared/errors";
import type { NodeId } from "@postern/shared/ids";
import type { SealedReadTransaction } from "../barrier/barrier.js";
import { type Anchor, type ChainName, chainStart, firstKept } from "./audit-anchor.js";
import {
  type AuditEntry,
  type BadEntry,
  type ChainHead,
  type ChainStart,
  type ChainVerdict,
  ChainVerifier,
  parseEntry,
} from "./audit-chain.js";
import { auditHead, beyondHead } from "./audit-log.js";
import { entryKey, type Fields, fieldsMatch, readFields, readTexts, type Span } from "./audit-stored.js";
import { orDamaged } from "./intact.js";
import { idBytes, recordRange } from "./keys.js";
import { namedNodes } from "./node.js";

/** Runs a function on a snapshot of its own, so that a long chain is not read in one breath. */
export type ReadPage = <T>(fn: (tx: SealedReadTransaction) => Promise<T>) => Promise<T>;

export interface VerifyOptions {
  /** A head that the chain once had, by a checkpoint. */
  readonly saved?: ChainHead | undefined;
  /** Hears each entry that holds, a page's after it was read; some of them again where retention got in between. */
  readonly heard?: ((entry: AuditEntry) => void) | undefined;
  readonly pageSize?: number;
}

/**
 * The nodes that have a chain in this store, in the order of their ids: `own`, each that has a head, and each that has
 * a name, so that a chain which was taken away as a whole but for its name is missed.
 * @throws PosternError `audit_damaged` when entries stand there of a node that has no head
 */
export async function auditNodes(tx: SealedReadTransaction, own: string): Promise<NodeId[]> {
  const heads = await tx.scan(recordRange("auditHead"));
  const named = await namedNodes(tx);
  const known = [idBytes(own), ...heads.map(({ key }) => key.subarray(1)), ...named.map(({ node }) => idBytes(node))];
  const ids = new Set(known.map((id) => id.toString("hex")));
  const nodes = [...ids].sort().map((id): NodeId => `nod_${id}`);
  let { from } = recordRange("auditEntry");
  for (const node of nodes) {
    const range = recordRange("auditEntry", idBytes(node));
    await refuseEntries(tx, { from, to: range.from }, "there are entries of a chain that has no head");
    from = range.to;
  }
  await refuseEntries(tx, { ...recordRange("auditEntry"), from }, "there are entries of a chain that has no head");
  return nodes;
}

/** Both ends of a chain. */
export interface ChainEnds {
  readonly start: ChainStart & { readonly anchor: Anchor | undefined };
  readonly head: ChainHead;
}

/**
 * The ends of a chain, with nothing beyond them: an older head, or a later anchor, that was put there would leave
 * entries behind.
 * @throws PosternError `audit_damaged`
 */
export async function chainEnds(tx: SealedReadTransaction, chain: ChainName): Promise<ChainEnds> {
  const head = await auditHead(tx, chain.node);
  const start = await chainStart(tx, chain);
  const { from, to } = recordRange("auditEntry", idBytes(chain.node));
  await refuseEntries(tx, { from: entryKey(chain.node, head.length), to }, beyondHead(head).detail);
  const before = { from, to: entryKey(chain.node, start.first) };
  await refuseEntries(tx, before, `there are entries before the chain's anchor at ${start.first}`);
  return { start, head };
}

async function refuseEntries(
  tx: SealedReadTransaction,
  range: { from: Buffer; to: Buffer },
  detail: string | undefined,
): Promise<void> {
  const found = await orDamaged(() => tx.scan({ ...range, limit: 1 }));
  if (found === "damaged" || found.length > 0) throw new PosternError("audit_damaged", { ...(detail && { detail }) });
}

/**
 * Verifies a whole chain from its anchor or origin to its head, and every personal field that is still there against
 * its commitment.
 * @throws PosternError `audit_damaged` when an end of the chain is missing, forged or not the chain's; `usage` when
 *   `saved` is older than what is kept
 */
export async function verifyAudit(
  page: ReadPage,
  chain: ChainName,
  { saved, heard, pageSize = 128 }: VerifyOptions = {},
): Promise<ChainVerdict> {
  const { start, head } = await page((tx) => chainEnds(tx, chain));
  const verifier = new ChainVerifier(start, saved);
  for (let from = start.first; from < head.length; from += pageSize) {
    const to = Math.min(from + pageSize, head.length);
    const rows = await page((tx) => verifiedRows(tx, chain.node, verifier, { from, to }));
    if (rows === "removed") return verifyAudit(page, chain, { saved, heard, pageSize });
    if (!Array.isArray(rows)) return rows;
    for (const { entry } of rows) heard?.(entry);
  }
  return verifier.end(head);
}

/** An entry that its chain holds, with its text and what is left of its personal fields. */
export interface VerifiedRow {
  readonly text: string;
  readonly entry: AuditEntry;
  readonly fields: Fields;
}

/** The next rows of a walk, or where it fails; "removed" when retention has meanwhile gone past it. */
export async function verifiedRows(
  tx: SealedReadTransaction,
  node: string,
  verifier: ChainVerifier,
  span: Span,
): Promise<VerifiedRow[] | BadEntry | "removed"> {
  if ((await firstKept(tx, node)) > span.from) return "removed";
  const texts = await readTexts(tx, node, span);
  const fieldsOfPage = await readFields(tx, node, span);
  const rows: VerifiedRow[] = [];
  for (const [offset, text] of texts.entries()) {
    const entry = text === undefined ? undefined : parseEntry(text);
    const verdict = verifier.next(text, entry);
    if (verdict !== undefined) return verdict;
    const fields = fieldsOfPage[offset] ?? "damaged";
    if (!fieldsMatch(fields, entry))
      return { ok: false, firstBad: span.from + offset, why: "not what it committed to" };
    if (text !== undefined && entry !== undefined) rows.push({ text, entry, fields });
  }
  return rows;
}
