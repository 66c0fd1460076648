import { PosternError } from "@postern/shared/errors";
import { isId, type NodeId, newId } from "@postern/shared/ids";
import type { Barrier, SealedReadTransaction, SealedWriteTransaction } from "../barrier/barrier.js";
import type { AuditEntry } from "../records/audit-chain.js";
import { appendAudit, beginAudit } from "../records/audit-log.js";
import { auditNodes } from "../records/audit-verify.js";
import { findNode, indexedAs, isNodeName, type NodeName, namedNodes, OWN_CHAIN, putNode } from "../records/node.js";
import type { AuditContext } from "./context.js";
import { readSettings } from "./store.js";

/** A chain of the log, and how people call it: the node's name, or its id where the name is lost. */
export interface NamedChain {
  readonly node: NodeId;
  readonly name: string;
}

/**
 * So many names a store has at most: a checkpoint names every chain, and each costs `verify` something, for good. Who
 * gets near has hosts with made-up names, such as containers.
 */
const MOST_NODES = 1000;

/** What tells, in the store's own chain, that there is another one. */
const ADDED = "node.add";
/** The first entry of that one: under what name. */
const BEGUN = "node.begin";
/** The first entry of the store's own. */
const CREATED = "store.create";

type Tools = Pick<AuditContext, "now" | "random">;

/**
 * The chain that a server of this name writes; without one, that of the store itself. The first start of a name begins
 * its chain, in one transaction with an entry of the store's own that tells of it: so a chain cannot be taken away
 * unseen. Servers that are called alike write one chain, which is as good: its head is read and written in each
 * transaction.
 * @throws PosternError `nodes_full`, `store_damaged`, `audit_damaged`
 */
export async function joinNode(barrier: Barrier, tools: Tools, name: NodeName = OWN_CHAIN): Promise<NodeId> {
  const { node: own } = await readSettings(barrier);
  if (name === OWN_CHAIN) return own;
  const nameIndex = barrier.nameIndex(indexedAs(name));
  const known = await barrier.read((tx) => findNode(tx, nameIndex));
  if (known !== undefined) return known.node;
  return barrier.transact(async (tx) => {
    const stored = await findNode(tx, nameIndex);
    return stored?.node ?? (await addNode(tx, tools, { own, name, nameIndex }));
  });
}

async function addNode(
  tx: SealedWriteTransaction,
  { now, random }: Tools,
  { own, name, nameIndex }: { readonly own: NodeId; readonly name: NodeName; readonly nameIndex: Buffer },
): Promise<NodeId> {
  if ((await namedNodes(tx)).length >= MOST_NODES) throw new PosternError("nodes_full");
  const node = newId("node", random);
  const [time, outcome] = [now(), "done" as const];
  await putNode(tx, nameIndex, { name, node, since: time });
  await beginAudit(tx, node);
  await appendAudit(tx, own, { event: ADDED, outcome, reason: `${name} ${node}`, time }, random);
  await appendAudit(tx, node, { event: BEGUN, outcome, reason: name, time }, random);
  return node;
}

/** Which chain an entry says that there is, and under what name; undefined where it is about something else. */
export function addedNode({ event, reason = "" }: AuditEntry): NamedChain | undefined {
  const [name = "", node = ""] = event === ADDED ? reason.split(" ") : [];
  return isId("node", node) && isNodeName(name) ? { node, name } : undefined;
}

/** The same of a chain's own first entry, that of the store's own being the store's. */
export function begunNode(node: string, { index, event, reason }: AuditEntry): NamedChain | undefined {
  if (index !== 0 || !isId("node", node)) return undefined;
  if (event === CREATED) return { node, name: OWN_CHAIN };
  return event === BEGUN && isNodeName(reason) ? { node, name: reason } : undefined;
}

/** Every chain of the store by its name, that of the store itself in front. @throws PosternError as `auditNodes` */
export async function namedChains(tx: SealedReadTransaction, own: NodeId): Promise<NamedChain[]> {
  const names = new Map((await namedNodes(tx)).map(({ node, name }) => [node, name]));
  const others = (await auditNodes(tx, own)).filter((node) => node !== own);
  const named = others.map((node) => ({ node, name: names.get(node) ?? node }));
  return [{ node: own, name: OWN_CHAIN }, ...named.sort((a, b) => (a.name < b.name ? -1 : 1))];
}

/** The same outside of a transaction. */
export async function chainsOf(barrier: Barrier): Promise<NamedChain[]> {
  const { node } = await readSettings(barrier);
  return barrier.read((tx) => namedChains(tx, node));
}

/** What is said of one chain names it, where there are several. */
export const labelOf = (chains: readonly NamedChain[], chain: NamedChain | undefined): string | undefined =>
  chains.length > 1 ? chain?.name : undefined;

/** The field of a `labelOf`, where there is one. */
export const labelled = (label: string | undefined) => (label === undefined ? {} : { node: label });

/** Has what is said of a damaged chain name it, by its `labelOf`. */
export async function ofChain<T>(label: string | undefined, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (thrown) {
    const named = thrown instanceof PosternError && (thrown.code === "audit_damaged" || thrown.code === "usage");
    if (!named || label === undefined) throw thrown;
    throw new PosternError(thrown.code, {
      detail: `${label}: ${thrown.detail ?? "not as it was written"}`,
      cause: thrown,
    });
  }
}
