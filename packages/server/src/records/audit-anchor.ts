import { PosternError } from "@postern/shared/errors";
import type { SealedReadTransaction, SealedWriteTransaction } from "../barrier/barrier.js";
import { type ChainStart, chainBegin, hashForm } from "./audit-chain.js";
import { type AuditKey, getAuditKey } from "./audit-key.js";
import { type AuditPublicKey, formatPublicKey, isSignedBy, signText } from "./audit-signature.js";
import { recordCodec } from "./codec.js";
import { orDamaged } from "./intact.js";
import { idBytes, recordKey, recordRange } from "./keys.js";
import { instant, ordinal, text, type ValueOf } from "./kinds.js";
import { record } from "./record-kind.js";

/**
 * Where retention has removed the oldest entries of a chain, an anchor stands for them: it says with which entry the
 * chain begins now and what that entry points to, signed by the audit key.
 */
const schema = record({
  first: ordinal,
  prev: text((hex) => hashForm.test(hex)),
  /** When the entries before `first` were removed; milliseconds since 1970. */
  time: instant,
  signature: text(),
});
export type Anchor = ValueOf<typeof schema>;

const codec = recordCodec(schema, { format: 1 });

/** Whose chain an anchor is of. */
export interface ChainName {
  readonly store: string;
  readonly node: string;
}

export function signAnchor(key: AuditKey, chain: ChainName, anchor: Omit<Anchor, "signature">): Anchor {
  return { ...anchor, signature: signText(key.privateKey, anchorText(chain, anchor)) };
}

export function isAnchorSigned(key: AuditPublicKey, chain: ChainName, anchor: Anchor): boolean {
  return isSignedBy(key, anchorText(chain, anchor), anchor.signature);
}

function anchorText({ store, node }: ChainName, { first, prev, time }: Omit<Anchor, "signature">): string {
  return JSON.stringify({ format: "postern-audit-anchor", version: 1, store, node, first, prev, time });
}

export async function getAnchor(tx: SealedReadTransaction, node: string): Promise<Anchor | undefined> {
  const stored = await tx.get(recordKey("auditAnchor", idBytes(node)));
  return stored && codec.decode(stored);
}

export async function putAnchor(tx: SealedWriteTransaction, node: string, anchor: Anchor): Promise<void> {
  await tx.put(recordKey("auditAnchor", idBytes(node)), codec.encode(anchor));
}

/** Whether anything was ever removed from any chain of this store. */
export async function hasAnchors(tx: SealedReadTransaction): Promise<boolean> {
  return (await tx.scan({ ...recordRange("auditAnchor"), limit: 1 })).length > 0;
}

/** The index of the first entry that is kept, as the store says it: for reading, not for judging. */
export async function firstKept(tx: SealedReadTransaction, node: string): Promise<number> {
  return (await getAnchor(tx, node))?.first ?? 0;
}

/**
 * Where a chain begins, by an anchor whose signature holds; with the anchor itself where there is one.
 * @throws PosternError `audit_damaged` when the anchor does not open, or is not signed by this store's audit key
 */
export async function chainStart(
  tx: SealedReadTransaction,
  chain: ChainName,
): Promise<ChainStart & { readonly anchor: Anchor | undefined }> {
  const anchor = await orDamaged(() => getAnchor(tx, chain.node));
  if (anchor === undefined) return { ...chainBegin(chain.node), anchor };
  const key = await orDamaged(() => getAuditKey(tx));
  const keyHolds = key !== undefined && key !== "damaged" && anchor !== "damaged";
  if (!keyHolds || !isAnchorSigned(formatPublicKey(key.publicKey), chain, anchor)) {
    throw new PosternError("audit_damaged", { detail: "the chain's anchor is not signed by the store's audit key" });
  }
  return { first: anchor.first, prev: anchor.prev, anchor };
}
