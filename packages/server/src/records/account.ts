import { PosternError } from "@postern/shared/errors";
import type { AccountId, FactorId } from "@postern/shared/ids";
import { z } from "zod";
import type { SealedReadTransaction, SealedWriteTransaction } from "../barrier/barrier.js";
import { budgetSchema } from "./budget.js";
import { bytes, instant, paddedCodec, recordCodec } from "./codec.js";
import { scanIntact } from "./intact.js";
import { recordKey, recordRange } from "./keys.js";

/**
 * One record holds all that decides whether a person gets in: verifier, factors, used steps, recovery hashes and the
 * budget for codes. So a missing piece is a missing account, and damage can never lower the number of factors asked.
 *
 * It has a head, of the same size for everyone, and details, padded. A login begins with the head alone: how many
 * authenticators someone has does not show in how long that takes, nor, but for very many, in the record's size.
 */
const factorFacts = {
  id: z.custom<FactorId>((value) => typeof value === "string"),
  label: z.string(),
  secret: bytes(),
  algorithm: z.enum(["SHA1", "SHA256", "SHA512"]),
  digits: z.number().int().min(6).max(8),
  createdAt: instant,
  lastUsedAt: instant.optional(),
};

const totpFactor = z.strictObject({
  kind: z.literal("totp"),
  ...factorFacts,
  period: z.number().int().positive(),
  /** The last time step whose code was accepted; that step and every one before it are spent. RFC 6238 section 5.2. */
  lastStep: z.number().int(),
});

const hotpFactor = z.strictObject({
  kind: z.literal("hotp"),
  ...factorFacts,
  /** The counter that is expected next: every code before it is spent. RFC 4226 section 7.2. */
  counter: z.number().int().nonnegative(),
  /** The counter may be behind, by a restore: only two codes in a row are accepted, and end it. */
  resync: z.literal(true).optional(),
});

const detailsSchema = z.strictObject({
  /** The mapped name, which SRP hashes. */
  identity: z.string().min(1),
  createdAt: instant,
  factors: z.array(z.discriminatedUnion("kind", [totpFactor, hotpFactor])).min(1),
  /** SHA-256 of each recovery code that is not spent. */
  recovery: z.array(bytes(32)),
  /** What strangers have for codes; a known device has a budget of its own. */
  codeBudget: budgetSchema,
  /** Of a node's chain, the length that it had when the registration began: nothing before tells of this account. */
  auditSince: z.record(z.string(), z.number().int().nonnegative()).optional(),
  /** When an operator closed the account; while it stands here nobody gets in, whatever they prove. */
  disabledAt: instant.optional(),
  lastLoginAt: instant.optional(),
});

const headSchema = z.strictObject({
  id: z.custom<AccountId>((value) => typeof value === "string"),
  /** v = g^x mod N, 256 bytes. */
  verifier: bytes(256),
  /** The number of the Argon2id parameters that `verifier` was made with. */
  stretch: z.number().int().positive(),
  /** Counts the passwords that the account had: what was proved or made known under another one is void. */
  passwordVersion: z.number().int().nonnegative(),
});

export type TotpFactor = z.infer<typeof totpFactor>;
export type HotpFactor = z.infer<typeof hotpFactor>;
export type Factor = TotpFactor | HotpFactor;
export type AccountHead = z.infer<typeof headSchema>;
export type Account = AccountHead & z.infer<typeof detailsSchema>;

/** Three authenticators of any kind fit into one, and more of the usual kind. */
const DETAILS_BLOCK = 2048;

const details = paddedCodec(detailsSchema, DETAILS_BLOCK);

const codec = recordCodec(headSchema.extend({ details: bytes() }), { format: 2, upgrade: fromFormat1 });

/** Format 1 had everything in one, only TOTP, and did not count passwords. */
function fromFormat1(fields: unknown): unknown {
  const known = headSchema.omit({ passwordVersion: true }).extend(detailsSchema.shape).safeParse(fields);
  if (!known.success) return undefined;
  const { id, verifier, stretch, ...rest } = known.data;
  return { id, verifier, stretch, passwordVersion: 0, details: details.encode(rest) };
}

function encode({ id, verifier, stretch, passwordVersion, ...rest }: Account): Buffer {
  return codec.encode({ id, verifier, stretch, passwordVersion, details: details.encode(rest) });
}

function decode(stored: Buffer): Account {
  const { details: packed, ...head } = codec.decode(stored);
  return { ...head, ...details.decode(packed) };
}

function decodeHead(stored: Buffer): AccountHead {
  const { details: _sealed, ...head } = codec.decode(stored);
  return head;
}

/** Where the record of a name stands: `nameIndex` is the barrier's keyed hash of the identity. */
const accountKey = (nameIndex: Buffer) => recordKey("account", nameIndex);

/** No name's keyed hash, by its length; and behind all of them. */
const dummyKey = recordKey("account", Buffer.alloc(33, 0xff));

/** Where it stood while format 1 was the last one. */
const dummyKeyOfFormat1 = recordKey("account", Buffer.from("dummy"));

const isOfSomebody = (key: Buffer) => !key.equals(dummyKey) && !key.equals(dummyKeyOfFormat1);

export async function findAccount(tx: SealedReadTransaction, nameIndex: Buffer): Promise<Account | undefined> {
  const stored = await tx.get(accountKey(nameIndex));
  return stored && decode(stored);
}

export async function findAccountHead(tx: SealedReadTransaction, nameIndex: Buffer): Promise<AccountHead | undefined> {
  const stored = await tx.get(accountKey(nameIndex));
  return stored && decodeHead(stored);
}

export async function putAccount(tx: SealedWriteTransaction, nameIndex: Buffer, account: Account): Promise<void> {
  await tx.put(accountKey(nameIndex), encode(account));
}

export async function deleteAccount(tx: SealedWriteTransaction, nameIndex: Buffer): Promise<void> {
  await tx.delete(accountKey(nameIndex));
}

/**
 * Brings one page of accounts to today's format and place, in the order of their keys: says how many there are, and the key to go
 * on from; none when it was the last. One that is damaged stays as it is, and keeps out nobody but its person.
 */
export async function refreshAccounts(
  tx: SealedWriteTransaction,
  after: Buffer | undefined,
  limit: number,
): Promise<{ accounts: number; next: Buffer | undefined }> {
  const range = recordRange("account");
  const page = await scanIntact(tx, { ...range, from: after ?? range.from, limit }, decode);
  for (const { key, value } of page.records) {
    const movesTo = key.equals(dummyKeyOfFormat1) ? dummyKey : key;
    if (movesTo !== key) await tx.delete(key);
    await tx.put(movesTo, encode(value));
  }
  const keys = [...page.records.map(({ key }) => key), ...page.damaged];
  return { accounts: keys.filter(isOfSomebody).length, next: page.next };
}

/** An account with the keyed hash that it stands under; undefined where it does not open. */
export interface ListedAccount {
  readonly nameIndex: Buffer;
  readonly account: Account | undefined;
}

/** One page of accounts in the order of their keys, and the key to go on from; none when it was the last. */
export async function scanAccounts(
  tx: SealedReadTransaction,
  after: Buffer | undefined,
  limit: number,
): Promise<{ accounts: ListedAccount[]; next: Buffer | undefined }> {
  const range = recordRange("account");
  const page = await scanIntact(tx, { ...range, from: after ?? range.from, limit }, decode);
  const found = [...page.records, ...page.damaged.map((key) => ({ key, value: undefined }))];
  const listed = found.filter(({ key }) => isOfSomebody(key)).sort((a, b) => Buffer.compare(a.key, b.key));
  return {
    accounts: listed.map(({ key, value }) => ({ nameIndex: key.subarray(1), account: value })),
    next: page.next,
  };
}

/**
 * Changes one page of records, that of nobody among them, in the order of their keys: says how many accounts there are,
 * and the key to go on from; none when it was the last. One that is damaged stays as it is.
 */
export async function changeAccounts(
  tx: SealedWriteTransaction,
  after: Buffer | undefined,
  limit: number,
  change: (account: Account) => Account,
): Promise<{ accounts: number; next: Buffer | undefined }> {
  const range = recordRange("account");
  const { records, damaged, next } = await scanIntact(tx, { ...range, from: after ?? range.from, limit }, decode);
  for (const { key, value } of records) await tx.put(key, encode(change(value)));
  const keys = [...records.map(({ key }) => key), ...damaged];
  return { accounts: keys.filter(isOfSomebody).length, next };
}

/**
 * The head of a name's record; for an unknown name that of the record which stands where its own would. Both are found
 * by the one same read, unsealed and decoded: what belongs to nobody is as cold in every cache as what belongs to
 * somebody, so that the time taken does not tell which it was. Behind the last record there is one of nobody.
 */
export async function findHeadOrDummy(
  tx: SealedReadTransaction,
  nameIndex: Buffer,
): Promise<{ known: boolean; head: AccountHead }> {
  const key = accountKey(nameIndex);
  const { to } = recordRange("account");
  const [found] = await tx.scan({ from: key, to, limit: 1 });
  if (found === undefined) throw dummyMissing();
  return { known: found.key.equals(key), head: decodeHead(found.value) };
}

export async function putDummyAccount(tx: SealedWriteTransaction, account: Account): Promise<void> {
  await tx.put(dummyKey, encode(account));
}

function dummyMissing(): PosternError {
  return new PosternError("store_damaged", { detail: "the record for unknown names is missing" });
}
