import type { ApplicationId, Id } from "@postern/shared/ids";
import type { SealedReadTransaction, SealedWriteTransaction } from "../../barrier/barrier.js";
import { budgetKind } from "../budget.js";
import { recordCodec } from "../codec.js";
import { scanIntact } from "../intact.js";
import { idBytes, recordKey, recordRange } from "../keys.js";
import { bytes, count, flag, instant, list, ordinal, text, type ValueOf, whole } from "../kinds.js";
import { optional, record } from "../record-kind.js";

/**
 * What an application keeps of one subject's one-time codes: the last code that it issued, and apart from that code what
 * outlasts it, the budget of guesses and the mails of the last hour. No code stands here in clear.
 */
const issuedSchema = record({
  subject: text(),
  /** HMAC-SHA256 of the code's ASCII digits, under a key of its own. */
  mac: bytes(32),
  macKey: bytes(32),
  digits: whole(4, 10),
  createdAt: instant,
  expiresAt: instant,
  /** Wrong tries until the code is dead, whatever the budget says. */
  attemptsLeft: count,
  /** When it was taken: never again. */
  usedAt: optional(instant),
  /** Whether it went by mail, and not to the application. */
  mailed: flag,
});

const schema = record({
  id: text<Id<"otp">>(),
  /** Counts the changes of what is shown. */
  version: ordinal,
  budget: budgetKind,
  /** When mails went to this subject. */
  mails: list(instant),
  /** Absent once the code was deleted: then nothing here says whose it was. */
  issued: optional(issuedSchema),
});
export type IssuedCode = ValueOf<typeof issuedSchema>;
export type OneTimeCode = ValueOf<typeof schema>;

const codec = recordCodec(schema, { format: 1 });

const codeKey = (application: ApplicationId, id: Id<"otp">) =>
  recordKey("oneTimeCode", idBytes(application), idBytes(id));

/** @throws PosternError `store_damaged`: a budget that is damaged must not begin anew */
export async function findOneTimeCode(
  tx: SealedReadTransaction,
  application: ApplicationId,
  id: Id<"otp">,
): Promise<OneTimeCode | undefined> {
  const stored = await tx.get(codeKey(application, id));
  return stored && codec.decode(stored);
}

export async function putOneTimeCode(
  tx: SealedWriteTransaction,
  application: ApplicationId,
  code: OneTimeCode,
): Promise<void> {
  await tx.put(codeKey(application, code.id), codec.encode(code));
}

export async function deleteOneTimeCode(
  tx: SealedWriteTransaction,
  application: ApplicationId,
  id: Id<"otp">,
): Promise<void> {
  await tx.delete(codeKey(application, id));
}

/** At most `limit` of an application's from behind `after` on, in the order of their ids; and those that do not open. */
export async function scanOneTimeCodes(
  tx: SealedReadTransaction,
  application: ApplicationId,
  after: Id<"otp"> | undefined,
  limit: number,
): Promise<{ records: readonly OneTimeCode[]; damaged: readonly Id<"otp">[] }> {
  const range = recordRange("oneTimeCode", idBytes(application));
  const from = after === undefined ? range.from : Buffer.concat([codeKey(application, after), Buffer.of(0)]);
  const { records, damaged } = await scanIntact(tx, { ...range, from, limit }, codec.decode);
  return {
    records: records.map(({ value }) => value),
    damaged: damaged.map((key): Id<"otp"> => `otp_${key.toString("hex", OWN_BYTES)}`),
  };
}

/** Where the bytes of its own id begin in a key. */
const OWN_BYTES = 17;

/** One page of all applications' in the order of their keys, and the key to go on from; none when it was the last. */
export async function scanAllOneTimeCodes(
  tx: SealedReadTransaction,
  after: Buffer | undefined,
  limit: number,
): Promise<{ records: readonly { key: Buffer; value: OneTimeCode }[]; next: Buffer | undefined }> {
  const range = recordRange("oneTimeCode");
  return scanIntact(tx, { ...range, from: after ?? range.from, limit }, codec.decode);
}

/** Changes one page of them, and gives the key to go on from. One that is damaged stays as it is, and opens nothing. */
export async function changeOneTimeCodes(
  tx: SealedWriteTransaction,
  after: Buffer | undefined,
  limit: number,
  change: (code: OneTimeCode) => OneTimeCode,
): Promise<{ next: Buffer | undefined }> {
  const { records, next } = await scanAllOneTimeCodes(tx, after, limit);
  for (const { key, value } of records) await tx.put(key, codec.encode(change(value)));
  return { next };
}
