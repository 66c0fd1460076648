import type { ApplicationId, ChallengeId } from "@postern/shared/ids";
import type { SealedReadTransaction, SealedWriteTransaction } from "../../barrier/barrier.js";
import { recordCodec } from "../codec.js";
import { getIntact, scanIntact } from "../intact.js";
import { idBytes, recordKey, recordRange } from "../keys.js";
import { instant, text, type ValueOf } from "../kinds.js";
import { record } from "../record-kind.js";

/**
 * Of a page whose challenge is open: whose it is, and for how long. It goes in the transaction that ends the challenge.
 * So a page that has ended is looked for, and not found, as one that nobody made; and what is due to end is found among
 * the open ones alone.
 */
const schema = record({
  application: text<ApplicationId>(),
  createdAt: instant,
  expiresAt: instant,
});
export type OpenPage = ValueOf<typeof schema>;

const codec = recordCodec(schema, { format: 1 });

const pageKey = (id: ChallengeId) => recordKey("challengePage", idBytes(id));

/** A damaged record is no page. */
export function findOpenPage(tx: SealedReadTransaction, id: ChallengeId): Promise<OpenPage | undefined> {
  return getIntact(tx, pageKey(id), codec.decode);
}

export async function putOpenPage(tx: SealedWriteTransaction, id: ChallengeId, page: OpenPage): Promise<void> {
  await tx.put(pageKey(id), codec.encode(page));
}

export async function deleteOpenPage(tx: SealedWriteTransaction, id: ChallengeId): Promise<void> {
  await tx.delete(pageKey(id));
}

/** One page of them in the order of their ids, with the keys of the damaged ones, and the key to go on from. */
export async function scanOpenPages(
  tx: SealedReadTransaction,
  after: Buffer | undefined,
  limit: number,
): Promise<{
  pages: readonly { id: ChallengeId; page: OpenPage }[];
  damaged: readonly Buffer[];
  next: Buffer | undefined;
}> {
  const range = recordRange("challengePage");
  const { records, ...rest } = await scanIntact(tx, { ...range, from: after ?? range.from, limit }, codec.decode);
  return { pages: records.map(({ key, value }) => ({ id: `chl_${key.toString("hex", 1)}`, page: value })), ...rest };
}
