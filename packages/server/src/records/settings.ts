import type { NodeId } from "@postern/shared/ids";
import { z } from "zod";
import type { SealedReadTransaction, SealedWriteTransaction } from "../barrier/barrier.js";
import { instant, recordCodec } from "./codec.js";
import { recordKey } from "./keys.js";

/** What the store knows of itself. */
const schema = z.strictObject({
  node: z.custom<NodeId>((value) => typeof value === "string"),
  createdAt: instant,
});
export type Settings = z.infer<typeof schema>;

const codec = recordCodec(schema, { format: 1 });

export async function getSettings(tx: SealedReadTransaction): Promise<Settings | undefined> {
  const stored = await tx.get(recordKey("settings"));
  return stored && codec.decode(stored);
}

export async function putSettings(tx: SealedWriteTransaction, settings: Settings): Promise<void> {
  await tx.put(recordKey("settings"), codec.encode(settings));
}
