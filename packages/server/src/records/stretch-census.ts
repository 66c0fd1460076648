import { PosternError } from "@postern/shared/errors";
import type { SealedReadTransaction, SealedWriteTransaction } from "../barrier/barrier.js";
import { recordCodec } from "./codec.js";
import { recordKey } from "./keys.js";
import { count, list, ordinal, share, type ValueOf } from "./kinds.js";
import { record } from "./record-kind.js";

/** Which generation new verifiers are stretched with, and how many accounts are on which. The rules are services/stretching. */
const schema = record({
  current: ordinal,
  /** By rising generation; the last one is the current one. */
  generations: list(
    record({
      generation: ordinal,
      accounts: count,
      /** How many accounts there were, on it and on older ones, when the next one took its place; before that 0. */
      base: count,
      /** The share of unknown names that are answered as if on this generation or an older one; it never grows. */
      threshold: share,
    }),
    1,
  ),
});
export type StretchCensus = ValueOf<typeof schema>;

const codec = recordCodec(schema, { format: 1 });

export async function findStretchCensus(tx: SealedReadTransaction): Promise<StretchCensus | undefined> {
  const stored = await tx.get(recordKey("stretchCensus"));
  return stored && codec.decode(stored);
}

/** @throws PosternError `store_damaged` when there is none */
export async function getStretchCensus(tx: SealedReadTransaction): Promise<StretchCensus> {
  const census = await findStretchCensus(tx);
  if (census === undefined) throw new PosternError("store_damaged", { detail: "the stretch census is missing" });
  return census;
}

export async function putStretchCensus(tx: SealedWriteTransaction, census: StretchCensus): Promise<void> {
  await tx.put(recordKey("stretchCensus"), codec.encode(census));
}
