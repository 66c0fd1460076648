import { HOTP, TOTP, URI } from "otpauth";
import { PosternError } from "../errors.js";
import { enrolmentLimits, type OtpLimits } from "./limits.js";
import {
  type HotpParameters,
  MAX_COUNTER,
  type OtpAlgorithm,
  otpAlgorithms,
  type Range,
  totpDefaults,
} from "./parameters.js";
import { decodeSecret, withKey } from "./secret.js";

/** What an otpauth URI (the Key URI Format of Google Authenticator) says. */
export type Otpauth = OtpauthTotp | OtpauthHotp;

export interface OtpauthTotp extends OtpauthBase {
  readonly type: "totp";
  /** In seconds. */
  readonly period: number;
}

export interface OtpauthHotp extends OtpauthBase {
  readonly type: "hotp";
  /** Of the first code. */
  readonly counter: number;
}

interface OtpauthBase extends HotpParameters {
  readonly secret: Uint8Array;
  /** Who asks for the code; empty when the URI does not say. */
  readonly issuer: string;
  readonly account: string;
}

const MAX_NAME_BYTES = 128;
/** In characters, which are ASCII. */
export const MAX_URI_LENGTH = 2048;

/** A parameter that only its own program knows. Percent-encoded names are not read: `%73ecret` is nobody's picture. */
const OTHER_NAME = /^[a-z0-9._~-]+$/;

/**
 * `otpauth://TYPE/ISSUER:ACCOUNT?issuer=ISSUER&secret=BASE32`, and behind it each parameter that is not at its default; a
 * HOTP's counter always. Issuer and account are percent-encoded down to the unreserved characters of RFC 3986, so that
 * neither can add a parameter, nor a quote end a shell's word. Throws `otp_invalid` for what `parseOtpauthUri` would
 * not read back as it was: an empty account, a name that `isOtpauthName` refuses, a parameter out of its limits.
 */
export function otpauthUri(otpauth: Otpauth, limits: OtpLimits = enrolmentLimits): string {
  if (!isSound(otpauth, limits)) throw new PosternError("otp_invalid");
  return withKey(otpauth.secret, (secret) => {
    const { issuer, account, algorithm, digits } = otpauth;
    const base = { issuer, label: account, secret, algorithm, digits };
    const full =
      otpauth.type === "totp"
        ? new TOTP({ ...base, period: otpauth.period })
        : new HOTP({ ...base, counter: otpauth.counter });
    return withoutDefaults(full.toString()).replaceAll(/[!'()*]/g, percentEncode);
  });
}

const defaultParameters: ReadonlySet<string> = new Set(
  Object.entries(totpDefaults).map(([name, value]) => `${name}=${value}`),
);

/** Every name is encoded, so the only `?` and `&` are those of the URI. */
function withoutDefaults(uri: string): string {
  const [label, query = ""] = uri.split("?");
  const kept = query.split("&").filter((parameter) => !defaultParameters.has(parameter));
  return `${label}?${kept.join("&")}`;
}

function percentEncode(character: string): string {
  return `%${character.charCodeAt(0).toString(16).toUpperCase()}`;
}

/**
 * Reads an otpauth URI, another program's too. It is strict where apps disagree: exactly one secret, known parameters
 * once each, label and issuer not in contradiction, every value within its limits. Throws `otp_invalid`. The secret is
 * the caller's to wipe.
 */
export function parseOtpauthUri(uri: string, limits: OtpLimits = enrolmentLimits): Otpauth {
  const [, type = "", label = "", query = ""] = URI_FORM.exec(uri) ?? [];
  const parameters = readParameters(query, limits);
  if (uri.length > MAX_URI_LENGTH || parameters === undefined) throw new PosternError("otp_invalid");
  const secret = decodeSecret(parameters.get("secret") ?? "", limits.secretBytes);
  const known = [...parameters].map(([name, value]) => `${name}=${value}`).join("&");
  const otpauth = readOtpauth(`otpauth://${type}/${label}?${known}`, secret);
  if (isSound(otpauth, limits) && labelAgrees(decodeURIComponent(label), otpauth.issuer)) return otpauth;
  otpauth.secret.fill(0);
  throw new PosternError("otp_invalid");
}

/** Label and query in printable ASCII (RFC 3986), without a fragment. */
const URI_FORM = /^otpauth:\/\/(totp|hotp)\/([!-"$->@-~]+)\?([!-"$->@-~]+)$/i;

/** How each parameter is written; the package's own reader would skip, fold or overwrite what differs. */
const parameterForms: ReadonlyMap<string, RegExp> = new Map([
  ["secret", /^[A-Za-z2-7]+={0,6}$/],
  ["issuer", /^/],
  ["algorithm", /^SHA(?:1|256|512)$/i],
  ["digits", /^[0-9]{1,2}$/],
  ["period", /^[0-9]{1,5}$/],
  ["counter", /^[0-9]{1,15}$/],
]);

/**
 * The parameters as they are written; undefined when one is malformed or there twice, in whatever case. One that is not
 * known is malformed, unless the limits have it left out.
 */
function readParameters(query: string, { otherParameters }: OtpLimits): ReadonlyMap<string, string> | undefined {
  const parameters = new Map<string, string>();
  for (const parameter of query.split("&")) {
    const [, name = "", value = ""] = /^([^=]*)=(.*)$/.exec(parameter) ?? [];
    const known = name.toLowerCase();
    if (otherParameters && OTHER_NAME.test(known) && !parameterForms.has(known)) continue;
    if (parameters.has(known) || !parameterForms.get(known)?.test(value)) return undefined;
    parameters.set(known, value);
  }
  return parameters;
}

/** `secret` was read strictly; the package's own copy is wiped. Spaces before the account belong to the label's colon. */
function readOtpauth(uri: string, secret: Buffer): OtpauthTotp | OtpauthHotp {
  try {
    const parsed = URI.parse(uri);
    parsed.secret.bytes.fill(0);
    const { issuer, digits } = parsed;
    const base = {
      secret,
      issuer,
      account: parsed.label.trimStart(),
      algorithm: parsed.algorithm as OtpAlgorithm,
      digits,
    };
    return parsed instanceof TOTP
      ? { type: "totp", ...base, period: parsed.period }
      : { type: "hotp", ...base, counter: parsed.counter };
  } catch (thrown) {
    secret.fill(0);
    throw new PosternError("otp_invalid", { cause: thrown });
  }
}

function labelAgrees(label: string, issuer: string): boolean {
  const colon = label.indexOf(":");
  return colon === -1 || label.slice(0, colon) === issuer;
}

function isSound(otpauth: Otpauth, limits: OtpLimits): boolean {
  const { algorithm, digits, secret, issuer, account } = otpauth;
  return (
    Object.hasOwn(otpAlgorithms, algorithm) &&
    isWithin(digits, limits.digits) &&
    isWithin(secret.length, limits.secretBytes) &&
    isOtpauthName(issuer) &&
    isOtpauthName(account) &&
    account !== "" &&
    (otpauth.type === "totp"
      ? isWithin(otpauth.period, limits.period)
      : isWithin(otpauth.counter, { least: 0, most: MAX_COUNTER }))
  );
}

function isWithin(value: number, { least, most }: Range): boolean {
  return Number.isInteger(value) && value >= least && value <= most;
}

/**
 * What an issuer or an account may be: at most 128 bytes of UTF-8, without a colon (it separates the label), a control
 * character, a line or paragraph separator or half of a surrogate pair, and without white space at either end.
 */
export function isOtpauthName(text: string): boolean {
  return (
    Buffer.byteLength(text) <= MAX_NAME_BYTES && text === text.trim() && !/[:\p{Cc}\p{Cs}\p{Zl}\p{Zp}]/u.test(text)
  );
}
