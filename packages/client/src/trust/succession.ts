import { type Fingerprint, fingerprintOf, sameFingerprint } from "@postern/shared/fingerprint";
import { SUCCESSORS_MAX, type SuccessorStatement, verifySuccessor } from "@postern/shared/successor";

/**
 * Whether an identity that is pinned vouches, by successor statements one after another, for the one that a server
 * shows. Each is signed by the key that it takes the place from; so only who had the pinned key could begin the chain.
 * `statements` are the newest first, as a server sends them, and those behind the pinned one count for nothing.
 */
export function leadsTo(
  shown: Fingerprint,
  { pin, statements }: { readonly pin: Fingerprint; readonly statements: readonly SuccessorStatement[] },
): boolean {
  let reached = shown;
  let sequence: number | undefined;
  for (const statement of statements.slice(0, SUCCESSORS_MAX)) {
    const follows = sequence === undefined || statement.sequence === sequence - 1;
    if (!follows || !sameFingerprint(fingerprintOf(statement.to), reached) || !verifySuccessor(statement)) return false;
    reached = fingerprintOf(statement.from);
    sequence = statement.sequence;
    if (sameFingerprint(reached, pin)) return true;
  }
  return false;
}
