import { randomInt } from "node:crypto";
import { PosternError } from "@postern/shared/errors";
import type { HttpsClient } from "../../connection/https-client.js";
import { choicesIn, pagePathIn } from "./challenge-replies.js";
import type { Timed } from "./run-load.js";

/** An application that makes challenges, and their persons. */
export interface ChallengeLoad {
  readonly client: Pick<HttpsClient, "send">;
  /** An API key for challenges. */
  readonly key: string;
  /** Begins the subject of every challenge. */
  readonly subject: string;
}

/** A link that is for no browser, and that no list of hosts has to allow. */
const REPLY_TO = "tel:+15550100";

/** Seconds. */
const LIFETIME = 300;

/**
 * One challenge: the application makes it, its person opens the page and gives an answer, right or wrong. It is done when
 * the server sends the person on to the reply-to link, which is not followed.
 * @throws PosternError what the API refused with; `page_not_shown`, `answer_not_taken`; as `HttpsClient.send`
 */
export async function loadChallenge(load: ChallengeLoad, number: number, timed: Timed): Promise<void> {
  const { client } = load;
  const path = await timed("create", async () => pagePathIn(await client.send(creation(load, number))));
  const choices = await timed("view", async () => choicesIn(await client.send({ method: "GET", path })));
  const choice = choices[randomInt(choices.length)];
  const headers = { "content-type": "application/x-www-form-urlencoded" };
  const body = `choice=${choice}`;
  await timed("answer", async () => {
    const { status, headers: told } = await client.send({ method: "POST", path, headers, body });
    if (status !== 303 || told.location !== REPLY_TO) {
      throw new PosternError("answer_not_taken", { detail: `status ${status}` });
    }
  });
}

function creation({ key, subject }: ChallengeLoad, number: number) {
  const body = {
    subject: `${subject}-${number}`,
    question: questionOf(number),
    expires_in: LIFETIME,
    reply_to: REPLY_TO,
  };
  const headers = { authorization: `Bearer ${key}`, "content-type": "application/json" };
  return { method: "POST", path: "/v1/challenges", headers, body: JSON.stringify(body) } as const;
}

/** Of every kind in turn; the date is another one each time. */
function questionOf(number: number): object {
  const kind = (["own", "birth_date_choice", "birth_date_sum"] as const)[number % 3];
  if (kind === "own") {
    return { kind, text: "Which of these is your street?", answer: "Elm Road", decoys: ["Oak Lane", "Mill Street"] };
  }
  const day = new Date(Date.UTC(1950, 0, 1 + (number % 18_000)));
  return { kind, birth_date: day.toISOString().slice(0, 10) };
}
