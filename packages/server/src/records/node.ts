import { PosternError } from "@postern/shared/errors";
import type { NodeId } from "@postern/shared/ids";
import type { SealedReadTransaction, SealedWriteTransaction } from "../barrier/barrier.js";
import { recordCodec } from "./codec.js";
import { scanIntact } from "./intact.js";
import { recordKey, recordRange } from "./keys.js";
import { instant, text, type ValueOf } from "./kinds.js";
import { record } from "./record-kind.js";

/** What a node is called: as much of a host's name as fits into a column, and into a label of a metric. */
const nodeNameForm = /^(?=.{1,32}$)[a-z0-9]+(?:-+[a-z0-9]+)*$/;
declare const nodeNameBrand: unique symbol;
export type NodeName = string & { readonly [nodeNameBrand]: true };

/** Also of what others wrote, to be shown. */
export const isNodeName = (text: unknown): text is NodeName => typeof text === "string" && nodeNameForm.test(text);

/** Who writes under this name writes the chain that was made with the store, as operators' commands do. */
export const OWN_CHAIN = "store" as NodeName;

/** @throws PosternError `usage` */
export function parseNodeName(text: string): NodeName {
  if (isNodeName(text)) return text;
  const detail = "--node takes 1 to 32 of a-z, 0-9 and -, with a letter or digit at both ends";
  throw new PosternError("usage", { detail });
}

/** What a node is called when nobody says: its host's name without the domain, made to fit. */
export function nodeNameOf(hostname: string): NodeName {
  const [label = ""] = hostname.toLowerCase().split(".");
  const fitting = label.replace(/[^a-z0-9]+/g, "-").slice(0, 32);
  const name = fitting.replace(/^-+|-+$/g, "");
  // A host that is called as the store's own chain is has one of its own all the same.
  return isNodeName(name) && name !== OWN_CHAIN ? name : ("node" as NodeName);
}

/** A name that servers have run under, and the audit chain that is theirs from then on. */
const schema = record({
  name: text<NodeName>(isNodeName),
  node: text<NodeId>((id) => /^nod_[0-9a-f]{32}$/.test(id)),
  since: instant,
});
export type NamedNode = ValueOf<typeof schema>;

const codec = recordCodec(schema, { format: 1 });

/** No person's name has a colon: that a node is called as somebody is does not show. */
export const indexedAs = (name: NodeName): string => `node:${name}`;

/** `nameIndex` is the barrier's keyed hash of `indexedAs`. @throws PosternError `store_damaged` */
export async function findNode(tx: SealedReadTransaction, nameIndex: Buffer): Promise<NamedNode | undefined> {
  const stored = await tx.get(recordKey("node", nameIndex));
  return stored && codec.decode(stored);
}

export async function putNode(tx: SealedWriteTransaction, nameIndex: Buffer, node: NamedNode): Promise<void> {
  await tx.put(recordKey("node", nameIndex), codec.encode(node));
}

/** All nodes that there ever were. One whose record does not open has lost its name, and nothing else. */
export async function namedNodes(tx: SealedReadTransaction): Promise<NamedNode[]> {
  const { records } = await scanIntact(tx, recordRange("node"), codec.decode);
  return records.map(({ value }) => value);
}
