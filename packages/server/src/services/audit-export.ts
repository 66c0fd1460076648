import { PosternError } from "@postern/shared/errors";
import { ChainVerifier } from "../records/audit-chain.js";
import { type Checkpoint, checkpointLine, damaged, signCheckpoint } from "../records/audit-checkpoint.js";
import { exportedChain, headerLine, MAX_LINE_BYTES, newHeader, rowLine } from "../records/audit-export.js";
import { auditNodes, type ChainEnds, chainEnds, type VerifiedRow, verifiedRows } from "../records/audit-verify.js";
import { auditKeyOf } from "./audit-key.js";
import { AUDIT_PAGE, pagesOf } from "./audit-pages.js";
import type { AuditContext } from "./context.js";

interface NamedChain extends ChainEnds {
  readonly node: string;
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
): Promise<{ checkpoint: Checkpoint; chains: readonly NamedChain[] }> {
  const { barrier, node: own, now } = context;
  const store = barrier.storeId;
  const key = await auditKeyOf(context);
  const chains = await barrier.read(async (tx) => {
    const found: NamedChain[] = [];
    for (const node of await auditNodes(tx, own)) found.push({ node, ...(await chainEnds(tx, { store, node })) });
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

async function* exportChain({ barrier }: AuditContext, { node, start, head }: NamedChain): AsyncGenerator<string> {
  const read = pagesOf(barrier);
  const verifier = new ChainVerifier(start);
  for (let from = start.first; from < head.length; from += AUDIT_PAGE) {
    const to = Math.min(from + AUDIT_PAGE, head.length);
    yield linesOf(sound(await read((tx) => verifiedRows(tx, node, verifier, { from, to }))).map(rowLine));
  }
  const verdict = verifier.end(head);
  if (!verdict.ok) throw damaged(`entry ${verdict.firstBad} is ${verdict.why}`);
}

function sound(rows: Awaited<ReturnType<typeof verifiedRows>>): readonly VerifiedRow[] {
  if (rows === "removed") {
    throw new PosternError("busy", { detail: "entries were removed from the log while it was exported" });
  }
  if (!Array.isArray(rows)) throw damaged(`entry ${rows.firstBad} is ${rows.why}`);
  return rows;
}

function linesOf(lines: readonly string[]): string {
  if (lines.some((line) => line.length > MAX_LINE_BYTES)) {
    throw new PosternError("bug", { detail: "a line of an audit export is too long" });
  }
  return lines.map((line) => `${line}\n`).join("");
}
