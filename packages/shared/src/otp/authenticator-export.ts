/**
 * What Google Authenticator shows as QR codes when its accounts are transferred, and other apps write too:
 * `otpauth-migration://offline?data=BASE64`, the base64 percent-encoded, of a protobuf message. The format is published
 * nowhere; the numbers are those that the apps which read it agree on.
 */
import { PosternError } from "../errors.js";
import { toolkitLimits } from "./limits.js";
import { MAX_COUNTER, type OtpAlgorithm, totpDefaults } from "./parameters.js";
import { type Message, readMessage, type Shape } from "./protobuf.js";
import { type Otpauth, otpauthUri } from "./uri.js";

/** An export is cut into parts, each of which fits into a QR code. */
export interface ExportPart {
  readonly otpauths: readonly Otpauth[];
  /** The same for all parts of one export. */
  readonly batch: number;
  /** From 0. */
  readonly index: number;
  readonly size: number;
}

/** A QR code holds 2953 bytes; other programs write longer ones into files. */
const MAX_EXPORT_LENGTH = 16_384;
const MAX_ENTRIES = 200;
const MAX_PARTS = 100;

const EXPORT_FORM = /^otpauth-migration:\/\/offline\/?\?data=([A-Za-z0-9+/=%]+)$/i;

const payload = { otpParameters: 1, batchSize: 3, batchIndex: 4, batchId: 5 } as const;
const payloadShape: Shape = { 1: "messages", 2: "integer", 3: "integer", 4: "integer", 5: "integer" };

const entry = { secret: 1, name: 2, issuer: 3, algorithm: 4, digits: 5, type: 6, counter: 7 } as const;
const entryShape: Shape = {
  1: "bytes",
  2: "bytes",
  3: "bytes",
  4: "integer",
  5: "integer",
  6: "integer",
  7: "integer",
};

/** 0 says nothing. MD5, which is 4, was never computed by any app. */
const algorithms: readonly OtpAlgorithm[] = [totpDefaults.algorithm, "SHA1", "SHA256", "SHA512"];
const digitCounts: readonly number[] = [totpDefaults.digits, 6, 8, 7];
const types: readonly Otpauth["type"][] = ["totp", "hotp", "totp"];

/** Whether a text means to be such an export, well-formed or not. */
export function isAuthenticatorExport(uri: string): boolean {
  return /^otpauth-migration:/i.test(uri);
}

/**
 * Reads one part of an export.
 * @throws `export_invalid`, naming the entry. The secrets are the caller's to wipe.
 */
export function parseAuthenticatorExport(uri: string): ExportPart {
  const data = dataOf(uri);
  const otpauths: Otpauth[] = [];
  try {
    const message = readMessage(data, payloadShape);
    const entries = message.messages(payload.otpParameters);
    if (entries.length > MAX_ENTRIES) refuse(`it has more than ${MAX_ENTRIES} entries`);
    for (const [index, encoded] of entries.entries()) otpauths.push(inEntry(index + 1, () => readEntry(encoded)));
    return { otpauths, ...placeOf(message) };
  } catch (thrown) {
    for (const { secret } of otpauths) secret.fill(0);
    throw thrown;
  } finally {
    data.fill(0);
  }
}

function dataOf(uri: string): Buffer {
  const [, encoded = ""] = uri.length <= MAX_EXPORT_LENGTH ? (EXPORT_FORM.exec(uri) ?? []) : [];
  const base64 = percentDecoded(encoded);
  const data = Buffer.from(base64, "base64");
  // The decoder skips what it cannot read, so only what is written back the same was read.
  if (data.length > 0 && data.toString("base64").replace(/=+$/, "") === base64.replace(/=+$/, "")) return data;
  return refuse("it is no otpauth-migration://offline?data=… of base64, or not the whole of one");
}

function percentDecoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return "";
  }
}

function placeOf(message: Message): Omit<ExportPart, "otpauths"> {
  // An export of one part need not say so.
  const size = Number(message.integer(payload.batchSize) || 1n);
  const index = Number(message.integer(payload.batchIndex));
  if (size > MAX_PARTS || index >= size) refuse("it says of itself that it is a part that there cannot be");
  return { size, index, batch: Number(BigInt.asIntN(32, message.integer(payload.batchId))) };
}

function readEntry(encoded: Buffer): Otpauth {
  const message = readMessage(encoded, entryShape);
  const algorithm = algorithms[Number(message.integer(entry.algorithm))] ?? refuse("its hash is none that codes use");
  const digits = digitCounts[Number(message.integer(entry.digits))] ?? refuse("its number of digits is not known");
  const type = types[Number(message.integer(entry.type))] ?? refuse("it is for neither time nor counters");
  const counter = message.integer(entry.counter);
  if (type === "hotp" && counter > BigInt(MAX_COUNTER)) refuse("its counter is too high");
  const names = namesOf(textOf(message.bytes(entry.name)), textOf(message.bytes(entry.issuer)));
  const base = { ...names, algorithm, digits, secret: Buffer.from(message.bytes(entry.secret)) };
  return sound(
    type === "totp" ? { type, ...base, period: totpDefaults.period } : { type, ...base, counter: Number(counter) },
  );
}

/** The name may begin with the issuer, as the label of an otpauth URI does; where both say one, the field counts. */
function namesOf(name: string, issuer: string): { issuer: string; account: string } {
  const [, prefix = "", account = name] = /^([^:]*):(.*)$/su.exec(name) ?? [];
  return { issuer: (issuer || prefix).trim(), account: account.trim() || "account" };
}

function sound(otpauth: Otpauth): Otpauth {
  try {
    otpauthUri(otpauth, toolkitLimits);
    return otpauth;
  } catch {
    otpauth.secret.fill(0);
    return refuse("its secret or one of its names cannot stand in an otpauth URI");
  }
}

function textOf(bytes: Buffer): string {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return refuse("one of its names is not UTF-8");
  }
}

function inEntry<T>(number: number, read: () => T): T {
  try {
    return read();
  } catch (thrown) {
    if (!(thrown instanceof PosternError)) throw thrown;
    return refuse(`entry ${number}: ${thrown.detail ?? ""}`);
  }
}

function refuse(detail: string): never {
  throw new PosternError("export_invalid", { detail });
}
