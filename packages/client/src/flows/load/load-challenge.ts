import { randomInt } from "node:crypto";
import { isErrorCode, PosternError } from "@postern/shared/errors";
import { z } from "zod";
import type { HttpsClient, HttpsReply } from "../../connection/https-client.js";
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
  const path = await timed("create", async () => pathOf(await client.send(creation(load, number))));
  const choices = await timed("view", async () => choicesOf(await client.send({ method: "GET", path })));
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

const created = z.object({ url: z.string() });
const problem = z.object({ code: z.string(), retry_after: z.number().optional() });

/** Of the link that a page is reached by, the path alone: the page is asked for where the load is put, wherever else it leads. */
function pathOf({ status, body }: HttpsReply): string {
  const said = parsed(body);
  const made = created.safeParse(said);
  const path = made.success ? /\/c\/[A-Za-z0-9_-]{22}$/.exec(made.data.url)?.[0] : undefined;
  if (status === 201 && path !== undefined) return path;
  const { data: refusal } = problem.safeParse(said);
  if (status >= 400 && refusal !== undefined && isErrorCode(refusal.code)) {
    const { retry_after: retryAfter } = refusal;
    throw new PosternError(refusal.code, retryAfter === undefined ? {} : { retryAfter });
  }
  throw new PosternError("server_failed", { detail: `status ${status}` });
}

function parsed(body: string): unknown {
  try {
    return JSON.parse(body);
  } catch {
    return undefined;
  }
}

/** The answers that a page offers. A page without any is not the one that was made, whatever else it shows. */
function choicesOf({ status, body }: HttpsReply): readonly string[] {
  const fields = [...body.matchAll(/<(?:input|button)\b[^>]*>/gi)].map(([field]) => field);
  const choices = fields
    .filter((field) => /\bname="choice"/.test(field))
    .flatMap((field) => /\bvalue="(\d{1,2})"/.exec(field)?.[1] ?? []);
  if (status !== 200 || choices.length === 0) throw new PosternError("page_not_shown", { detail: `status ${status}` });
  return choices;
}
