import { PosternError } from "@postern/shared/errors";
import type { SealedWriteTransaction } from "../../barrier/barrier.js";
import { findChallenge, type OpenChallenge, putChallenge } from "../../records/challenges/challenge.js";
import { putOpenPage } from "../../records/challenges/open-page.js";
import { type IdempotentRequest, recall, remember } from "../applications/idempotency.js";
import type { Owner, Subject } from "../applications/subject.js";
import { audit, type Peer, type ServiceContext } from "../context.js";
import { askOnceMore } from "./asking.js";
import { checkCallbackValues } from "./callbacks.js";
import { randomBytesOf } from "./draw.js";
import type { Locale } from "./locale.js";
import { findCallback } from "./outbox.js";
import { drawPageId } from "./page-id.js";
import { prepareQuestion, type Question } from "./question.js";
import type { ReplyTo } from "./reply-to.js";
import { aboutChallenge, type ShownChallenge, shownChallenge, shownChallengeSchema } from "./state.js";

/** For how long a page may be open, in milliseconds. */
export const pageLifetimeMs = { least: 10_000, most: 86_400_000 } as const;

export interface ChallengeWish {
  readonly subject: Subject;
  readonly question: Question;
  /** Undefined: the page goes by the person's browser. */
  readonly locale?: Locale | undefined;
  /** Milliseconds. */
  readonly lifetime: number;
  readonly replyTo: ReplyTo;
  /** Which callback of the application is told how it ends. */
  readonly callback?: OpenChallenge["callback"];
}

export interface CreatedChallenge {
  readonly shown: ShownChallenge;
  /** Where the page is; absent in the answer to a repeat. It is told here, and nowhere again. */
  readonly url?: string;
  /** Whether this answers a repeat: nothing was made. */
  readonly repeated: boolean;
}

/**
 * Makes a page.
 * @throws PosternError `callback_unknown`, `callback_value_invalid`, `idempotency_mismatch`, `rate_limited` for a subject
 *   that has been asked enough for now, `store_damaged`
 */
export async function createChallenge(
  context: ServiceContext,
  peer: Peer,
  owner: Pick<Owner, "application">,
  wish: ChallengeWish,
  request?: IdempotentRequest,
): Promise<CreatedChallenge> {
  const lay = prepareQuestion(context.barrier, wish.question);
  const made = await context.barrier.transact(async (tx) => {
    const before = await recall(context, tx, owner, request, shownChallengeSchema);
    if (before !== undefined) return { shown: await asItIs(context, tx, owner, before), repeated: true };
    await requireCallback(tx, owner, wish);
    const { text, id } = drawPageId(context.random);
    // Returned and not thrown: that somebody was turned away is to be on record.
    const retryAfter = await askOnceMore(context, tx, peer, { ...owner, subject: wish.subject, id });
    if (retryAfter !== undefined) return { retryAfter };
    const now = context.now();
    const { subject, lifetime, replyTo, locale, callback } = wish;
    const { application } = owner;
    const times = { createdAt: now, expiresAt: now + lifetime };
    const challenge: OpenChallenge = {
      ...{ id, application, subject, ...times, state: "open", replyTo },
      ...lay(randomBytesOf(context.random)),
      ...(locale !== undefined && { locale }),
      ...(callback !== undefined && { callback }),
    };
    await putChallenge(tx, challenge);
    await putOpenPage(tx, id, { application, ...times });
    const shown = shownChallenge(challenge, now);
    await remember(context, tx, owner, request, shown);
    await audit(context, tx, peer, { ...aboutChallenge(challenge), event: "challenge.create", outcome: "done" });
    return { shown, url: `${context.issuer()}/c/${text}`, repeated: false };
  });
  if ("retryAfter" in made) throw new PosternError("rate_limited", made);
  return made;
}

/** A challenge of an earlier request: as it is now, or as it was where it is kept no more. */
async function asItIs(
  { now }: ServiceContext,
  tx: SealedWriteTransaction,
  { application }: Pick<Owner, "application">,
  before: ShownChallenge,
): Promise<ShownChallenge> {
  const challenge = await findChallenge(tx, application, before.id);
  return challenge === undefined ? before : shownChallenge(challenge, now());
}

async function requireCallback(
  tx: SealedWriteTransaction,
  { application }: Pick<Owner, "application">,
  { callback }: ChallengeWish,
): Promise<void> {
  if (callback === undefined) return;
  const found = await findCallback(tx, application, callback.name);
  if (found === undefined) throw new PosternError("callback_unknown");
  checkCallbackValues(found, callback);
}
