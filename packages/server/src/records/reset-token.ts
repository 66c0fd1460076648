import type { AccountId } from "@postern/shared/ids";
import type { SealedReadTransaction, SealedWriteTransaction } from "../barrier/barrier.js";
import { recordCodec } from "./codec.js";
import { scanIntact } from "./intact.js";
import { idBytes, recordKey, recordRange } from "./keys.js";
import { bytes, instant, text, type ValueOf, words } from "./kinds.js";
import { record } from "./record-kind.js";

/** What a reset token sets anew, with the byte that says so in its record's key. */
const resets = { password: 1, factors: 2 } as const;
export type ResetKind = keyof typeof resets;
export const resetKinds = Object.keys(resets) as ResetKind[];

/**
 * The reset token of a person: of each kind there is at most one, since it stands under the account and the kind, and the
 * next takes its place. It is no part of the account: one that is missing or damaged opens nothing, and leaves what is
 * asked of the person as it was.
 */
const schema = record({
  account: text<AccountId>(),
  resets: words("password", "factors"),
  /** SHA-256 of the token's secret. */
  hash: bytes(32),
  createdAt: instant,
  expiresAt: instant,
});
export type ResetToken = ValueOf<typeof schema>;

const codec = recordCodec(schema, { format: 1 });

/** An account's id as the 16 bytes that its tokens' keys begin with. */
export type ResetOwner = Buffer;

export const resetOwner = (account: AccountId): ResetOwner => idBytes(account);

const resetKey = (owner: ResetOwner, kind: ResetKind) => recordKey("resetToken", owner, Buffer.of(resets[kind]));

export const resetTokenKey = ({ account, resets: kind }: Pick<ResetToken, "account" | "resets">) =>
  resetKey(resetOwner(account), kind);

export async function findResetToken(
  tx: SealedReadTransaction,
  owner: ResetOwner,
  kind: ResetKind,
): Promise<ResetToken | undefined> {
  const stored = await tx.get(resetKey(owner, kind));
  return stored && codec.decode(stored);
}

export async function putResetToken(tx: SealedWriteTransaction, token: ResetToken): Promise<void> {
  await tx.put(resetTokenKey(token), codec.encode(token));
}

export async function deleteResetToken(tx: SealedWriteTransaction, account: AccountId, kind: ResetKind): Promise<void> {
  await tx.delete(resetKey(resetOwner(account), kind));
}

/** One page of them in the order of their keys, with the keys of the damaged ones, and the key to go on from. */
export async function scanResetTokens(
  tx: SealedReadTransaction,
  after: Buffer | undefined,
  limit: number,
): Promise<{ tokens: ResetToken[]; damaged: readonly Buffer[]; next: Buffer | undefined }> {
  const range = recordRange("resetToken");
  const { records, ...rest } = await scanIntact(tx, { ...range, from: after ?? range.from, limit }, codec.decode);
  return { tokens: records.map(({ value }) => value), ...rest };
}
