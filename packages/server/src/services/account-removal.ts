import { PosternError } from "@postern/shared/errors";
import type { SealedWriteTransaction } from "../barrier/barrier.js";
import { type Account, deleteAccount } from "../records/account.js";
import { putErasure } from "../records/audit-erasure.js";
import { judgeCode, refusalOf } from "./code-guess.js";
import { aboutSession, audit, type Peer, type ServiceContext } from "./context.js";
import { forgetDevicesBut } from "./devices.js";
import type { CodeGuess } from "./factors.js";
import { type SessionName, withLiveSession } from "./live-session.js";
import { forgetResetTokens } from "./reset-tokens.js";
import { endSessionsBut } from "./sessions.js";
import { guesserOf } from "./step-up.js";
import { countAccount } from "./stretching.js";

/**
 * An account goes, with its sessions, devices and reset tokens, in the caller's transaction. The log keeps that there was one, under
 * an id that nobody will have again: the name and the addresses are queued to be erased from it.
 */
export async function removeAccount(tx: SealedWriteTransaction, nameIndex: Buffer, account: Account): Promise<void> {
  await deleteAccount(tx, nameIndex);
  await endSessionsBut(tx, account.id);
  await forgetDevicesBut(tx, account, undefined);
  await forgetResetTokens(tx, account);
  await countAccount(tx, { from: account.stretch });
  await putErasure(tx, account.id, { name: account.identity, since: account.auditSince });
}

/**
 * A person deletes their account. It always takes a code, however fresh the session. The server erases them
 * from the log within a minute.
 * @throws PosternError `session_invalid`, `code_refused`, `throttled`, `codes_locked`
 */
export async function removeOwnAccount(
  context: ServiceContext,
  peer: Peer,
  known: SessionName,
  guess: CodeGuess,
): Promise<void> {
  const refused = await withLiveSession(context, known, async (tx, { session, account, nameIndex }) => {
    const codeCase = { account, nameIndex, guesser: guesserOf(session), event: "account.delete" } as const;
    const verdict = await judgeCode(context, tx, peer, { ...codeCase, session: session.id }, guess);
    if (verdict.kind !== "right") return refusalOf(verdict);
    await removeAccount(tx, nameIndex, account);
    await audit(context, tx, peer, {
      ...aboutSession(session),
      event: "account.delete",
      outcome: "done",
      reason: verdict.code.by,
    });
    return undefined;
  });
  if (refused instanceof PosternError) throw refused;
}
