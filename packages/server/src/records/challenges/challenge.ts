import type { ApplicationId, ChallengeId } from "@postern/shared/ids";
import { z } from "zod";
import type { SealedReadTransaction, SealedWriteTransaction } from "../../barrier/barrier.js";
import { instant, recordCodec } from "../codec.js";
import { getIntact, scanIntact } from "../intact.js";
import { idBytes, recordKey, recordRange } from "../keys.js";

/**
 * A challenge: a question that an application has put to a person by a page. What the page shows, which option is the
 * right one, and where the person goes then stand here while it is open. Of one that has ended there is only what came
 * of it.
 */
const facts = {
  id: z.custom<ChallengeId>((value) => typeof value === "string"),
  application: z.custom<ApplicationId>((value) => typeof value === "string"),
  subject: z.string(),
  /** The language of the page; absent where it goes by the person's browser. */
  locale: z.string().optional(),
  createdAt: instant,
  expiresAt: instant,
};

/** What the page asks: days and sums in their order, without "none of these", which stands behind them. */
const pageSchema = z.discriminatedUnion("question", [
  z.strictObject({ question: z.literal("birth_date_choice"), days: z.array(z.number().int()) }),
  z.strictObject({ question: z.literal("birth_date_sum"), sums: z.array(z.number().int()) }),
  z.strictObject({ question: z.literal("own"), text: z.string(), options: z.array(z.string()) }),
]);

const openSchema = z.strictObject({
  ...facts,
  state: z.literal("open"),
  page: pageSchema,
  /** Which of the options is the right one, from 0 on. */
  right: z.number().int().nonnegative(),
  replyTo: z.string(),
  /** Whom to tell, with what that one asks for. */
  callback: z
    .strictObject({
      name: z.string(),
      clientId: z.string().optional(),
      flow: z.string().optional(),
      onExpiry: z.boolean(),
    })
    .optional(),
});

const endFacts = { ...facts, question: z.enum(["birth_date_choice", "birth_date_sum", "own"]), endedAt: instant };
const answeredSchema = z.strictObject({
  ...endFacts,
  state: z.literal("answered"),
  result: z.enum(["right", "wrong"]),
});
const unansweredSchema = z.strictObject({ ...endFacts, state: z.enum(["expired", "cancelled"]) });

export type ChallengePage = z.infer<typeof pageSchema>;
export type QuestionKind = ChallengePage["question"];
export type OpenChallenge = z.infer<typeof openSchema>;
export type EndedChallenge = z.infer<typeof answeredSchema> | z.infer<typeof unansweredSchema>;
export type Challenge = OpenChallenge | EndedChallenge;

const codec = recordCodec(z.discriminatedUnion("state", [openSchema, answeredSchema, unansweredSchema]), { format: 1 });

const challengeKey = (application: ApplicationId, id: ChallengeId) =>
  recordKey("challenge", idBytes(application), idBytes(id));

/** A damaged record is no challenge: nothing is right by it. */
export function findChallenge(
  tx: SealedReadTransaction,
  application: ApplicationId,
  id: ChallengeId,
): Promise<Challenge | undefined> {
  return getIntact(tx, challengeKey(application, id), codec.decode);
}

export async function putChallenge(tx: SealedWriteTransaction, challenge: Challenge): Promise<void> {
  await tx.put(challengeKey(challenge.application, challenge.id), codec.encode(challenge));
}

/** At most `limit` of an application's from behind `after` on, in the order of their ids; and those that do not open. */
export async function scanChallenges(
  tx: SealedReadTransaction,
  application: ApplicationId,
  after: ChallengeId | undefined,
  limit: number,
): Promise<{ records: readonly Challenge[]; damaged: readonly ChallengeId[] }> {
  const range = recordRange("challenge", idBytes(application));
  const from = after === undefined ? range.from : Buffer.concat([challengeKey(application, after), Buffer.of(0)]);
  const { records, damaged } = await scanIntact(tx, { ...range, from, limit }, codec.decode);
  return {
    records: records.map(({ value }) => value),
    damaged: damaged.map((key): ChallengeId => `chl_${key.toString("hex", OWN_BYTES)}`),
  };
}

/** Where the bytes of its own id begin in a key. */
const OWN_BYTES = 17;

/** One page of all applications' in the order of their keys, with the damaged ones, and the key to go on from. */
export function scanAllChallenges(
  tx: SealedReadTransaction,
  after: Buffer | undefined,
  limit: number,
): Promise<{
  records: readonly { key: Buffer; value: Challenge }[];
  damaged: readonly Buffer[];
  next: Buffer | undefined;
}> {
  const range = recordRange("challenge");
  return scanIntact(tx, { ...range, from: after ?? range.from, limit }, codec.decode);
}

/** Changes one page of them, and gives the key to go on from. One that is damaged stays as it is. */
export async function changeChallenges(
  tx: SealedWriteTransaction,
  after: Buffer | undefined,
  limit: number,
  change: (challenge: Challenge) => Challenge,
): Promise<{ next: Buffer | undefined }> {
  const { records, next } = await scanAllChallenges(tx, after, limit);
  for (const { key, value } of records) await tx.put(key, codec.encode(change(value)));
  return { next };
}
