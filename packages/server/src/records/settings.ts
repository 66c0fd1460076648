import type { NodeId } from "@postern/shared/ids";
import type { SealedReadTransaction, SealedWriteTransaction } from "../barrier/barrier.js";
import { recordCodec } from "./codec.js";
import { recordKey } from "./keys.js";
import { instant, text, type ValueOf } from "./kinds.js";
import { record } from "./record-kind.js";

/** What the store knows of itself. */
const schema = record({
  node: text<NodeId>(),
  createdAt: instant,
});
export type Settings = ValueOf<typeof schema>;

const codec = recordCodec(schema, { format: 1 });

export async function getSettings(tx: SealedReadTransaction): Promise<Settings | undefined> {
  const stored = await tx.get(recordKey("settings"));
  return stored && codec.decode(stored);
}

export async function putSettings(tx: SealedWriteTransaction, settings: Settings): Promise<void> {
  await tx.put(recordKey("settings"), codec.encode(settings));
}
