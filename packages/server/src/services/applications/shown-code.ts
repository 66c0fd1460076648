import type { Id } from "@postern/shared/ids";
import { z } from "zod";
import type { IssuedCode, OneTimeCode } from "../../records/applications/one-time-code.js";
import { shownBudget } from "./guess.js";

/** What an application sees of a one-time code: never the code. Times in milliseconds since 1970. */
export const shownCodeSchema = z.strictObject({
  id: z.custom<Id<"otp">>((value) => typeof value === "string"),
  subject: z.string(),
  digits: z.number(),
  createdAt: z.number(),
  expiresAt: z.number(),
  attemptsLeft: z.number(),
  usedAt: z.number().optional(),
  mailed: z.boolean(),
  failures: z.number(),
  locked: z.boolean(),
  version: z.number(),
});
export type ShownCode = z.infer<typeof shownCodeSchema>;

export function shownCode({ id, version, budget, issued }: OneTimeCode & { issued: IssuedCode }): ShownCode {
  const { subject, digits, createdAt, expiresAt, attemptsLeft, usedAt, mailed } = issued;
  return {
    id,
    subject,
    digits,
    createdAt,
    expiresAt,
    attemptsLeft,
    ...(usedAt !== undefined && { usedAt }),
    mailed,
    ...shownBudget(budget),
    version,
  };
}
