import type { FastifyReply } from "fastify";
import { z } from "zod";
import type { Verdict } from "../../services/applications/guess.js";
import { type IdempotentRequest, idempotentRequest } from "../../services/applications/idempotency.js";
import type { Page, Versions } from "../../services/applications/listing.js";
import { problem } from "./authorize.js";

/** What one-time codes and authenticators have in common: the forms of what comes in and goes out. */

export const subject = z
  .string()
  .min(1)
  .meta({
    description:
      "Whom you mean, in your own words: 1 to 128 characters in NFC, without control characters, line separators and what does not show. It never stands in a URL.",
    examples: ["user-4711"],
  });

/** A point in time, as a reply says it. */
export const instant = (description: string) => z.iso.datetime().describe(description);
export const iso = (milliseconds: number) => new Date(milliseconds).toISOString();

export const version = z
  .number()
  .int()
  .describe("Counts the changes of what is shown here: the same as in the header `ETag`.");

export const failures = z
  .number()
  .int()
  .describe("Wrong tries in a row. The fifth closes it for 30 seconds, and so on.");
export const locked = z
  .boolean()
  .describe("After 100 wrong tries in a row: no code is judged any more until you call `unlock`.");

/** Nothing may come in a query: it would stand in access logs. */
export const noQuery = z.strictObject({});

export const paramsOf = <Id extends string>(id: z.ZodType<Id, string>, kind: "otp" | "totp" | "hotp") =>
  z.strictObject({
    id: id.meta({ description: `As the reply to its creation says, \`${kind}_\` and 32 digits of hex.` }),
  });

export const ifMatchHeader = z.looseObject({
  "if-match": z
    .string()
    .optional()
    .describe("ETags of the versions that you know: at any other nothing is done (`version_mismatch`)."),
});

/** RFC 9110 section 13.1.1: tags that are weak, or no versions of ours, match nothing. */
export function versionsOf(ifMatch: string | undefined): Versions {
  if (ifMatch === undefined || ifMatch.trim() === "*") return undefined;
  return ifMatch.split(",").flatMap((tag) => {
    const [, known] = /^\s*"([0-9]{1,15})"\s*$/.exec(tag) ?? [];
    return known === undefined ? [] : [Number(known)];
  });
}

export const idempotencyHeader = z.looseObject({
  "idempotency-key": z
    .string()
    .regex(/^[!-~]{1,64}$/)
    .optional()
    .describe(
      "A key of your own for this request, 1 to 64 visible ASCII characters. Within 24 hours the same request with the same key makes nothing more: the reply is that of the first, without what is shown once, and has the header `Idempotent-Replayed: true`.",
    )
    .meta({ examples: ["4b6f2f7c-0d5e-4f0a-9a0e-1f0f3c1f5c11"] }),
});

export function requestOf(
  headers: z.infer<typeof idempotencyHeader>,
  operation: string,
  body: object,
): IdempotentRequest | undefined {
  const key = headers["idempotency-key"];
  return key === undefined ? undefined : idempotentRequest(key, operation, body);
}

/** What a reply to a creation says in its headers. */
export function sendCreated<T extends { id: string; version: number }>(
  reply: FastifyReply,
  path: string,
  { body, repeated }: { readonly body: T; readonly repeated: boolean },
): T {
  if (repeated) reply.header("idempotent-replayed", "true");
  reply.code(201).header("location", `${path}/${body.id}`).header("etag", etag(body));
  return body;
}

export const etag = (shown: { version: number }) => `"${shown.version}"`;

export const verdictSchema = z
  .strictObject({
    result: z
      .enum(["valid", "invalid", "replayed", "throttled"])
      .describe(
        "`valid`: the code was right, and is used up. `invalid`: it was wrong. `replayed`: it was right once, and is used up. `throttled`: it was not judged, be it right or wrong.",
      ),
    attempts_left: z
      .number()
      .int()
      .optional()
      .describe("Of a one-time code that was wrong: tries that are left until it is dead."),
    expired: z.literal(true).optional().describe("Of a one-time code: its time is over. Nothing was judged."),
    clock_behind: z
      .number()
      .int()
      .optional()
      .describe("Of TOTP: so many seconds is the person's device behind, by a code that was right earlier."),
    resync_needed: z
      .literal(true)
      .optional()
      .describe("Of HOTP, after the server was restored from a backup: nothing is judged before `resync`."),
    retry_after: z.number().int().optional().describe("When throttled: seconds until a code is judged again."),
    locked: z.literal(true).optional().describe("When throttled: until you call `unlock`, however long you wait."),
  })
  .meta({
    id: "Verdict",
    description: "What a code is worth. Never what the right one was.",
    examples: [{ result: "valid" }],
  });

export function sendVerdict(reply: FastifyReply, verdict: Verdict): z.infer<typeof verdictSchema> {
  switch (verdict.result) {
    case "valid":
    case "replayed":
      return { result: verdict.result };
    case "invalid": {
      const { attemptsLeft, expired, clockBehind, resyncNeeded } = verdict.why ?? {};
      return {
        result: "invalid",
        ...(attemptsLeft !== undefined && { attempts_left: attemptsLeft }),
        ...(expired && { expired }),
        ...(clockBehind !== undefined && { clock_behind: clockBehind }),
        ...(resyncNeeded && { resync_needed: resyncNeeded }),
      };
    }
    case "throttled": {
      const { retryAfter } = verdict;
      if (retryAfter === undefined) return { result: "throttled", locked: true };
      reply.header("retry-after", retryAfter);
      return { result: "throttled", retry_after: retryAfter };
    }
  }
}

const PAGE_MAX = 100;

export const pageQuery = <Id extends string>(cursor: z.ZodType<Id, string>) =>
  z.strictObject({
    limit: z.coerce.number().int().min(1).max(PAGE_MAX).default(20).describe("How many a page has at most."),
    cursor: cursor.optional().describe("`next_cursor` of the page before."),
  });

export const pageOf = <T extends z.ZodType>(item: T, what: string) =>
  z.strictObject({
    items: z.array(item),
    damaged: z
      .array(z.string())
      .describe(`Ids of ${what} that the server cannot read any more: nothing but deleting them works.`),
    next_cursor: z.string().optional().describe("For the next page; absent on the last one."),
  });

export function pageReply<Id extends string, T, R>({ items, damaged, next }: Page<Id, T>, shown: (item: T) => R) {
  return { items: items.map(shown), damaged: [...damaged], ...(next !== undefined && { next_cursor: next }) };
}

/** JSON of a reply with what it is. */
export const reply = <T extends z.ZodType>(description: string, schema: T) => ({
  description,
  content: { "application/json": { schema } },
});

/** A reply without a body. */
export const none = (description: string) => z.null().describe(description);

export const unknown = { 404: problem("`credential_unknown`: you have nothing of that id") };

/** What every route says of itself that judges a code, whatever it is of. */
export const judging = {
  summary: "Judges a code that somebody typed",
  description: "A code is valid once. Whatever it is worth, the reply is 200, and says so in `result`.",
  response: {
    200: reply("What the code is worth; with a header `Retry-After` where it was throttled for a while", verdictSchema),
    ...unknown,
    422: problem("`invalid_input`, `code_malformed`: it is no such code, and nothing was counted"),
  },
};

/** The replies of every route that deletes. */
export const deletion = {
  204: none("It is deleted"),
  ...unknown,
  412: problem("`version_mismatch`: it is at none of the versions of `If-Match`"),
};

export const CREATED_HEADERS =
  "with headers `ETag` and `Location`, and `Idempotent-Replayed: true` where it is a repeat";
