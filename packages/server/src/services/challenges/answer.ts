import type { ChallengeId } from "@postern/shared/ids";
import type { SealedWriteTransaction } from "../../barrier/barrier.js";
import { findChallenge, type OpenChallenge, type QuestionKind } from "../../records/challenges/challenge.js";
import { deleteOpenPage, findOpenPage } from "../../records/challenges/open-page.js";
import { audit, type Peer, type ServiceContext } from "../context.js";
import { noteAnswer } from "./asking.js";
import { expire, told } from "./expire.js";
import { tagForLog } from "./locale.js";
import { enqueueCallback } from "./outbox.js";
import { parsePageId } from "./page-id.js";
import { optionsOf, type PageOption } from "./question.js";
import { aboutChallenge, endChallenge, isInTime } from "./state.js";

/**
 * What a person does with a page, by its link alone. A page that nobody made, that was answered, cancelled, or whose time
 * is over, is the same: there is nothing to be seen or answered, and nothing tells which of them it was.
 */

/** What a page shows. Which option is right is not in it. */
export interface PageView {
  readonly question: QuestionKind;
  /** The application's own words, in its own question. */
  readonly text?: string;
  readonly options: readonly PageOption[];
  /** Undefined: as the person's browser says. */
  readonly locale?: string;
  /** Milliseconds since 1970. */
  readonly expiresAt: number;
}

/** Looks at a page, and changes nothing: programs that show a preview of a link do so before its person does. */
export async function viewPage({ barrier, now }: ServiceContext, pageId: string): Promise<PageView | undefined> {
  const id = parsePageId(pageId);
  if (id === undefined) return undefined;
  const challenge = await barrier.read(async (tx) => {
    const open = await findOpenPage(tx, id);
    return open && isInTime(open, now()) ? findChallenge(tx, open.application, id) : undefined;
  });
  if (challenge?.state !== "open" || !isInTime(challenge, now())) return undefined;
  const { page, locale, expiresAt } = challenge;
  return {
    question: page.question,
    ...(page.question === "own" && { text: page.text }),
    options: optionsOf(page),
    ...(locale !== undefined && { locale }),
    expiresAt,
  };
}

export interface Answer {
  readonly pageId: string;
  /** The place of an option, from 0 on. */
  readonly choice: number;
  /** The tag of the language in which the page was shown, for the log. */
  readonly language: string;
}

export type Answered =
  /** It counts, right or wrong, and is durable: on to where the application wants the person. */
  | { readonly kind: "answered"; readonly replyTo: string }
  /** None of the options was chosen: nothing has happened. */
  | { readonly kind: "unanswered" }
  | { readonly kind: "gone" };

/** Takes the one answer that a page takes. Of many at once exactly one counts. */
export async function answerChallenge(
  context: ServiceContext,
  peer: Peer,
  { pageId, choice, language }: Answer,
): Promise<Answered> {
  const id = parsePageId(pageId);
  // Who tries links that nobody made takes no place among the transactions that write.
  if (id === undefined || (await context.barrier.read((tx) => findOpenPage(tx, id))) === undefined) return gone;
  return context.barrier.transact(async (tx) => {
    const challenge = await findOpen(tx, id);
    if (challenge === undefined) return gone;
    if (!isInTime(challenge, context.now())) {
      await expire(context, tx, challenge, peer);
      return gone;
    }
    if (!Number.isInteger(choice) || choice < 0 || choice >= optionsOf(challenge.page).length) {
      return { kind: "unanswered" };
    }
    await end(context, tx, peer, challenge, { result: choice === challenge.right ? "right" : "wrong", language });
    return { kind: "answered", replyTo: challenge.replyTo };
  });
}

const gone = { kind: "gone" } as const;

/** A page without an open challenge, by damage, is none. */
async function findOpen(tx: SealedWriteTransaction, id: ChallengeId): Promise<OpenChallenge | undefined> {
  const open = await findOpenPage(tx, id);
  const challenge = open && (await findChallenge(tx, open.application, id));
  if (challenge?.state === "open") return challenge;
  if (open !== undefined) await deleteOpenPage(tx, id);
  return undefined;
}

async function end(
  context: ServiceContext,
  tx: SealedWriteTransaction,
  peer: Peer,
  challenge: OpenChallenge,
  { result, language }: { readonly result: "right" | "wrong"; readonly language: string },
): Promise<void> {
  const endedAt = context.now();
  await endChallenge(tx, challenge, { state: "answered", result, endedAt });
  await noteAnswer(context, tx, challenge, result);
  const outcome = result === "right" ? "granted" : "refused";
  const about = aboutChallenge(challenge, tagForLog(language));
  await audit(context, tx, peer, { ...about, event: "challenge.answer", outcome });
  const { application, id, subject, callback } = challenge;
  if (callback === undefined) return;
  await enqueueCallback(context, tx, {
    ...{ application, callback: callback.name, challenge: id, subject },
    ...{ event: "challenge.answered", result, occurredAt: endedAt },
    ...told(callback),
  });
}
