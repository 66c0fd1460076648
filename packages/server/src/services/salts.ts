import { PosternError } from "@postern/shared/errors";
import { currentStretchGeneration, type StretchParameters, stretchGenerations } from "@postern/shared/kdf";
import { parseSalt, type Salt } from "@postern/shared/srp/parse";
import { VERIFIER_SEED_BYTES } from "@postern/shared/srp/server";
import type { Barrier } from "../barrier/barrier.js";

/**
 * What a client needs before it can compute anything: the same for a name that exists and one that does not, and
 * never changing, since it is derived from the decoy key, which rekey, password change and restore keep.
 */

/** The SRP salt of an identity: 32 bytes. */
export function saltOf(barrier: Barrier, identity: string): Salt {
  return parseSalt(barrier.decoy("srp salt", identity, 32).toString("hex"));
}

/** Bytes that become the verifier of a name that is not registered (`verifierFromBytes`). */
export function decoyVerifierBytes(barrier: Barrier, identity: string): Buffer {
  return barrier.decoy("srp verifier", identity, VERIFIER_SEED_BYTES);
}

/** Argon2id parameters and the number by which an account remembers them. */
export interface Stretch extends StretchParameters {
  readonly generation: number;
}

/** What new verifiers are made with. */
export const newStretch: Stretch = stretchOf(currentStretchGeneration);

/** @throws PosternError `store_future` for a generation that this release does not know */
export function stretchOf(generation: number): Stretch {
  const known: Readonly<Record<number, StretchParameters>> = stretchGenerations;
  const parameters = known[generation];
  if (parameters === undefined) throw new PosternError("store_future");
  return { generation, ...parameters };
}
