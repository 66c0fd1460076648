import { PosternError } from "@postern/shared/errors";
import type { NodeId } from "@postern/shared/ids";
import type { Barrier } from "../barrier/barrier.js";
import { type AuditEntry, type BadEntry, ChainVerifier, parseEntry } from "../records/audit-chain.js";
import { type Checkpoint, damaged, savedHeads } from "../records/audit-checkpoint.js";
import { auditHead, readAudit } from "../records/audit-log.js";
import type { AuditPublicKey } from "../records/audit-signature.js";
import { readTexts } from "../records/audit-stored.js";
import { chainEnds, verifyAudit } from "../records/audit-verify.js";
import { type AuditFilter, auditMatcher } from "./audit-filter.js";
import { storedPublicKey } from "./audit-key.js";
import { Forward, lastRuns, type ReadRows, type Row, type SizedChain } from "./audit-merge.js";
import { AUDIT_PAGE, pagesOf } from "./audit-pages.js";
import { addedNode, chainsOf, labelled, labelOf, ofChain } from "./nodes.js";

/** An entry as it is listed, with the name of the node that wrote it. */
export type TrailRow = Row & { readonly node: string };

/**
 * The last `limit` entries of this store's log that pass the filter, oldest first: of all chains by time. A page at a time
 * is read, from the end on, until there are so many; only their places are kept. A damaged entry passes every filter but
 * that of the node, since nobody can say that it would not.
 * @throws PosternError `node_unknown`; `audit_damaged` when the head of a chain is missing
 */
export async function* auditTrail(barrier: Barrier, limit: number, filter: AuditFilter = {}): AsyncGenerator<TrailRow> {
  const read = pagesOf(barrier);
  const rows: ReadRows = (node, span) => read((tx) => readAudit(tx, node, span));
  const chains = await sizedChains(barrier, filter.node);
  const passes = await auditMatcher(barrier, filter, () => allPages(rows, chains));
  const [only] = chains;
  const whole = passes === undefined && chains.length === 1 && only !== undefined;
  const runs = whole
    ? [{ chain: only, from: Math.max(0, only.length - limit), to: only.length }]
    : await lastRuns(rows, chains, { limit, passes: passes ?? (() => true) });
  const chainRows = new Map(chains.map((chain) => [chain, new Forward(rows, chain)]));
  for (let run = runs.pop(); run !== undefined; run = runs.pop()) {
    const { name } = run.chain;
    for await (const page of chainRows.get(run.chain)?.rows(run) ?? []) {
      yield* page.map((row) => ({ ...row, node: name }));
    }
  }
}

/** How wide the names of all nodes are that have a chain; undefined where there is one chain, which needs no name. */
export async function nodeColumn(barrier: Barrier): Promise<number | undefined> {
  const chains = await chainsOf(barrier);
  return chains.length > 1 ? Math.max(...chains.map(({ name }) => name.length)) : undefined;
}

async function sizedChains(barrier: Barrier, name: string | undefined): Promise<SizedChain[]> {
  const chains = await chainsOf(barrier);
  const meant = name === undefined ? chains : chains.filter((chain) => chain.name === name);
  if (meant.length === 0) throw new PosternError("node_unknown");
  return barrier.read(async (tx) => {
    const sized: SizedChain[] = [];
    for (const chain of meant) {
      const { length } = await ofChain(labelOf(chains, chain), () => auditHead(tx, chain.node));
      sized.push({ ...chain, length });
    }
    return sized;
  });
}

async function* allPages(read: ReadRows, chains: readonly SizedChain[]): AsyncGenerator<Row[]> {
  for (const chain of chains) yield* new Forward(read, chain).rows({ from: 0, to: chain.length });
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
 * Whether the ends of all chains hold together, up to their heads; the first entry of each that is looked at is taken at
 * its word.
 * @throws PosternError `audit_damaged` when a head is missing, or not the chain's
 */
export async function auditTail(barrier: Barrier): Promise<AuditTail> {
  const chains = await chainsOf(barrier);
  let [checked, lastTime]: [number, number | undefined] = [0, undefined];
  for (const chain of chains) {
    const label = labelOf(chains, chain);
    const tail = await ofChain(label, () => tailOf(barrier, chain.node));
    checked += tail.checked;
    if (tail.lastTime !== undefined) lastTime = Math.max(tail.lastTime, lastTime ?? 0);
    const { verdict } = tail;
    if (verdict !== undefined) return { checked, lastTime, verdict: { ...verdict, ...labelled(label) } };
  }
  return { checked, lastTime, verdict: undefined };
}

async function tailOf(barrier: Barrier, node: NodeId): Promise<AuditTail> {
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

/** What is kept of all chains, and of each by its node's name. */
export interface SoundTrail {
  readonly ok: true;
  /** How many entries retention has removed of all chains, and how many there ever were. */
  readonly first: number;
  readonly length: number;
  readonly chains: readonly { readonly node: string; readonly first: number; readonly length: number }[];
}

/**
 * Whether every chain of the store holds from its first entry to its head, and where it first does not; and whether there
 * is a chain for every node that the entries tell of.
 * @throws PosternError `audit_damaged` where it is no entry that fails but what frames them; `usage` when the
 *   checkpoint is older than all that is kept
 */
export async function verifyTrail(barrier: Barrier, options: TrailOptions = {}): Promise<SoundTrail | BadEntry> {
  const saved = await savedBy(barrier, options);
  const chains = await chainsOf(barrier);
  const has = (node: string) => chains.some((chain) => chain.node === node);
  if (![...saved.keys()].every(has)) throw damaged("a chain that the checkpoint names is missing");
  const told = new Map<NodeId, string>();
  const sound: SoundTrail["chains"][number][] = [];
  for (const chain of chains) {
    const { node, name } = chain;
    const label = labelOf(chains, chain);
    const heard = (entry: AuditEntry) => {
      const added = addedNode(entry);
      if (added !== undefined) told.set(added.node, added.name);
    };
    const how = { saved: saved.get(node), heard };
    const verdict = await ofChain(label, () => verifyAudit(pagesOf(barrier), { store: barrier.storeId, node }, how));
    if (!verdict.ok) return { ...verdict, ...labelled(label) };
    sound.push({ node: name, first: verdict.first, length: verdict.length });
  }
  await refuseMissing(barrier, told);
  const sum = (of: "first" | "length") => sound.reduce((all, chain) => all + chain[of], 0);
  return { ok: true, first: sum("first"), length: sum("length"), chains: sound };
}

/** Looked at last: a node may have begun while its chain's beginning was read of. */
async function refuseMissing(barrier: Barrier, told: ReadonlyMap<NodeId, string>): Promise<void> {
  const present = new Set((await chainsOf(barrier)).map(({ node }) => node));
  for (const [node, name] of told) if (!present.has(node)) throw damaged(`the chain of ${name} is missing`);
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
