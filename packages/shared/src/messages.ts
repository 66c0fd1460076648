import { z } from "zod";
import { idPattern } from "./ids.js";
import { digitLimits, periodLimits } from "./otp/parameters.js";
import { SIGNATURE_BYTES, SPKI_BYTES, SUCCESSORS_MAX } from "./successor.js";

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

/** 1 to `max` UTF-16 units: `z.string().max()` would count characters, of which some have two. */
const text = (max: number) => z.string().regex(new RegExp(`^[^]{1,${max}}$`));
const hex = (digits: number) => z.string().regex(new RegExp(`^[0-9a-f]{${digits}}$`));
/** Up to the last second that a date can show (the year 9999). */
const seconds = z.number().int().nonnegative().max(253_402_300_799);

/** The form of a public value, of a verifier: 256 bytes in lower-case hex, leading zeros kept. */
const publicValue = hex(512);
/** A salt, a proof, a MAC: 32 bytes in lower-case hex. */
const bytes32 = hex(64);

/** A name as typed; the server maps it to the identity. The bound is in UTF-16 units, before any work is done. */
const typedName = text(256);

/**
 * A code as typed: an authenticator's digits, or a recovery code. Whether it has the right form is for the rules to
 * judge, which count it as a guess. With a second one, the two are codes in a row of an HOTP device that ran ahead.
 */
const typedCode = text(64);
const codeGuess = z.strictObject({ code: typedCode, second_code: typedCode.optional() });
export type CodeParams = z.infer<typeof codeGuess>;

/** Argon2id parameters: which generation they are, memory in KiB, passes. */
const stretch = z.object({
  generation: z.number().int(),
  memory_kib: z.number().int(),
  passes: z.number().int(),
});

/** A verifier of 256 bytes, and the generation of the parameters that its password was stretched with. */
const stretchedVerifier = z.strictObject({ generation: z.number().int(), verifier: publicValue });

/** What a person can prove besides the password. */
export const factorKinds = ["totp", "hotp", "recovery"] as const;
export type FactorKind = (typeof factorKinds)[number];

const authenticatorKind = z.enum(["totp", "hotp"]);
const algorithm = z.enum(["SHA1", "SHA256", "SHA512"]);
const digits = z.number().int().min(digitLimits.least).max(digitLimits.most);
const period = z.number().int().min(periodLimits.least).max(periodLimits.most);

/** What a person calls an authenticator, in UTF-16 units; the rules say what it is made of. */
const label = text(64);

/** A session secret: `pss_`, the account's and the session's 128-bit ids, `_`, 256 secret bits; all in hex. */
const sessionSecret = z.string().regex(/^pss_[0-9a-f]{64}_[0-9a-f]{64}$/);

/** What of a token goes to the server: 16 bytes in lower-case hex. */
const tokenSecret = hex(32);

const sessionFacts = z.object({
  account: z.string(),
  name: z.string(),
  session: z.string(),
  /** When the person logged in and when the session ends at the latest: seconds since 1970. */
  authenticated_at: seconds,
  expires_at: seconds,
  /** Seconds without use after which it ends. */
  idle_timeout: seconds,
  /** Until when what needs fresh authentication is possible without another code. */
  fresh_until: seconds,
  /** The known device that it was made on. */
  device: z.string().optional(),
});

/** A session as it begins. The device is there when one was made known by this login: it is said this one time. */
const newSession = sessionFacts.extend({
  secret: sessionSecret,
  /** How many recovery codes are left, after this login. */
  recovery_codes_left: z.number().int().nonnegative(),
  new_device: z.object({ device: idPattern("device"), secret: bytes32 }).optional(),
});

const listedSession = z.object({
  session: z.string(),
  authenticated_at: seconds,
  last_seen_at: seconds,
  expires_at: seconds,
  address: z.string(),
  client: z.string(),
  device: z.string().optional(),
  /** Whether it is the one that asks. */
  current: z.boolean(),
});

const listedDevice = z.object({
  device: z.string(),
  first_seen_at: seconds,
  last_seen_at: seconds,
  address: z.string(),
  client: z.string(),
  current: z.boolean(),
});

const listedFactor = z.object({
  factor: z.string(),
  kind: authenticatorKind,
  label: z.string(),
  algorithm,
  digits,
  /** Of a TOTP authenticator. */
  period: period.optional(),
  created_at: seconds,
  last_used_at: seconds.optional(),
});

/** A successor statement: keys as SubjectPublicKeyInfo, all bytes in lower-case hex. */
const successor = z.object({
  from: hex(2 * SPKI_BYTES),
  to: hex(2 * SPKI_BYTES),
  sequence: z.number().int().positive(),
  time: seconds,
  signature: hex(2 * SIGNATURE_BYTES),
});

const recoveryCodes = z.object({ recovery_codes: z.array(z.string()) });

const totpEnrolment = z.object({
  secret: z.string(),
  uri: z.string(),
  algorithm,
  digits,
  period,
  /** Seconds that are left to type the first code. */
  expires_in: seconds,
});

/** Whose account it is, as what a registration or a reset ends with. */
const accountNamed = z.object({ account: z.string(), name: z.string() });

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
      /** The newest first, where the client asked for them: how the identity that it is came to be the one. */
      successors: z.array(successor).max(SUCCESSORS_MAX).optional(),
    }),
  },

  "register.start": {
    params: z.strictObject({ name: typedName, invite: tokenSecret.optional() }),
    result: z.object({ identity: z.string(), salt: bytes32, stretch }),
  },
  "register.verifier": { params: z.strictObject({ verifier: publicValue }), result: totpEnrolment },
  "register.confirm": {
    params: z.strictObject({ code: typedCode }),
    result: recoveryCodes.extend(accountNamed.shape),
  },

  "login.start": {
    params: z.strictObject({
      name: typedName,
      A: publicValue,
      /** A device that this person logged in from before shows that it is that one. */
      device: z.strictObject({ device: idPattern("device"), mac: bytes32 }).optional(),
    }),
    result: z.object({ identity: z.string(), salt: bytes32, stretch, B: publicValue }),
  },
  "login.proof": {
    params: z.strictObject({ M1: bytes32, mac: bytes32 }),
    result: z.object({
      M2: bytes32,
      mac: bytes32,
      factors: z.array(z.string()),
      /** Seconds that a code lasts, where all authenticators have the same period. */
      period: period.optional(),
      /** What the password should be stretched with from now on: the next call may bring a verifier of it. */
      restretch: stretch.optional(),
    }),
  },
  "login.code": {
    params: codeGuess.extend({ restretched: stretchedVerifier.optional() }),
    result: newSession,
  },
  "password.change": {
    params: codeGuess.extend({ new_verifier: stretchedVerifier }),
    result: newSession,
  },

  "reset.start": {
    /** Both sides show that they have the token, by MACs over this connection: it does not go over the wire. */
    params: z.strictObject({ name: typedName, mac: bytes32 }),
    result: z.object({
      mac: bytes32,
      identity: z.string(),
      salt: bytes32,
      /** What the new password is to be stretched with. */
      stretch,
      factors: z.array(z.string()),
      period: period.optional(),
    }),
  },
  "reset.password": { params: codeGuess.extend({ new_verifier: stretchedVerifier }), result: accountNamed },
  "reset.factors": { params: z.strictObject({ token: tokenSecret }), result: totpEnrolment },
  "reset.confirm": {
    params: z.strictObject({ code: typedCode }),
    result: recoveryCodes.extend(accountNamed.shape),
  },

  "session.resume": {
    params: z.strictObject({ account: idPattern("account"), session: idPattern("session"), mac: bytes32 }),
    result: sessionFacts.extend({ mac: bytes32 }),
  },
  "session.whoami": { params: nothing, result: sessionFacts },
  "session.token": {
    params: z.strictObject({ audience: text(256).optional() }),
    result: z.object({ token: z.string(), expires_in: seconds }),
  },
  "session.verify": { params: codeGuess, result: sessionFacts },
  "session.list": { params: nothing, result: z.object({ sessions: z.array(listedSession) }) },
  "session.revoke": { params: z.strictObject({ session: idPattern("session") }), result: z.object({}) },
  "session.revoke_others": { params: nothing, result: z.object({ revoked: z.number().int().nonnegative() }) },
  "session.logout": { params: nothing, result: z.object({}) },

  "device.list": { params: nothing, result: z.object({ devices: z.array(listedDevice) }) },
  "device.forget": { params: z.strictObject({ device: idPattern("device") }), result: z.object({}) },
  "device.forget_others": { params: nothing, result: z.object({ forgotten: z.number().int().nonnegative() }) },

  "factor.list": { params: nothing, result: z.object({ factors: z.array(listedFactor) }) },
  "factor.add": {
    params: z.strictObject({
      kind: authenticatorKind,
      label: label.optional(),
      algorithm: algorithm.optional(),
      digits: digits.optional(),
      period: period.optional(),
    }),
    result: z.object({
      label: z.string(),
      secret: z.string(),
      uri: z.string(),
      algorithm,
      digits,
      period: period.optional(),
      /** Seconds that are left to type the first code. */
      expires_in: seconds,
    }),
  },
  "factor.confirm": { params: z.strictObject({ code: typedCode }), result: listedFactor },
  "factor.remove": { params: z.strictObject({ factor: idPattern("factor") }), result: z.object({}) },

  "recovery.status": {
    params: nothing,
    result: z.object({ left: z.number().int().nonnegative(), total: z.number().int().nonnegative() }),
  },
  "recovery.regenerate": { params: nothing, result: recoveryCodes },

  "account.delete": { params: codeGuess, result: z.object({}) },
} as const;

export type Method = keyof typeof methods;
export type Params<M extends Method> = z.infer<(typeof methods)[M]["params"]>;
export type Result<M extends Method> = z.infer<(typeof methods)[M]["result"]>;

export function isMethod(name: string): name is Method {
  return Object.hasOwn(methods, name);
}
