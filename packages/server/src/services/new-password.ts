import { parseVerifier, type Verifier } from "@postern/shared/srp/parse";
import type { SealedWriteTransaction } from "../barrier/barrier.js";
import type { Account } from "../records/account.js";
import { deleteResetToken } from "../records/reset-token.js";
import { getStretchCensus } from "../records/stretch-census.js";
import { endSessionsBut } from "./sessions.js";
import { countAccount, isInUse } from "./stretching.js";

/** A verifier, and the generation of the Argon2id parameters that the client made it with. */
export interface StretchedVerifier {
  readonly generation: number;
  /** 512 digits of hex. */
  readonly verifier: string;
}

/** A new password that may take the place of an account's. */
export interface Renewal {
  readonly generation: number;
  readonly verifier: Verifier;
  /** Not below what the account has, and nothing that this server has not asked for. */
  readonly fits: (tx: SealedWriteTransaction, account: Account) => Promise<boolean>;
}

/** @throws PosternError `verifier_invalid` */
export function renewalOf({ generation, verifier }: StretchedVerifier): Renewal {
  return {
    generation,
    verifier: parseVerifier(verifier),
    fits: async (tx, account) => generation >= account.stretch && isInUse(await getStretchCensus(tx), generation),
  };
}

/**
 * An account with another password, for the caller to store in the same transaction: all its sessions end with the old
 * one, as does a token to reset it, and its devices are known no more, but for one that the caller
 * makes known under the new one.
 */
export async function renewPassword(
  tx: SealedWriteTransaction,
  old: Account,
  { verifier, generation }: Renewal,
): Promise<Account> {
  await countAccount(tx, { from: old.stretch, to: generation });
  await endSessionsBut(tx, old.id);
  // Who knows the password, or has just set one, needs no token for it any more.
  await deleteResetToken(tx, old.id, "password");
  return { ...old, verifier, stretch: generation, passwordVersion: old.passwordVersion + 1 };
}
