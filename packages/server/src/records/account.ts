import { PosternError } from "@postern/shared/errors";
import type { AccountId, FactorId } from "@postern/shared/ids";
import { z } from "zod";
import type { SealedReadTransaction, SealedWriteTransaction } from "../barrier/barrier.js";
import { budgetSchema } from "./budget.js";
import { bytes, instant, recordCodec } from "./codec.js";
import { recordKey } from "./keys.js";

/**
 * One record holds all that decides whether a person gets in: verifier, factors, used steps, recovery hashes and the
 * budget for codes. So a missing piece is a missing account, and damage can never lower the number of factors asked.
 */
const totpFactor = z.strictObject({
  kind: z.literal("totp"),
  id: z.custom<FactorId>((value) => typeof value === "string"),
  label: z.string(),
  secret: bytes(),
  algorithm: z.enum(["SHA1", "SHA256", "SHA512"]),
  digits: z.number().int().min(6).max(8),
  period: z.number().int().positive(),
  /** The last time step whose code was accepted; that step and every one before it are spent. RFC 6238 section 5.2. */
  lastStep: z.number().int(),
  createdAt: instant,
});
export type TotpFactor = z.infer<typeof totpFactor>;

const schema = z.strictObject({
  id: z.custom<AccountId>((value) => typeof value === "string"),
  /** The mapped name, which SRP hashes. */
  identity: z.string().min(1),
  createdAt: instant,
  /** v = g^x mod N, 256 bytes. */
  verifier: bytes(256),
  /** The number of the Argon2id parameters that `verifier` was made with. */
  stretch: z.number().int().positive(),
  factors: z.array(totpFactor).min(1),
  /** SHA-256 of each recovery code that is not spent. */
  recovery: z.array(bytes(32)),
  codeBudget: budgetSchema,
});
export type Account = z.infer<typeof schema>;

const codec = recordCodec(schema, { format: 1 });

/** Where the record of a name stands: `nameIndex` is the barrier's keyed hash of the identity. */
const accountKey = (nameIndex: Buffer) => recordKey("account", nameIndex);

/** No name's keyed hash: its length differs. */
const dummyKey = recordKey("account", Buffer.from("dummy"));

export async function findAccount(tx: SealedReadTransaction, nameIndex: Buffer): Promise<Account | undefined> {
  const stored = await tx.get(accountKey(nameIndex));
  return stored && codec.decode(stored);
}

export async function putAccount(tx: SealedWriteTransaction, nameIndex: Buffer, account: Account): Promise<void> {
  await tx.put(accountKey(nameIndex), codec.encode(account));
}

/**
 * The record of a name together with one that belongs to nobody. An unknown name is answered from the second, and
 * both are looked for, unsealed and decoded in the same way, so that the time taken does not tell which it was.
 */
export async function findAccountOrDummy(
  tx: SealedReadTransaction,
  nameIndex: Buffer,
): Promise<{ known: boolean; account: Account }> {
  const found = await tx.get(accountKey(nameIndex));
  const stored = found ?? (await tx.get(dummyKey));
  // The known name asks once more for nothing, as the unknown one did.
  if (found !== undefined) await tx.get(recordKey("account", Buffer.from("nobody")));
  if (stored === undefined)
    throw new PosternError("store_damaged", { detail: "the record for unknown names is missing" });
  return { known: found !== undefined, account: codec.decode(stored) };
}

export async function putDummyAccount(tx: SealedWriteTransaction, account: Account): Promise<void> {
  await tx.put(dummyKey, codec.encode(account));
}
