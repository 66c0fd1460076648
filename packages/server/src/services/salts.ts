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

/** What stands in for the account's id where an unknown name's devices are looked for: 16 bytes. */
export function decoyDeviceOwner(barrier: Barrier, identity: string): Buffer {
  return barrier.decoy("device owner", identity, 16);
}

/** The same where its reset tokens are. */
export function decoyResetOwner(barrier: Barrier, identity: string): Buffer {
  return barrier.decoy("reset owner", identity, 16);
}

/** Where a name stands among all names, from 0 to below 1: it never changes, and looks drawn at random. */
export function placeOf(barrier: Barrier, identity: string): number {
  return barrier.decoy("stretch generation", identity, 6).readUIntBE(0, 6) / 2 ** 48;
}
