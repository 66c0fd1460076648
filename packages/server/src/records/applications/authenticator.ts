import type { ApplicationId, Id } from "@postern/shared/ids";
import type { SealedReadTransaction, SealedWriteTransaction } from "../../barrier/barrier.js";
import { budgetKind } from "../budget.js";
import { recordCodec } from "../codec.js";
import { scanIntact } from "../intact.js";
import { idBytes, recordKey, recordRange } from "../keys.js";
import { bytes, count, instant, integer, ordinal, set, text, type ValueOf, whole, words } from "../kinds.js";
import { optional, record, tagged } from "../record-kind.js";

/**
 * An authenticator of an application's subject. One record holds all that a verdict goes by: secret, what is used up of
 * it, and the budget of guesses. So damage can never lower what is asked.
 */
const facts = {
  subject: text(),
  /** As the person's app shows them. */
  issuer: text(),
  account: text(),
  secret: bytes(),
  algorithm: words("SHA1", "SHA256", "SHA512"),
  digits: whole(6, 8),
  createdAt: instant,
  lastUsedAt: optional(instant),
  budget: budgetKind,
  /** Counts the changes of what is shown. */
  version: ordinal,
};

const totpSchema = record({
  kind: words("totp"),
  id: text<Id<"totp">>(),
  ...facts,
  period: ordinal,
  /** The last time step whose code was accepted; that step and every one before it are spent. RFC 6238 section 5.2. */
  lastStep: integer,
});

const hotpSchema = record({
  kind: words("hotp"),
  id: text<Id<"hotp">>(),
  ...facts,
  /** The counter that is expected next: every code before it is spent. RFC 4226 section 7.2. */
  counter: count,
  /** How many counters behind the expected one are tried. RFC 4226 section 7.4. */
  lookAhead: whole(1, 10),
  /** The counter may be behind, by a restore: only two codes in a row are accepted, and end it. */
  resync: optional(set),
});

export type TotpAuthenticator = ValueOf<typeof totpSchema>;
export type HotpAuthenticator = ValueOf<typeof hotpSchema>;
export type Authenticator = TotpAuthenticator | HotpAuthenticator;
export type AuthenticatorKind = Authenticator["kind"];
export type AuthenticatorId = Authenticator["id"];
/** The record of a kind. */
export type AuthenticatorOf<K extends AuthenticatorKind> = Extract<Authenticator, { kind: K }>;

const codec = recordCodec(tagged("kind", { totp: totpSchema, hotp: hotpSchema }), { format: 1 });

/** Keeps an application's authenticators of one kind together. */
const kindBytes = { totp: Buffer.of(1), hotp: Buffer.of(2) } as const satisfies Record<AuthenticatorKind, Buffer>;

const kindOf = (id: AuthenticatorId): AuthenticatorKind => (id.startsWith("totp_") ? "totp" : "hotp");

const authenticatorKey = (application: ApplicationId, id: AuthenticatorId) =>
  recordKey("authenticator", idBytes(application), kindBytes[kindOf(id)], idBytes(id));

/** @throws PosternError `store_damaged` */
export async function findAuthenticator<K extends AuthenticatorKind>(
  tx: SealedReadTransaction,
  application: ApplicationId,
  id: Id<K>,
): Promise<AuthenticatorOf<K> | undefined> {
  const stored = await tx.get(authenticatorKey(application, id as AuthenticatorId));
  return stored && (codec.decode(stored) as AuthenticatorOf<K>);
}

export async function putAuthenticator(
  tx: SealedWriteTransaction,
  application: ApplicationId,
  authenticator: Authenticator,
): Promise<void> {
  await tx.put(authenticatorKey(application, authenticator.id), codec.encode(authenticator));
}

export async function deleteAuthenticator(
  tx: SealedWriteTransaction,
  application: ApplicationId,
  id: AuthenticatorId,
): Promise<void> {
  await tx.delete(authenticatorKey(application, id));
}

/** At most `limit` of an application's of one kind from behind `after` on, by their ids; and those that do not open. */
export async function scanAuthenticators<K extends AuthenticatorKind>(
  tx: SealedReadTransaction,
  { application, kind }: { application: ApplicationId; kind: K },
  after: Id<K> | undefined,
  limit: number,
): Promise<{ records: readonly AuthenticatorOf<K>[]; damaged: readonly Id<K>[] }> {
  const range = recordRange("authenticator", idBytes(application), kindBytes[kind]);
  const behind = after && authenticatorKey(application, after as AuthenticatorId);
  const from = behind === undefined ? range.from : Buffer.concat([behind, Buffer.of(0)]);
  const { records, damaged } = await scanIntact(tx, { ...range, from, limit }, codec.decode);
  return {
    records: records.map(({ value }) => value as AuthenticatorOf<K>),
    damaged: damaged.map((key) => `${kind}_${key.toString("hex", OWN_BYTES)}` as Id<K>),
  };
}

/** Where the bytes of its own id begin in a key. */
const OWN_BYTES = 18;

/** Changes one page of all of them, and gives the key to go on from. One that is damaged stays as it is. */
export async function changeAuthenticators(
  tx: SealedWriteTransaction,
  after: Buffer | undefined,
  limit: number,
  change: (authenticator: Authenticator) => Authenticator,
): Promise<{ next: Buffer | undefined }> {
  const range = recordRange("authenticator");
  const { records, next } = await scanIntact(tx, { ...range, from: after ?? range.from, limit }, codec.decode);
  for (const { key, value } of records) await tx.put(key, codec.encode(change(value)));
  return { next };
}
