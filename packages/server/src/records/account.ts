import { PosternError } from "@postern/shared/errors";
import type { AccountId, FactorId } from "@postern/shared/ids";
import type { SealedReadTransaction, SealedWriteTransaction } from "../barrier/barrier.js";
import { budgetKind } from "./budget.js";
import { holding, paddedCodec, recordCodec } from "./codec.js";
import { scanIntact } from "./intact.js";
import { recordKey, recordRange } from "./keys.js";
import {
  bytes,
  count,
  instant,
  integer,
  list,
  named,
  ordinal,
  set,
  text,
  type ValueOf,
  whole,
  words,
} from "./kinds.js";
import { optional, record, tagged } from "./record-kind.js";

/**
 * One record holds all that decides whether a person gets in: verifier, factors, used steps, recovery hashes and the
 * budget for codes. So a missing piece is a missing account, and damage can never lower the number of factors asked.
 *
 * It has a head, of the same size for everyone, and details, padded. A login begins with the head alone: how many
 * authenticators someone has does not show in how long that takes, nor, but for very many, in the record's size.
 */
const factorFacts = {
  id: text<FactorId>(),
  label: text(),
  secret: bytes(),
  algorithm: words("SHA1", "SHA256", "SHA512"),
  digits: whole(6, 8),
  createdAt: instant,
  lastUsedAt: optional(instant),
};

const totpFactor = record({
  kind: words("totp"),
  ...factorFacts,
  period: ordinal,
  /** The last time step whose code was accepted; that step and every one before it are spent. RFC 6238 section 5.2. */
  lastStep: integer,
});

const hotpFactor = record({
  kind: words("hotp"),
  ...factorFacts,
  /** The counter that is expected next: every code before it is spent. RFC 4226 section 7.2. */
  counter: count,
  /** The counter may be behind, by a restore: only two codes in a row are accepted, and end it. */
  resync: optional(set),
});

const detailFields = {
  /** The mapped name, which SRP hashes. */
  identity: text((name) => name.length > 0),
  createdAt: instant,
  factors: list(tagged("kind", { totp: totpFactor, hotp: hotpFactor }), 1),
  /** SHA-256 of each recovery code that is not spent. */
  recovery: list(bytes(32)),
  /** What strangers have for codes; a known device has a budget of its own. */
  codeBudget: budgetKind,
  /** Of a node's chain, the length that it had when the registration began: nothing before tells of this account. */
  auditSince: optional(named(count)),
  /** When an operator closed the account; while it stands here nobody gets in, whatever they prove. */
  disabledAt: optional(instant),
  lastLoginAt: optional(instant),
};
const detailsSchema = record(detailFields);

const headFields = {
  id: text<AccountId>(),
  /** v = g^x mod N, 256 bytes. */
  verifier: bytes(256),
  /** The number of the Argon2id parameters that `verifier` was made with. */
  stretch: ordinal,
  /** Counts the passwords that the account had: what was proved or made known under another one is void. */
  passwordVersion: count,
};
const headSchema = record(headFields);

export type TotpFactor = ValueOf<typeof totpFactor>;
export type HotpFactor = ValueOf<typeof hotpFactor>;
export type Factor = TotpFactor | HotpFactor;
export type AccountHead = ValueOf<typeof headSchema>;
export type Account = AccountHead & ValueOf<typeof detailsSchema>;

/** Three authenticators of any kind fit into one, and more of the usual kind. */
const DETAILS_BLOCK = 2048;

const details = paddedCodec(detailsSchema, DETAILS_BLOCK);

/** Format 1 had everything in one, only TOTP, and did not count passwords. */
const { passwordVersion: _later, ...formerHeadFields } = headFields;
const former = {
  kind: record({ ...formerHeadFields, ...detailFields }),
  upgrade: (known: Omit<Account, "passwordVersion">) => ({
    ...headOf({ ...known, passwordVersion: 0 }),
    details: details.encode(known),
  }),
};

const codec = recordCodec(record({ ...headFields, details: bytes() }), { format: 2, former });

function encode(account: Account): Buffer {
  const { id, verifier, stretch, passwordVersion } = account;
  return holding(details.encode(account), (packed) =>
    codec.encode({ id, verifier, stretch, passwordVersion, details: packed }),
  );
}

function decode(stored: Buffer): Account {
  const record = codec.decode(stored);
  return Object.assign(details.decode(record.details), headOf(record));
}

function headOf({ id, verifier, stretch, passwordVersion }: AccountHead): AccountHead {
  return { id, verifier, stretch, passwordVersion };
}

const decodeHead = (stored: Buffer): AccountHead => headOf(codec.decode(stored));

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
