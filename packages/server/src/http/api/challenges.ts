import { idPattern } from "@postern/shared/ids";
import { z } from "zod";
import { isOneLine, parseSubject } from "../../services/applications/subject.js";
import { unlockSubject } from "../../services/challenges/asking.js";
import { parseBirthDate } from "../../services/challenges/calendar.js";
import { cancelChallenge, listChallenges, showChallenge } from "../../services/challenges/care.js";
import { type ChallengeWish, createChallenge, pageLifetimeMs } from "../../services/challenges/create.js";
import { parseLocale } from "../../services/challenges/locale.js";
import { ownLimits, parseOwnQuestion, type Question } from "../../services/challenges/question.js";
import { parseReplyTo } from "../../services/challenges/reply-to.js";
import type { ShownChallenge } from "../../services/challenges/state.js";
import type { App } from "../app.js";
import { peerOf } from "../peer.js";
import { callerOf, problem } from "./authorize.js";
import { idempotencyHeader, instant, iso, noQuery, pageQuery, reply, requestOf, subject } from "./credentials.js";
import type { ApiParts } from "./parts.js";

const id = idPattern("challenge");

const facts = {
  id: z.string().meta({
    description: "What callbacks and the audit log know it by. It tells nothing of the link.",
    examples: ["chl_1f0c3b5a9d7e46528a1b0c2d3e4f5a6b"],
  }),
  subject: z.string(),
  question: z.enum(["birth_date_choice", "birth_date_sum", "own"]).describe("What the page asks."),
  locale: z.string().optional().describe("The language of the page; absent where it goes by the person's browser."),
  state: z
    .enum(["open", "answered", "expired", "cancelled"])
    .describe("Once it is not `open` the page is gone, and it stays as it is. It is kept for 7 days more."),
  result: z.enum(["right", "wrong"]).optional().describe("Of the one answer."),
  created_at: instant("When it was made."),
  expires_at: instant("From then on nobody can answer it."),
  ended_at: instant("When it was answered or cancelled, or its time was over.").optional(),
};

const shownSchema = z
  .strictObject(facts)
  .meta({ id: "Challenge", description: "A challenge: never which answer is right, and never the link." });

const createdSchema = z
  .strictObject({
    ...facts,
    url: z
      .string()
      .optional()
      .meta({
        description:
          "The link to the page, for the person alone: who has it can answer. It is told this one time; absent in the reply to a repeated request.",
        examples: ["https://auth.example/c/3q2-7wAAAAAAAAAAAAAAAA"],
      }),
  })
  .meta({ id: "CreatedChallenge" });

const listSchema = z.strictObject({
  items: z.array(shownSchema),
  next_cursor: z.string().optional().describe("For the next page; absent on the last one."),
});

const questionSchema = z.discriminatedUnion("kind", [
  z.strictObject({
    kind: z
      .enum(["birth_date_choice", "birth_date_sum", "birth_date"])
      .describe(
        "`birth_date_choice`: which of five near dates, or none of them. `birth_date_sum`: what the day and the month of it add up to, of five sums, or none of them. `birth_date`: one of the two, by chance.",
      ),
    birth_date: z
      .string()
      .regex(/^[0-9]{4}-[0-9]{2}-[0-9]{2}$/)
      .meta({ description: "The true one, `YYYY-MM-DD`, from 1900-01-01 to today.", examples: ["1984-02-29"] }),
  }),
  z.strictObject({
    kind: z.literal("own"),
    text: z
      .string()
      .min(1)
      .max(2 * ownLimits.text)
      .describe("Your question: one line of at most 300 characters."),
    answer: z
      .string()
      .min(1)
      .max(2 * ownLimits.option)
      .describe("The right answer: one line of at most 100 characters."),
    decoys: z
      .array(
        z
          .string()
          .min(1)
          .max(2 * ownLimits.option),
      )
      .min(ownLimits.decoys.least)
      .max(ownLimits.decoys.most)
      .describe(
        "Wrong answers to hide it among, as plausible as it. Give the same ones each time: what two pages have in common gives the right one away.",
      ),
  }),
]);

const NAME_LENGTH_MAX = 64;
const VALUE_LENGTH_MAX = 256;

const value = z
  .string()
  .refine((text) => isOneLine(text, VALUE_LENGTH_MAX), `one line of 1 to ${VALUE_LENGTH_MAX} characters`);

const callbackSchema = z
  .strictObject({
    name: z.string().min(1).max(NAME_LENGTH_MAX).describe("Which of the callbacks that the operator has made for you."),
    client_id: value.optional().describe("Yours, to be told again with the outcome."),
    flow: value.optional().describe("Yours, to be told again with the outcome."),
    on_expiry: z.boolean().default(false).describe("Whether it is told also that nobody answered in time."),
  })
  .describe("Who is told the outcome. Without it, ask by GET.");

const createBody = z
  .strictObject({
    subject,
    question: questionSchema,
    locale: z
      .string()
      .min(2)
      .max(35)
      .optional()
      .meta({ description: "A language that the server has pages in.", examples: ["es"] }),
    expires_in: z
      .number()
      .int()
      .min(pageLifetimeMs.least / 1000)
      .max(pageLifetimeMs.most / 1000)
      .default(60)
      .describe("Seconds that the page is open."),
    reply_to: z
      .string()
      .min(1)
      .max(1024)
      .meta({
        description:
          "Where the person goes then, right or wrong: `https://` to a host that the operator allows, or a link of `whatsapp:`, `tg:`, `fb-messenger:`, `sgnl:`, `sms:` or `tel:`.",
        examples: ["https://wa.me/15550100"],
      }),
    callback: callbackSchema.optional(),
  })
  .meta({
    examples: [
      {
        subject: "user-4711",
        question: { kind: "birth_date", birth_date: "1984-02-29" },
        reply_to: "https://wa.me/15550100",
      },
    ],
  });

const params = z.strictObject({ id });
const config = { scope: "challenge" } as const;
const common = { tags: ["challenges"] };
const unknown = { 404: problem("`challenge_unknown`: you have no challenge of that id") };

/** `/v1/challenges`: pages that ask a person what they know. */
export function addChallengeRoutes(app: App, parts: ApiParts): void {
  const { services } = parts;
  app.post(
    "/v1/challenges",
    {
      config,
      schema: {
        ...common,
        operationId: "createChallenge",
        summary: "Makes a page that asks a person one question, once",
        description:
          "Who knows nothing is right one time in six, and on one of six pages for certain, as all pages of a birth date have the same six dates. The second wrong answer in a row keeps new pages for this subject back for a day, each further one for twice as long, up to 30 days; at most two of its pages are open at once. It tells more of a person who has authenticated already, and authenticates nobody by itself (NIST SP 800-63B does not accept known answers).",
        headers: idempotencyHeader,
        querystring: noQuery,
        body: createBody,
        response: {
          201: reply("It is open", createdSchema),
          422: problem(
            "`invalid_input`, `subject_invalid`, `birth_date_impossible`, `question_invalid`, `locale_unknown`, `reply_to_refused`, `callback_unknown`, `callback_value_invalid`, `idempotency_mismatch`",
          ),
          429: problem(
            "`rate_limited`: the last answers for this subject were wrong, or as many of its pages are open as there may be; `retry_after`",
          ),
        },
      },
    },
    async (request, answer) => {
      const wish = wishOf(request.body, parts);
      const repeat = requestOf(request.headers, "challenges", request.body);
      const made = await createChallenge(services, peerOf(request), callerOf(request), wish, repeat);
      if (made.repeated) answer.header("idempotent-replayed", "true");
      answer.code(201).header("location", `/v1/challenges/${made.shown.id}`);
      return { ...told(made.shown), ...(made.url !== undefined && { url: made.url }) };
    },
  );

  app.get(
    "/v1/challenges/:id",
    {
      config,
      schema: {
        ...common,
        operationId: "showChallenge",
        summary: "Shows what has come of a challenge",
        params,
        querystring: noQuery,
        response: { 200: reply("As it is now", shownSchema), ...unknown },
      },
    },
    async (request) => told(await showChallenge(services, callerOf(request), request.params.id)),
  );

  app.get(
    "/v1/challenges",
    {
      config,
      schema: {
        ...common,
        operationId: "listChallenges",
        summary: "Lists the challenges of this application, those of the last 7 days that have ended too",
        querystring: pageQuery(id),
        response: { 200: reply("One page, by the order of ids", listSchema) },
      },
    },
    async (request) => {
      const { limit, cursor } = request.query;
      const { items, next } = await listChallenges(services, callerOf(request), { after: cursor, limit });
      return { items: items.map(told), ...(next !== undefined && { next_cursor: next }) };
    },
  );

  app.post(
    "/v1/challenges/:id/cancel",
    {
      config,
      schema: {
        ...common,
        operationId: "cancelChallenge",
        summary: "Ends a challenge before somebody answers it",
        description: "Its page is gone at once, and nobody is called back. One that is cancelled already stays so.",
        params,
        querystring: noQuery,
        response: {
          200: reply("It is cancelled", shownSchema),
          ...unknown,
          409: problem("`challenge_ended`: it was answered, or its time is over"),
        },
      },
    },
    async (request) => told(await cancelChallenge(services, peerOf(request), callerOf(request), request.params.id)),
  );

  addUnlockRoute(app, parts);
}

const unlockedSchema = z.strictObject({
  subject: z.string(),
  failures: z.literal(0).describe("Wrong answers in a row, from now on."),
});

/** The subject stands in the body: what is in a URL is in access logs. */
function addUnlockRoute(app: App, { services }: ApiParts): void {
  app.post(
    "/v1/challenges/subjects/unlock",
    {
      config,
      schema: {
        ...common,
        operationId: "unlockChallengeSubject",
        summary: "Forgets the wrong answers of a subject",
        description:
          "For a person who mistyped, or whom somebody else has had kept back, and whom you know by something else: its pages can be made again at once. Who has this done for anybody who asks has no limit of guesses. Pages that are open stay so, and count.",
        querystring: noQuery,
        body: z.strictObject({ subject }),
        response: {
          200: reply("Nothing is counted for it, whether there was anything or not", unlockedSchema),
          422: problem("`invalid_input`, `subject_invalid`"),
        },
      },
    },
    async (request) => {
      const whom = parseSubject(request.body.subject);
      await unlockSubject(services, peerOf(request), callerOf(request), whom);
      return { subject: whom, failures: 0 as const };
    },
  );
}

function wishOf(body: z.infer<typeof createBody>, { services, replyToHosts, locales }: ApiParts): ChallengeWish {
  const { locale, callback } = body;
  return {
    subject: parseSubject(body.subject),
    question: questionOf(body.question, services.now()),
    lifetime: body.expires_in * 1000,
    replyTo: parseReplyTo(body.reply_to, replyToHosts),
    ...(locale !== undefined && { locale: parseLocale(locale, locales) }),
    ...(callback !== undefined && { callback: callbackOf(callback) }),
  };
}

function questionOf(asked: z.infer<typeof questionSchema>, now: number): Question {
  if (asked.kind === "own") return parseOwnQuestion(asked);
  return { kind: asked.kind, birthDay: parseBirthDate(asked.birth_date, now) };
}

function callbackOf({ name, client_id, flow, on_expiry }: z.infer<typeof callbackSchema>) {
  return {
    name,
    ...(client_id !== undefined && { clientId: client_id }),
    ...(flow !== undefined && { flow }),
    onExpiry: on_expiry,
  };
}

function told(shown: ShownChallenge): z.infer<typeof shownSchema> {
  return {
    id: shown.id,
    subject: shown.subject,
    question: shown.question,
    ...(shown.locale !== undefined && { locale: shown.locale }),
    state: shown.state,
    ...(shown.result !== undefined && { result: shown.result }),
    created_at: iso(shown.createdAt),
    expires_at: iso(shown.expiresAt),
    ...(shown.endedAt !== undefined && { ended_at: iso(shown.endedAt) }),
  };
}
