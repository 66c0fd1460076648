import type { ApplicationId, ChallengeId } from "@postern/shared/ids";
import type { SealedReadTransaction, SealedWriteTransaction } from "../../barrier/barrier.js";
import { budgetKind } from "../budget.js";
import { recordCodec } from "../codec.js";
import { scanIntact } from "../intact.js";
import { idBytes, recordKey, recordRange } from "../keys.js";
import { instant, list, text, type ValueOf } from "../kinds.js";
import { record } from "../record-kind.js";

/** How often an application has asked one subject, and how many answers in a row were wrong. */
const schema = record({
  budget: budgetKind,
  /** Pages that were made, of which some may have ended. */
  pages: list(text<ChallengeId>()),
  /** When the last one was made. */
  askedAt: instant,
});
export type Asking = ValueOf<typeof schema>;

const codec = recordCodec(schema, { format: 1 });

/** Whose it is; `subjectIndex`: the barrier's keyed hash of the application and its subject. */
export interface Asked {
  readonly application: ApplicationId;
  readonly subjectIndex: Buffer;
}

const askingKey = ({ application, subjectIndex }: Asked) => recordKey("asking", idBytes(application), subjectIndex);

/** What is damaged might have been a closed budget: nobody is asked by it. @throws PosternError `store_damaged` */
export async function findAsking(tx: SealedReadTransaction, asked: Asked): Promise<Asking | undefined> {
  const stored = await tx.get(askingKey(asked));
  return stored && codec.decode(stored);
}

export async function putAsking(tx: SealedWriteTransaction, asked: Asked, asking: Asking): Promise<void> {
  await tx.put(askingKey(asked), codec.encode(asking));
}

/** One page of them in the order of their keys, with the keys of the damaged ones, and the key to go on from. */
export async function scanAsking(
  tx: SealedReadTransaction,
  after: Buffer | undefined,
  limit: number,
): Promise<{
  records: readonly { key: Buffer; value: Asking }[];
  damaged: readonly Buffer[];
  next: Buffer | undefined;
}> {
  const range = recordRange("asking");
  return scanIntact(tx, { ...range, from: after ?? range.from, limit }, codec.decode);
}
