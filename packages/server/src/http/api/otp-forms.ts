import { isMailAddress } from "@postern/shared/mail-address";
import { z } from "zod";
import { codeLimits } from "../../services/applications/one-time-codes.js";
import type { ShownCode } from "../../services/applications/shown-code.js";
import { isOneLine } from "../../services/applications/subject.js";
import { failures, instant, iso, locked, subject, version } from "./credentials.js";

/** What comes in and goes out of one-time codes; times in ISO 8601, spans in seconds. */

const { digits, attempts, lifetimeMs } = codeLimits;
/** A line of the mail. */
const PURPOSE_LENGTH_MAX = 78;

const facts = {
  id: z.string().meta({
    description: "The same for every code of this subject: a new one takes the place of the last.",
    examples: ["otp_1f0c3b5a9d7e46528a1b0c2d3e4f5a6b"],
  }),
  subject: z.string(),
  digits: z.number().int(),
  created_at: instant("When it was issued."),
  expires_at: instant("From then on it is worth nothing."),
  attempts_left: z.number().int().describe("Wrong tries until it is dead."),
  used_at: instant("When it was taken: it is worth nothing any more.").optional(),
  mailed: z.boolean().describe("Whether it went by mail."),
  failures,
  locked,
  version,
};

export const shownSchema = z
  .strictObject(facts)
  .meta({ id: "OneTimeCode", description: "A one-time code, but for the code itself." });

export const issuedSchema = z
  .strictObject({
    ...facts,
    code: z
      .string()
      .optional()
      .meta({
        description: "This one time; absent where it went by mail, and in the reply to a repeated request.",
        examples: ["042139"],
      }),
  })
  .meta({ id: "IssuedOneTimeCode" });

export const issueBody = z
  .strictObject({
    subject,
    digits: z.number().int().min(digits.least).max(digits.most).default(6).describe("How many digits the code has."),
    expires_in: z
      .number()
      .int()
      .min(lifetimeMs.least / 1000)
      .max(lifetimeMs.most / 1000)
      .default(300)
      .describe("Seconds that it is good for."),
    attempts: z
      .number()
      .int()
      .min(attempts.least)
      .max(attempts.most)
      .default(5)
      .describe("So many wrong tries, and it is dead. Beside it the subject's own limit counts on over all its codes."),
    delivery: z
      .strictObject({
        mail: z
          .string()
          .max(254)
          .refine(isMailAddress, "name@example.org alone, the name in ASCII")
          .meta({
            description:
              "Where it goes, name@example.org alone: at most five mails an hour to one subject, and to one address.",
            examples: ["ann@example.org"],
          }),
        purpose: z
          .string()
          .refine((text) => isOneLine(text, PURPOSE_LENGTH_MAX), `one line of 1 to ${PURPOSE_LENGTH_MAX} characters`)
          .optional()
          .describe("What it is for, in the mail's text."),
      })
      .optional()
      .describe("By mail, and not in the reply."),
  })
  .meta({ examples: [{ subject: "user-4711", digits: 6, expires_in: 300 }] });

export const codeBody = z.strictObject({
  code: z
    .string()
    .regex(/^[0-9]{4,10}$/)
    .meta({ description: "ASCII digits, as many as the code has.", examples: ["042139"] }),
});

export function told(shown: ShownCode): z.infer<typeof shownSchema> {
  return {
    id: shown.id,
    subject: shown.subject,
    digits: shown.digits,
    created_at: iso(shown.createdAt),
    expires_at: iso(shown.expiresAt),
    attempts_left: shown.attemptsLeft,
    ...(shown.usedAt !== undefined && { used_at: iso(shown.usedAt) }),
    mailed: shown.mailed,
    failures: shown.failures,
    locked: shown.locked,
    version: shown.version,
  };
}
