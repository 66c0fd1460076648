import type { Id } from "@postern/shared/ids";
import { z } from "zod";
import type { Authenticator, AuthenticatorKind } from "../../records/applications/authenticator.js";
import { shownBudget } from "./guess.js";

/** What an application sees of an authenticator: never the secret. Times in milliseconds since 1970. */
const facts = {
  subject: z.string(),
  issuer: z.string(),
  account: z.string(),
  algorithm: z.enum(["SHA1", "SHA256", "SHA512"]),
  digits: z.number(),
  createdAt: z.number(),
  lastUsedAt: z.number().optional(),
  failures: z.number(),
  locked: z.boolean(),
  version: z.number(),
};

export const shownAuthenticatorSchema = z.discriminatedUnion("kind", [
  z.strictObject({
    kind: z.literal("totp"),
    id: z.custom<Id<"totp">>((value) => typeof value === "string"),
    ...facts,
    period: z.number(),
  }),
  z.strictObject({
    kind: z.literal("hotp"),
    id: z.custom<Id<"hotp">>((value) => typeof value === "string"),
    ...facts,
    counter: z.number(),
    lookAhead: z.number(),
    resyncNeeded: z.boolean(),
  }),
]);
export type ShownAuthenticator = z.infer<typeof shownAuthenticatorSchema>;
export type ShownOf<K extends AuthenticatorKind> = Extract<ShownAuthenticator, { kind: K }>;

export function shownAuthenticator(record: Authenticator): ShownAuthenticator {
  const { subject, issuer, account, algorithm, digits, createdAt, lastUsedAt, budget, version } = record;
  const shown = {
    subject,
    issuer,
    account,
    algorithm,
    digits,
    createdAt,
    ...(lastUsedAt !== undefined && { lastUsedAt }),
    ...shownBudget(budget),
    version,
  };
  if (record.kind === "totp") return { kind: "totp", id: record.id, ...shown, period: record.period };
  const { counter, lookAhead, resync = false } = record;
  return { kind: "hotp", id: record.id, ...shown, counter, lookAhead, resyncNeeded: resync };
}
