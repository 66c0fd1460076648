import { TOTP_WINDOW } from "@postern/shared/otp/parameters";
import { stepAt } from "@postern/shared/otp/totp";
import type { SealedWriteTransaction } from "../barrier/barrier.js";
import { type Account, changeAccounts, type Factor } from "../records/account.js";
import { changeAuthenticators } from "../records/applications/authenticator.js";
import { changeOneTimeCodes } from "../records/applications/one-time-code.js";
import { changeChallenges } from "../records/challenges/challenge.js";
import { type RecordKind, recordRange } from "../records/keys.js";
import { settledAuthenticator } from "./applications/authenticator-care.js";
import { revokeAllApiKeys } from "./applications/key-care.js";
import { settledCode } from "./applications/one-time-code-care.js";
import { settledChallenge } from "./challenges/expire.js";
import { type AuditContext, audit } from "./context.js";

/** Records of a transaction. */
const PAGE = 256;

/** What somebody may have used, lost or ended since the backup was made; and servers that ran on the store of then. */
const ended = [
  "session",
  "invite",
  "resetToken",
  "idempotency",
  "challengePage",
  "presence",
  "outbox",
] as const satisfies readonly RecordKind[];

/**
 * Ends what an earlier state of the store would bring back to life: sessions; invites and reset tokens; API keys, of
 * which any may have been revoked since; recovery codes; one-time codes of applications; challenges that were open, and
 * what was still to be told of others; codes of authenticators, people's and applications', that may have been used
 * meanwhile. TOTP begins behind every step that could be accepted up to now; HOTP, of which nobody can say how far it
 * has come, with two codes in a row. And records that it was restored.
 *
 * It goes a page a transaction. What makes it one step is that the store is put in place only when all of it is done.
 */
export async function settleRestored(context: AuditContext, backupTime: number): Promise<{ accounts: number }> {
  const { barrier } = context;
  for (const kind of ended) {
    while ((await barrier.transact((tx) => deletePage(tx, kind))) === PAGE);
  }
  await revokeAllApiKeys(context);
  let accounts = 0;
  await everyPage(async (after) => {
    const page = await barrier.transact((tx) =>
      changeAccounts(tx, after, PAGE, (account) => settledAccount(account, context.now())),
    );
    accounts += page.accounts;
    return page.next;
  });
  const ofApplications = [
    (tx: SealedWriteTransaction, after: Buffer | undefined) =>
      changeOneTimeCodes(tx, after, PAGE, (code) => settledCode(code, context.now())),
    (tx: SealedWriteTransaction, after: Buffer | undefined) =>
      changeAuthenticators(tx, after, PAGE, (authenticator) => settledAuthenticator(authenticator, context.now())),
    (tx: SealedWriteTransaction, after: Buffer | undefined) =>
      changeChallenges(tx, after, PAGE, (challenge) => settledChallenge(challenge, context.now())),
  ];
  for (const settle of ofApplications) {
    await everyPage(async (after) => (await barrier.transact((tx) => settle(tx, after))).next);
  }
  const reason = `backup of ${new Date(backupTime).toISOString()}`;
  await barrier.transact((tx) => audit(context, tx, undefined, { event: "store.restore", outcome: "done", reason }));
  return { accounts };
}

/** `page` is handed the key that the one before gave, until one gives none. */
async function everyPage(page: (after: Buffer | undefined) => Promise<Buffer | undefined>): Promise<void> {
  let after: Buffer | undefined;
  do {
    after = await page(after);
  } while (after !== undefined);
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
