import type { SealedReadTransaction, SealedWriteTransaction } from "../barrier/barrier.js";
import { recordCodec } from "./codec.js";
import { recordKey } from "./keys.js";
import { instant, type ValueOf, words } from "./kinds.js";
import { optional, record } from "./record-kind.js";

export const logLevels = ["error", "warn", "info", "debug"] as const;

/** How much every server of the store logs, in place of what each was started with. */
const schema = record({
  level: words(...logLevels),
  setAt: instant,
  /** Undefined: until it is cleared. */
  until: optional(instant),
});
export type StoredLogLevel = ValueOf<typeof schema>;
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
