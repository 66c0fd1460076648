import { PosternError } from "@postern/shared/errors";
import { badEntryText, ChainVerifier } from "../records/audit-chain.js";
import { type Checkpoint, checkpointLine, damaged, signCheckpoint } from "../records/audit-checkpoint.js";
import { exportedChain, headerLine, MAX_LINE_BYTES, newHeader, rowLine } from "../records/audit-export.js";
import { type ChainEnds, chainEnds, type VerifiedRow, verifiedRows } from "../records/audit-verify.js";
import { auditKeyOf } from "./audit-key.js";
import { AUDIT_PAGE, pagesOf } from "./audit-pages.js";
import type { AuditContext } from "./context.js";
import { labelled, labelOf, namedChains, ofChain } from "./nodes.js";
import { readSettings } from "./store.js";

interface WholeChain extends ChainEnds {
  readonly node: string;
  /** As of `labelOf`. */
  readonly label: string | undefined;
}

/**
 * Signs what every chain is now. Nothing is walked: that the chain holds, an export or `verify` says.
 * @throws PosternError `audit_damaged` when an end of a chain is missing or not the chain's
 */
export async function takeCheckpoint(context: AuditContext): Promise<Checkpoint> {
  return (await checkpointAndChains(context)).checkpoint;
}

async function checkpointAndChains(
  context: AuditContext,
): Promise<{ checkpoint: Checkpoint; chains: readonly WholeChain[] }> {
  const { barrier, now } = context;
  const { node: own } = await readSettings(barrier);
  const store = barrier.storeId;
  const key = await auditKeyOf(context);
  const chains = await barrier.read(async (tx) => {
    const found: WholeChain[] = [];
    const all = await namedChains(tx, own);
    // Both lines, the header and the checkpoint, have them in the order of their ids.
    for (const chain of [...all].sort((a, b) => (a.node < b.node ? -1 : 1))) {
      const { node } = chain;
      const label = labelOf(all, chain);
      found.push({ node, label, ...(await ofChain(label, () => chainEnds(tx, { store, node }))) });
    }
    return found;
  });
  const ends = chains.map(({ node, start: { first, prev }, head }) => ({ node, first, prev, ...head }));
  return { checkpoint: signCheckpoint(key, { store, time: now(), chains: ends }), chains };
}

/**
 * The whole log as lines, several to a piece: header, entries, checkpoint. The checkpoint is taken first, and the
 * entries end with it, however the log grows meanwhile; it is handed out only when the entries that were handed out
 * lead up to it.
 * @throws PosternError `audit_damaged` at the first entry that does not hold, `busy` when retention has meanwhile
 *   removed entries that were still to come
 */
export async function* exportAudit(context: AuditContext): AsyncGenerator<string, Checkpoint> {
  const { checkpoint, chains } = await checkpointAndChains(context);
  const { store, time, key } = checkpoint;
  const exported = chains.map(({ node, start, head }) => exportedChain(node, start, head.length));
  yield linesOf([headerLine(newHeader({ store, time, key }, exported))]);
  for (const chain of chains) yield* exportChain(context, chain);
  yield linesOf([checkpointLine(checkpoint)]);
  return checkpoint;
}

async function* exportChain(
  { barrier }: AuditContext,
  { node, label, start, head }: WholeChain,
): AsyncGenerator<string> {
  const read = pagesOf(barrier);
  const verifier = new ChainVerifier(start);
  for (let from = start.first; from < head.length; from += AUDIT_PAGE) {
    const to = Math.min(from + AUDIT_PAGE, head.length);
    const rows = await read((tx) => verifiedRows(tx, node, verifier, { from, to }));
    yield linesOf(sound(rows, label).map(rowLine));
  }
  const verdict = verifier.end(head);
  if (!verdict.ok) throw damaged(badEntryText({ ...verdict, ...labelled(label) }));
}

function sound(rows: Awaited<ReturnType<typeof verifiedRows>>, label: string | undefined): readonly VerifiedRow[] {
  if (rows === "removed") {
    throw new PosternError("busy", { detail: "entries were removed from the log while it was exported" });
  }
  if (!Array.isArray(rows)) throw damaged(badEntryText({ ...rows, ...labelled(label) }));
  return rows;
}

function linesOf(lines: readonly string[]): string {
  if (lines.some((line) => line.length > MAX_LINE_BYTES)) {
    throw new PosternError("bug", { detail: "a line of an audit export is too long" });
  }
  return lines.map((line) => `${line}\n`).join("");
}
