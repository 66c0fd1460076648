import { z } from "zod";
import { digitLimits, periodLimits } from "./otp/parameters.js";

/**
 * The messages of `postern/1`, once for both ends: each method's parameters and result. Requests are strict (an
 * unknown field is refused), results are lenient (an unknown field is dropped), so that a newer server can say more.
 * docs/protocol.md states the same for people; a test holds the two together.
 */

export const PROTOCOL = "postern/1";

/** Bytes a line may have, its newline not counted. */
export const lineLimits = { unauthenticated: 4096, authenticated: 65536 } as const;

/** Seconds that a peer may take. Registration counts from its start: a person installs an app meanwhile. */
export const deadlines = { handshake: 5, step: 60, registration: 600, idle: 600 } as const;

const text = (max: number) => z.string().min(1).max(max);
const hex = (digits: number) => z.string().regex(new RegExp(`^[0-9a-f]{${digits}}$`));
/** Up to the last second that a date can show (the year 9999). */
const seconds = z.number().int().nonnegative().max(253_402_300_799);

/** The form of a public value, of a verifier: 256 bytes in lower-case hex, leading zeros kept. */
const publicValue = hex(512);
/** A salt, a proof, a MAC: 32 bytes in lower-case hex. */
const bytes32 = hex(64);

/** A name as typed; the server maps it to the identity. The bound is in UTF-16 units, before any work is done. */
const typedName = text(256);

/** A code as typed. Whether it has the right form is for the rules to judge, which count it as a guess. */
const typedCode = text(64);

/** Argon2id parameters: which generation they are, memory in KiB, passes. */
const stretch = z.object({
  generation: z.number().int(),
  memory_kib: z.number().int(),
  passes: z.number().int(),
});

export const factorKinds = ["totp", "recovery"] as const;
export type FactorKind = (typeof factorKinds)[number];

/** A session secret: `pss_`, the account's and the session's 128-bit ids, `_`, 256 secret bits; all in hex. */
const sessionSecret = z.string().regex(/^pss_[0-9a-f]{64}_[0-9a-f]{64}$/);

const sessionFacts = z.object({
  account: z.string(),
  name: z.string(),
  session: z.string(),
  /** When the person logged in and when the session ends at the latest: seconds since 1970. */
  authenticated_at: seconds,
  expires_at: seconds,
  /** Seconds without use after which it ends. */
  idle_timeout: seconds,
});

const nothing = z.strictObject({});

export const methods = {
  hello: {
    params: z.strictObject({
      client: text(64),
      version: text(32),
      features: z.array(text(32)).max(32),
    }),
    result: z.object({
      server: z.string(),
      version: z.string(),
      features: z.array(z.string()),
      registration: z.enum(["open", "invite", "closed"]),
    }),
  },

  "register.start": {
    params: z.strictObject({ name: typedName }),
    result: z.object({ identity: z.string(), salt: bytes32, stretch }),
  },
  "register.verifier": {
    params: z.strictObject({ verifier: publicValue }),
    result: z.object({
      secret: z.string(),
      uri: z.string(),
      algorithm: z.enum(["SHA1", "SHA256", "SHA512"]),
      digits: z.number().int().min(digitLimits.least).max(digitLimits.most),
      period: z.number().int().min(periodLimits.least).max(periodLimits.most),
      /** Seconds that are left to type the first code. */
      expires_in: seconds,
    }),
  },
  "register.confirm": {
    params: z.strictObject({ code: typedCode }),
    result: z.object({ account: z.string(), name: z.string(), recovery_codes: z.array(z.string()) }),
  },

  "login.start": {
    params: z.strictObject({ name: typedName, A: publicValue }),
    result: z.object({ identity: z.string(), salt: bytes32, stretch, B: publicValue }),
  },
  "login.proof": {
    params: z.strictObject({ M1: bytes32, mac: bytes32 }),
    result: z.object({ M2: bytes32, mac: bytes32, factors: z.array(z.string()) }),
  },
  "login.code": {
    params: z.strictObject({ factor: z.enum(factorKinds), code: typedCode }),
    result: sessionFacts.extend({
      secret: sessionSecret,
      /** How many recovery codes are left, after this login. */
      recovery_codes_left: z.number().int().nonnegative(),
    }),
  },

  "session.resume": { params: z.strictObject({ secret: sessionSecret }), result: sessionFacts },
  "session.whoami": { params: nothing, result: sessionFacts },
  "session.token": {
    params: z.strictObject({ audience: text(256).optional() }),
    result: z.object({ token: z.string(), expires_in: seconds }),
  },
  "session.logout": { params: nothing, result: z.object({}) },
} as const;

export type Method = keyof typeof methods;
export type Params<M extends Method> = z.infer<(typeof methods)[M]["params"]>;
export type Result<M extends Method> = z.infer<(typeof methods)[M]["result"]>;

export function isMethod(name: string): name is Method {
  return Object.hasOwn(methods, name);
}
