import { newId } from "@postern/shared/ids";
import { putCallback } from "../../../src/records/challenges/callback.js";
import { findChallenge, type OpenChallenge } from "../../../src/records/challenges/challenge.js";
import { type OutboxMessage, scanShelf } from "../../../src/records/challenges/outbox.js";
import { answerChallenge } from "../../../src/services/challenges/answer.js";
import { type BirthDay, parseBirthDate } from "../../../src/services/challenges/calendar.js";
import { type ChallengeWish, createChallenge } from "../../../src/services/challenges/create.js";
import { optionsOf } from "../../../src/services/challenges/question.js";
import { DEFAULT_REPLY_TO_HOSTS, parseReplyTo, parseReplyToHosts } from "../../../src/services/challenges/reply-to.js";
import type { ServiceContext } from "../../../src/services/context.js";
import { ann, type Desk, MINUTE, NOW } from "../applications/support.js";

export const hosts = parseReplyToHosts(DEFAULT_REPLY_TO_HOSTS);
export const birthDay: BirthDay = parseBirthDate("1984-02-29", NOW);
export const phone = { address: "198.51.100.9", client: "Firefox" };

/** What most applications ask for. */
export const wish: ChallengeWish = {
  subject: ann,
  question: { kind: "birth_date_choice", birthDay },
  lifetime: MINUTE,
  replyTo: parseReplyTo("https://wa.me/15550100", hosts),
};

/** A page that was made, and what only its record knows. */
export async function asked(desk: Desk, more: Partial<ChallengeWish> = {}) {
  const { context, shop } = desk;
  const { shown, url = "" } = await createChallenge(context, { address: "192.0.2.7", client: "bot/1" }, shop, {
    ...wish,
    ...more,
  });
  const pageId = url.slice(url.lastIndexOf("/") + 1);
  const stored = () => context.barrier.read((tx) => findChallenge(tx, shop.application, shown.id));
  const open = (await stored()) as OpenChallenge;
  const wrong = (open.right + 1) % optionsOf(open.page).length;
  const answer = (choice: number, by: ServiceContext = context) =>
    answerChallenge(by, phone, { pageId, choice, language: "es" });
  return { id: shown.id, shown, url, pageId, open, right: open.right, wrong, answer, stored };
}

/** A callback of the desk's shop, and what is in the outbox for it. */
export async function newCallback({ context, shop }: Desk, name = "bot") {
  const id = newId("callback", context.random);
  const target = { kind: "webhook", url: "https://bot.example/", secret: context.random(32) } as const;
  await context.barrier.transact((tx) =>
    putCallback(tx, { id, application: shop.application, name, createdAt: NOW, target }),
  );
  const outbox = async (): Promise<OutboxMessage[]> => {
    const { shelved } = await context.barrier.read((tx) => scanShelf(tx, { callback: id, shelf: 0 }, { limit: 100 }));
    return shelved.map(({ message }) => message);
  };
  return { id, outbox };
}
