import type { ApplicationId, ChallengeId } from "@postern/shared/ids";
import type { SealedReadTransaction, SealedWriteTransaction } from "../../barrier/barrier.js";
import { recordCodec } from "../codec.js";
import { getIntact, scanIntact } from "../intact.js";
import { idBytes, recordKey, recordRange } from "../keys.js";
import { count, flag, instant, integer, list, text, type ValueOf, words } from "../kinds.js";
import { optional, record, tagged } from "../record-kind.js";

/**
 * A challenge: a question that an application has put to a person by a page. What the page shows, which option is the
 * right one, and where the person goes then stand here while it is open. Of one that has ended there is only what came
 * of it.
 */
const facts = {
  id: text<ChallengeId>(),
  application: text<ApplicationId>(),
  subject: text(),
  /** The language of the page; absent where it goes by the person's browser. */
  locale: optional(text()),
  createdAt: instant,
  expiresAt: instant,
};

/** What the page asks: days and sums in their order, without "none of these", which stands behind them. */
const pageSchema = tagged("question", {
  birth_date_choice: record({ question: words("birth_date_choice"), days: list(integer) }),
  birth_date_sum: record({ question: words("birth_date_sum"), sums: list(integer) }),
  own: record({ question: words("own"), text: text(), options: list(text()) }),
});

const openSchema = record({
  ...facts,
  state: words("open"),
  page: pageSchema,
  /** Which of the options is the right one, from 0 on. */
  right: count,
  replyTo: text(),
  /** Whom to tell, with what that one asks for. */
  callback: optional(record({ name: text(), clientId: optional(text()), flow: optional(text()), onExpiry: flag })),
});

const endFacts = { ...facts, question: words("birth_date_choice", "birth_date_sum", "own"), endedAt: instant };
const answeredSchema = record({
  ...endFacts,
  state: words("answered"),
  result: words("right", "wrong"),
});
const unansweredSchema = record({ ...endFacts, state: words("expired", "cancelled") });

export type ChallengePage = ValueOf<typeof pageSchema>;
export type QuestionKind = ChallengePage["question"];
export type OpenChallenge = ValueOf<typeof openSchema>;
export type EndedChallenge = ValueOf<typeof answeredSchema> | ValueOf<typeof unansweredSchema>;
export type Challenge = OpenChallenge | EndedChallenge;

const ofState = { open: openSchema, answered: answeredSchema, expired: unansweredSchema, cancelled: unansweredSchema };

const codec = recordCodec(tagged("state", ofState), { format: 1 });

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
