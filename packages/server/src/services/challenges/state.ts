import type { ChallengeId } from "@postern/shared/ids";
import { z } from "zod";
import type { SealedWriteTransaction } from "../../barrier/barrier.js";
import {
  type Challenge,
  type EndedChallenge,
  type OpenChallenge,
  putChallenge,
  type QuestionKind,
} from "../../records/challenges/challenge.js";
import { deleteOpenPage, type OpenPage } from "../../records/challenges/open-page.js";
import type { Told } from "../context.js";

/** So far apart may the clocks of two machines be that serve one store. */
export const CLOCKS_APART_MS = 5_000;

/**
 * Whether a page's time is not over. A clock that is well before the page was made was set back since: the page would
 * have more time than it was given.
 */
export function isInTime({ createdAt, expiresAt }: OpenPage, now: number): boolean {
  return createdAt <= now + CLOCKS_APART_MS && now < expiresAt;
}

/** When a challenge whose time is over ended. */
export const expiredAt = ({ expiresAt }: OpenPage, now: number) => Math.min(expiresAt, now);

export function questionOf(challenge: Challenge): QuestionKind {
  return challenge.state === "open" ? challenge.page.question : challenge.question;
}

/** How a challenge ends. */
export type End =
  | { readonly state: "answered"; readonly result: "right" | "wrong"; readonly endedAt: number }
  | { readonly state: "expired" | "cancelled"; readonly endedAt: number };

/** Of what was asked and what is right nothing is left: only what came of it. */
export function ended(challenge: OpenChallenge, end: End): EndedChallenge {
  const { id, application, subject, locale, createdAt, expiresAt, page } = challenge;
  const facts = { id, application, subject, createdAt, expiresAt, question: page.question };
  return { ...facts, ...(locale !== undefined && { locale }), ...end };
}

/** Ends a challenge, and its page with it. */
export async function endChallenge(
  tx: SealedWriteTransaction,
  challenge: OpenChallenge,
  end: End,
): Promise<EndedChallenge> {
  const over = ended(challenge, end);
  await putChallenge(tx, over);
  await deleteOpenPage(tx, challenge.id);
  return over;
}

/** How the log names a challenge; `language` is that in which the page was shown, or will be. */
export function aboutChallenge(
  challenge: Challenge,
  language: string | undefined = challenge.locale,
): Pick<Told, "application" | "subject" | "challenge" | "reason"> {
  const { application, subject, id } = challenge;
  const question = questionOf(challenge);
  return { application, subject, challenge: id, reason: language === undefined ? question : `${question} ${language}` };
}

/** What an application sees of a challenge: never which option is right. Times in milliseconds since 1970. */
export const shownChallengeSchema = z.strictObject({
  id: z.custom<ChallengeId>((value) => typeof value === "string"),
  subject: z.string(),
  question: z.enum(["birth_date_choice", "birth_date_sum", "own"]),
  locale: z.string().optional(),
  state: z.enum(["open", "answered", "expired", "cancelled"]),
  result: z.enum(["right", "wrong"]).optional(),
  createdAt: z.number(),
  expiresAt: z.number(),
  endedAt: z.number().optional(),
});
export type ShownChallenge = z.infer<typeof shownChallengeSchema>;

/** As it is at `now`: one whose time is over has expired, though nobody has noted it yet. */
export function shownChallenge(challenge: Challenge, now: number): ShownChallenge {
  if (challenge.state === "open" && !isInTime(challenge, now)) {
    return shownChallenge(ended(challenge, { state: "expired", endedAt: expiredAt(challenge, now) }), now);
  }
  const { id, subject, locale, state, createdAt, expiresAt } = challenge;
  return {
    id,
    subject,
    question: questionOf(challenge),
    ...(locale !== undefined && { locale }),
    state,
    ...(challenge.state === "answered" && { result: challenge.result }),
    createdAt,
    expiresAt,
    ...(challenge.state !== "open" && { endedAt: challenge.endedAt }),
  };
}
