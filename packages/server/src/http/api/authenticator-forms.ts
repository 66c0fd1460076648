import { digitLimits, HOTP_RESYNC_RANGE, MAX_COUNTER } from "@postern/shared/otp/parameters";
import { isOtpauthName } from "@postern/shared/otp/uri";
import { z } from "zod";
import { authenticatorLimits, hasCounters } from "../../services/applications/authenticators.js";
import type { ShownAuthenticator, ShownOf } from "../../services/applications/shown-authenticator.js";
import { failures, instant, iso, locked, subject, version } from "./credentials.js";

/** What comes in and goes out of authenticators; times in ISO 8601, spans in seconds. */

const { digits, period, lookAhead } = authenticatorLimits;

const otpauthName = (description: string, example: string) =>
  z
    .string()
    .min(1)
    .refine(
      isOtpauthName,
      "at most 128 bytes of UTF-8, without a colon, control characters, line separators, and spaces at either end",
    )
    .meta({ description, examples: [example] });

const algorithm = z
  .enum(["SHA1", "SHA256", "SHA512"])
  .default("SHA1")
  .describe("Of the HMAC. Many apps read SHA1 whatever they are told.");

const asked = {
  subject,
  issuer: otpauthName("Who asks for codes, as the person's app shows it.", "Example Shop"),
  account: otpauthName("Whose they are, as the person's app shows it.", "ann@example.org"),
  algorithm,
  digits: z.number().int().min(digits.least).max(digits.most).default(6).describe("How many digits a code has."),
  secret: z
    .string()
    .max(512)
    .optional()
    .meta({
      description:
        "A secret that exists, of 16 to 128 bytes, in base32 (RFC 4648); by default one is drawn, as long as the hash.",
      examples: ["GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"],
    }),
};

export const totpBody = z
  .strictObject({
    ...asked,
    period: z
      .number()
      .int()
      .min(period.least)
      .max(period.most)
      .default(30)
      .describe("Seconds that a code is shown. Many apps read 30 whatever they are told."),
  })
  .meta({ examples: [{ subject: "user-4711", issuer: "Example Shop", account: "ann@example.org" }] });

export const hotpBody = z
  .strictObject({
    ...asked,
    counter: z.number().int().min(0).max(MAX_COUNTER).default(0).describe("Of the first code."),
    look_ahead: z
      .number()
      .int()
      .min(lookAhead.least)
      .max(lookAhead.most)
      .default(5)
      .describe("How many codes a device may have run ahead."),
  })
  .refine(({ counter, look_ahead }) => hasCounters({ counter, lookAhead: look_ahead }), {
    path: ["counter"],
    error: "so close to the last counter there is no room for the look-ahead",
  })
  .meta({ examples: [{ subject: "user-4711", issuer: "Example Shop", account: "ann@example.org", look_ahead: 5 }] });

const shown = {
  subject: z.string(),
  issuer: z.string(),
  account: z.string(),
  algorithm: z.enum(["SHA1", "SHA256", "SHA512"]),
  digits: z.number().int(),
  created_at: instant("When it was made."),
  last_used_at: instant("When a code of it was last valid.").optional(),
  failures,
  locked,
  version,
};

const idOf = (kind: "totp" | "hotp") =>
  z.string().meta({
    description: "The same for this subject as long as this application has it.",
    examples: [`${kind}_1f0c3b5a9d7e46528a1b0c2d3e4f5a6b`],
  });

const totpFacts = { id: idOf("totp"), ...shown, period: z.number().int() };
const hotpFacts = {
  id: idOf("hotp"),
  ...shown,
  counter: z.number().int().describe("That is expected next: every code before it is used up."),
  look_ahead: z.number().int(),
  resync_needed: z.boolean().describe("After a restore from a backup: nothing is judged before `resync`."),
};

/** Shown when it is made, and never again. */
const once = {
  secret: z.string().optional().describe("Base32. Shown this one time, as all that follows; absent in a repeat."),
  uri: z
    .string()
    .optional()
    .meta({
      description: "For an authenticator app, as a QR code says it.",
      examples: [
        "otpauth://totp/Example%20Shop:ann%40example.org?issuer=Example%20Shop&secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ",
      ],
    }),
  qr_svg: z.string().optional().describe("The URI as a QR code: an SVG document."),
  qr_png: z.base64().optional().describe("The same as a PNG file, in base64."),
};

export const totpShown = z
  .strictObject(totpFacts)
  .meta({ id: "Totp", description: "An authenticator that goes by time, but for its secret." });
export const totpCreated = z.strictObject({ ...totpFacts, ...once }).meta({ id: "CreatedTotp" });
export const hotpShown = z
  .strictObject(hotpFacts)
  .meta({ id: "Hotp", description: "An authenticator that goes by a counter, but for its secret." });
export const hotpCreated = z.strictObject({ ...hotpFacts, ...once }).meta({ id: "CreatedHotp" });

const code = z
  .string()
  .regex(new RegExp(`^[0-9]{${digitLimits.least},${digitLimits.most}}$`))
  .meta({ description: "ASCII digits, as many as the authenticator's codes have.", examples: ["042139"] });

export const codeBody = z.strictObject({ code });

export const resyncBody = z.strictObject({
  codes: z
    .array(code)
    .length(2)
    .describe(`Two codes in a row, the earlier first, of the next ${HOTP_RESYNC_RANGE} that the device can show.`),
});

function toldFacts(shown: ShownAuthenticator) {
  return {
    subject: shown.subject,
    issuer: shown.issuer,
    account: shown.account,
    algorithm: shown.algorithm,
    digits: shown.digits,
    created_at: iso(shown.createdAt),
    ...(shown.lastUsedAt !== undefined && { last_used_at: iso(shown.lastUsedAt) }),
    failures: shown.failures,
    locked: shown.locked,
    version: shown.version,
  };
}

export function toldTotp(shown: ShownOf<"totp">): z.output<typeof totpShown> {
  return { id: shown.id, ...toldFacts(shown), period: shown.period };
}

export function toldHotp(shown: ShownOf<"hotp">): z.output<typeof hotpShown> {
  const { counter, lookAhead, resyncNeeded } = shown;
  return { id: shown.id, ...toldFacts(shown), counter, look_ahead: lookAhead, resync_needed: resyncNeeded };
}
