import { PosternError } from "@postern/shared/errors";
import type { Code } from "@postern/shared/otp/code";
import type { SealedWriteTransaction } from "../../barrier/barrier.js";
import {
  findOneTimeCode,
  type IssuedCode,
  type OneTimeCode,
  putOneTimeCode,
} from "../../records/applications/one-time-code.js";
import { untouchedBudget } from "../../records/budget.js";
import { audit, type Peer, type ServiceContext } from "../context.js";
import { concealed, drawCode } from "./code-draw.js";
import type { Deliver } from "./delivery.js";
import { forget, type IdempotentRequest, recall, remember } from "./idempotency.js";
import { isRecent, noteMailTo, waitForMail } from "./mail-limits.js";
import { type ShownCode, shownCode, shownCodeSchema } from "./shown-code.js";
import { credentialId, type Owner, type Subject } from "./subject.js";

/**
 * Issuing one-time codes: random digits that an application gets, or has sent to its subject by mail. A new one takes the
 * place of the last; the budget of guesses is the subject's, and goes on.
 */

/** Bounds of what an application may ask for; spans in milliseconds. */
export const codeLimits = {
  digits: { least: 4, most: 10 },
  lifetimeMs: { least: 10_000, most: 3_600_000 },
  attempts: { least: 1, most: 10 },
} as const;

export interface CodeWish {
  readonly subject: Subject;
  readonly digits: number;
  /** Milliseconds. */
  readonly lifetime: number;
  /** Wrong tries that the code outlives, whatever the budget says. */
  readonly attempts: number;
  /** Where the code goes by mail; undefined: to the application. */
  readonly mail?: { readonly to: string; readonly purpose?: string | undefined } | undefined;
}

export interface Issued {
  readonly shown: ShownCode;
  /** Absent where it went by mail, and in the answer to a repeat. */
  readonly code?: Code;
  /** Whether this answers a repeat: nothing was made. */
  readonly repeated: boolean;
}

export interface IssueMeans {
  /** Undefined: this server sends no mail. */
  readonly deliver?: Deliver | undefined;
  readonly request?: IdempotentRequest | undefined;
}

/**
 * Issues a code. A mail is sent once the code is durable; where that fails the code is withdrawn, and so is the memory of
 * the request, so that a repeat tries again. A server that is killed in between has sent nothing, and does not.
 * @throws PosternError `mail_unavailable`, `mail_address_invalid`, `mail_failed`, `rate_limited`, `idempotency_mismatch`,
 *   `store_damaged`
 */
export async function issueCode(
  context: ServiceContext,
  peer: Peer,
  owner: Owner,
  wish: CodeWish,
  { deliver, request }: IssueMeans,
): Promise<Issued> {
  const { mail } = wish;
  if (mail !== undefined && deliver === undefined) throw new PosternError("mail_unavailable");
  const made = await context.barrier.transact((tx) => issue(context, tx, peer, owner, wish, request));
  if ("retryAfter" in made) throw new PosternError("rate_limited", { retryAfter: made.retryAfter });
  const { shown, repeated } = made;
  if (made.repeated || mail === undefined || deliver === undefined) {
    return { shown, repeated, ...(!made.repeated && { code: made.code }) };
  }
  const { to, purpose } = mail;
  try {
    const { code, issued } = made;
    const { expiresAt } = issued;
    const application = owner.applicationName;
    await deliver({ to, code, expiresAt, application, ...(purpose !== undefined && { purpose }) });
  } catch (cause) {
    await context.barrier.transact((tx) => withdraw(context, tx, peer, owner, { ...made, request }));
    throw new PosternError("mail_failed", { cause });
  }
  return { shown, repeated };
}

type Made =
  | { readonly repeated: true; readonly shown: ShownCode }
  | { readonly repeated: false; readonly shown: ShownCode; readonly code: Code; readonly issued: IssuedCode };

/** The code is stored already; seconds to wait where this subject, or this mailbox, has had its mails. */
async function issue(
  context: ServiceContext,
  tx: SealedWriteTransaction,
  peer: Peer,
  owner: Owner,
  wish: CodeWish,
  request: IdempotentRequest | undefined,
): Promise<Made | { readonly retryAfter: number }> {
  const before = await recall(context, tx, owner, request, shownCodeSchema);
  if (before !== undefined) return { shown: before, repeated: true };
  const { application } = owner;
  const now = context.now();
  const id = credentialId(context.barrier, "otp", owner, wish.subject);
  const found = (await findOneTimeCode(tx, application, id)) ?? { id, version: 0, budget: untouchedBudget, mails: [] };
  const about = { application, subject: wish.subject, event: "otp.issue" } as const;
  const mails = found.mails.filter((at) => isRecent(at, now));
  const retryAfter = wish.mail && waitForMail(mails, now);
  if (retryAfter !== undefined) {
    if (!found.budget.noted) {
      await putOneTimeCode(tx, application, { ...found, budget: { ...found.budget, noted: true } });
      await audit(context, tx, peer, { ...about, outcome: "refused", reason: "throttled" });
    }
    return { retryAfter };
  }
  const full = wish.mail && (await noteMailTo(context, tx, owner, wish.mail.to));
  if (full !== undefined) {
    if (full.first) await audit(context, tx, peer, { ...about, outcome: "refused", reason: "throttled" });
    return full;
  }
  const code = drawCode(wish.digits, context.random);
  const issued: IssuedCode = {
    subject: wish.subject,
    ...concealed(code, context.random),
    digits: wish.digits,
    createdAt: now,
    expiresAt: now + wish.lifetime,
    attemptsLeft: wish.attempts,
    mailed: wish.mail !== undefined,
  };
  const record: OneTimeCode & { issued: IssuedCode } = {
    ...found,
    version: found.version + 1,
    budget: { ...found.budget, noted: false },
    mails: wish.mail === undefined ? mails : [...mails, now],
    issued,
  };
  await putOneTimeCode(tx, application, record);
  const shown = shownCode(record);
  await remember(context, tx, owner, request, shown);
  await audit(context, tx, peer, { ...about, outcome: "done" });
  return { shown, code, issued, repeated: false };
}

/** Takes a code back that could not be sent. The mail counts: it may have gone out all the same. */
async function withdraw(
  context: ServiceContext,
  tx: SealedWriteTransaction,
  peer: Peer,
  owner: Owner,
  { shown, issued, request }: Pick<Made & { repeated: false }, "shown" | "issued"> & Pick<IssueMeans, "request">,
): Promise<void> {
  await forget(context, tx, owner, request);
  const found = await findOneTimeCode(tx, owner.application, shown.id);
  // Another one may have taken its place meanwhile.
  if (found?.issued === undefined || !found.issued.macKey.equals(issued.macKey)) return;
  const { issued: _withdrawn, ...rest } = found;
  await putOneTimeCode(tx, owner.application, { ...rest, version: found.version + 1 });
  const about = { application: owner.application, subject: shown.subject };
  await audit(context, tx, peer, { ...about, event: "otp.delete", outcome: "done", reason: "mail_failed" });
}
