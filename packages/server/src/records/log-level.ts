import { z } from "zod";
import type { SealedReadTransaction, SealedWriteTransaction } from "../barrier/barrier.js";
import { instant, recordCodec } from "./codec.js";
import { recordKey } from "./keys.js";

export const logLevels = ["error", "warn", "info", "debug"] as const;

/** How much every server of the store logs, in place of what each was started with. */
const schema = z.strictObject({
  level: z.enum(logLevels),
  setAt: instant,
  /** Undefined: until it is cleared. */
  until: instant.optional(),
});
export type StoredLogLevel = z.infer<typeof schema>;
export type LogLevel = StoredLogLevel["level"];

const codec = recordCodec(schema, { format: 1 });

export async function findLogLevel(tx: SealedReadTransaction): Promise<StoredLogLevel | undefined> {
  const stored = await tx.get(recordKey("logLevel"));
  return stored && codec.decode(stored);
}

export async function putLogLevel(tx: SealedWriteTransaction, level: StoredLogLevel): Promise<void> {
  await tx.put(recordKey("logLevel"), codec.encode(level));
}

export async function deleteLogLevel(tx: SealedWriteTransaction): Promise<void> {
  await tx.delete(recordKey("logLevel"));
}
