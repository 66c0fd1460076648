import {
  formatRecoveryCode,
  hashRecoveryCode,
  newRecoveryCodes,
  RECOVERY_CODES,
} from "@postern/shared/otp/recovery-code";
import { putAccount } from "../records/account.js";
import { aboutSession, audit, type Peer, type ServiceContext } from "./context.js";
import { readLiveSession, type SessionName } from "./live-session.js";
import { withFreshSession } from "./step-up.js";

/** A set of recovery codes: `shown` this once, only `hashes` are stored. */
export function newRecoverySet(random: (size: number) => Buffer): { shown: string[]; hashes: Buffer[] } {
  const codes = newRecoveryCodes(random);
  return { shown: codes.map((code) => formatRecoveryCode(code)), hashes: codes.map((code) => hashRecoveryCode(code)) };
}

/** @throws PosternError `session_invalid` */
export function recoveryStatus(context: ServiceContext, known: SessionName): Promise<{ left: number; total: number }> {
  return readLiveSession(context, known, async (_tx, { account }) => ({
    left: account.recovery.length,
    total: RECOVERY_CODES,
  }));
}

/** New codes; the old ones are dead from then on. @throws PosternError `session_invalid`, `step_up_needed` */
export function regenerateRecovery(context: ServiceContext, peer: Peer, known: SessionName): Promise<string[]> {
  return withFreshSession(context, known, async (tx, { session, account, nameIndex }) => {
    const { shown, hashes } = newRecoverySet(context.random);
    await putAccount(tx, nameIndex, { ...account, recovery: hashes });
    await audit(context, tx, peer, { ...aboutSession(session), event: "recovery.regenerate", outcome: "done" });
    return shown;
  });
}
