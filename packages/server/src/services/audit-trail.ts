import type { Barrier } from "../barrier/barrier.js";
import type { ChainVerdict } from "../records/audit-chain.js";
import { type AuditRow, auditHead, type DamagedRow, readAudit, verifyAudit } from "../records/audit-log.js";
import { readSettings } from "./store.js";

const PAGE = 256;

/** The last `limit` entries of this store's chain, oldest first, read in pages: each is a snapshot of its own. */
export async function* auditTrail(barrier: Barrier, limit: number): AsyncGenerator<AuditRow | DamagedRow> {
  const { node } = await readSettings(barrier);
  const { length } = await barrier.read((tx) => auditHead(tx, node));
  for (let from = Math.max(0, length - limit); from < length; from += PAGE) {
    yield* await barrier.read((tx) => readAudit(tx, node, { from, limit: Math.min(PAGE, length - from) }));
  }
}

/** Whether the chain holds from its first entry to its head, and where it first does not. */
export async function verifyTrail(barrier: Barrier): Promise<ChainVerdict> {
  const { node } = await readSettings(barrier);
  return verifyAudit((fn) => barrier.read(fn), node);
}
