import { TOTP_WINDOW } from "@postern/shared/otp/parameters";
import { stepAt } from "@postern/shared/otp/totp";
import type { SealedWriteTransaction } from "../barrier/barrier.js";
import { type Account, changeAccounts, type Factor } from "../records/account.js";
import { type RecordKind, recordRange } from "../records/keys.js";
import { type AuditContext, audit } from "./context.js";

/** Records of a transaction. */
const PAGE = 256;

/** What somebody may have used, lost or ended since the backup was made; and servers that ran on the store of then. */
const ended = ["session", "invite", "resetToken", "presence", "outbox"] as const satisfies readonly RecordKind[];

/**
 * Ends what an earlier state of the store would bring back to life: sessions; invites and reset tokens; recovery codes; codes of authenticators
 * that may have been used meanwhile. TOTP begins behind every step that could be accepted up to now; HOTP, of which
 * nobody can say how far it has come, with two codes in a row. And records that it was restored.
 *
 * It goes a page a transaction. What makes it one step is that the store is put in place only when all of it is done.
 */
export async function settleRestored(context: AuditContext, backupTime: number): Promise<{ accounts: number }> {
  const { barrier } = context;
  for (const kind of ended) {
    while ((await barrier.transact((tx) => deletePage(tx, kind))) === PAGE);
  }
  let accounts = 0;
  let after: Buffer | undefined;
  do {
    const from = after;
    const page = await barrier.transact((tx) =>
      changeAccounts(tx, from, PAGE, (account) => settledAccount(account, context.now())),
    );
    accounts += page.accounts;
    after = page.next;
  } while (after !== undefined);
  const reason = `backup of ${new Date(backupTime).toISOString()}`;
  await barrier.transact((tx) => audit(context, tx, undefined, { event: "store.restore", outcome: "done", reason }));
  return { accounts };
}

async function deletePage(tx: SealedWriteTransaction, kind: RecordKind): Promise<number> {
  const keys = (await tx.scan({ ...recordRange(kind), limit: PAGE })).map(({ key }) => key);
  for (const key of keys) await tx.delete(key);
  return keys.length;
}

export function settledAccount(account: Account, now: number): Account {
  return { ...account, recovery: [], factors: account.factors.map((factor) => settledFactor(factor, now)) };
}

function settledFactor(factor: Factor, now: number): Factor {
  if (factor.kind === "hotp") return { ...factor, resync: true };
  return { ...factor, lastStep: Math.max(factor.lastStep, stepAt(now, factor.period) + TOTP_WINDOW) };
}
