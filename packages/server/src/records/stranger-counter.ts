import type { SealedReadTransaction, SealedWriteTransaction } from "../barrier/barrier.js";
import { type Budget, budgetKind, untouchedBudget } from "./budget.js";
import { asToday, recordCodec } from "./codec.js";
import { type IntactScan, scanIntact } from "./intact.js";
import { recordKey, recordRange } from "./keys.js";
import { count, flag, instant, type ValueOf } from "./kinds.js";
import { missable, record } from "./record-kind.js";

/**
 * The password budget that strangers have for one name, known or not: it stands under the name's keyed hash, apart
 * from the account, so that both kinds of name count alike.
 */
const codec = recordCodec(budgetKind, { format: 2, former: asToday(budgetKind) });

export async function getStrangerCounter(tx: SealedReadTransaction, nameIndex: Buffer): Promise<Budget> {
  const stored = await tx.get(recordKey("strangerCounter", nameIndex));
  return stored ? codec.decode(stored) : untouchedBudget;
}

export async function putStrangerCounter(
  tx: SealedWriteTransaction,
  nameIndex: Buffer,
  counter: Budget,
): Promise<void> {
  await tx.put(recordKey("strangerCounter", nameIndex), codec.encode(counter));
}

export async function deleteStrangerCounter(tx: SealedWriteTransaction, nameIndex: Buffer): Promise<void> {
  await tx.delete(recordKey("strangerCounter", nameIndex));
}

/** So many are held at once, of all that stand between the first and the last of those who are looked for. */
const BETWEEN = 1024;

/**
 * The counters of many names at once, by their keyed hash in hex; `nameIndexes` are in ascending order. It is one walk
 * along the records: a read for each name would cost ten times as much.
 */
export async function findStrangerCounters(
  tx: SealedReadTransaction,
  nameIndexes: readonly Buffer[],
): Promise<Map<string, Budget>> {
  const found = new Map<string, Budget>();
  const [first, last] = [nameIndexes[0], nameIndexes.at(-1)];
  if (first === undefined || last === undefined) return found;
  const wanted = new Set(nameIndexes.map((nameIndex) => nameIndex.toString("hex")));
  const { to } = recordRange("strangerCounter", last);
  let from: Buffer | undefined = recordKey("strangerCounter", first);
  while (from !== undefined) {
    const { records, next }: IntactScan<Budget> = await scanIntact(tx, { from, to, limit: BETWEEN }, codec.decode);
    for (const { key, value } of records) {
      const index = key.toString("hex", 1);
      if (wanted.has(index)) found.set(index, value);
    }
    from = next;
  }
  return found;
}

/** One page of counters in the order of their keys, with the keys of the damaged ones, and the key to go on from. */
export async function scanStrangerCounters(
  tx: SealedReadTransaction,
  after: Buffer | undefined,
  limit: number,
): Promise<{ counters: { key: Buffer; counter: Budget }[]; damaged: readonly Buffer[]; next: Buffer | undefined }> {
  const range = recordRange("strangerCounter");
  const { records, ...rest } = await scanIntact(tx, { ...range, from: after ?? range.from, limit }, codec.decode);
  return { counters: records.map(({ key, value }) => ({ key, counter: value })), ...rest };
}

/** How many new counters were made in the hour that began at `hour`. One record, so that its size is bounded. */
const quotaKind = record({
  hour: instant,
  made: count,
  /** Whether the log tells of somebody who was turned away in this hour. */
  noted: missable(flag, false),
});
export type CounterQuota = ValueOf<typeof quotaKind>;

const quotaCodec = recordCodec(quotaKind, { format: 2, former: asToday(quotaKind) });

export async function getCounterQuota(tx: SealedReadTransaction): Promise<CounterQuota> {
  const stored = await tx.get(recordKey("counterQuota"));
  return stored ? quotaCodec.decode(stored) : { hour: 0, made: 0, noted: false };
}

export async function putCounterQuota(tx: SealedWriteTransaction, quota: CounterQuota): Promise<void> {
  await tx.put(recordKey("counterQuota"), quotaCodec.encode(quota));
}
