import { PosternError } from "@postern/shared/errors";
import type { Id } from "@postern/shared/ids";
import { type Code, parseCode } from "@postern/shared/otp/code";
import type { SealedReadTransaction } from "../../barrier/barrier.js";
import {
  findOneTimeCode,
  type IssuedCode,
  type OneTimeCode,
  putOneTimeCode,
} from "../../records/applications/one-time-code.js";
import type { Peer, ServiceContext } from "../context.js";
import { isConcealed } from "./code-draw.js";
import { type Judged, judgeGuess, type Verdict } from "./guess.js";
import { codeLimits } from "./one-time-codes.js";
import type { Owner } from "./subject.js";

type Application = Pick<Owner, "application">;
type CodeId = Id<"otp">;

/** A record of a code that was issued, and is there still. */
export type LiveRecord = OneTimeCode & { readonly issued: IssuedCode };

/** A code that was deleted, or withdrawn, is as if it had never been. @throws PosternError `credential_unknown` */
export async function findIssued(
  tx: SealedReadTransaction,
  { application }: Application,
  id: CodeId,
): Promise<LiveRecord> {
  const found = await findOneTimeCode(tx, application, id);
  if (found?.issued === undefined) throw new PosternError("credential_unknown");
  return { ...found, issued: found.issued };
}

/**
 * Judges a code that somebody typed. It is taken once.
 * @throws PosternError `credential_unknown`, `code_malformed`: neither costs anything
 */
export function verifyCode(
  context: ServiceContext,
  peer: Peer,
  owner: Application,
  { id, code: typed }: { readonly id: CodeId; readonly code: string },
): Promise<Verdict> {
  return context.barrier.transact(async (tx) => {
    const record = await findIssued(tx, owner, id);
    const code = parseCode(typed, record.issued.digits);
    if (code === undefined) throw new PosternError("code_malformed");
    return judgeGuess(context, tx, peer, {
      owner,
      subject: record.issued.subject,
      event: "otp.verify",
      record,
      judge: (found, now) => judge(found, code, now),
      put: (after) => putOneTimeCode(tx, owner.application, after),
    });
  });
}

function judge(record: LiveRecord, code: Code, now: number): Judged<LiveRecord> {
  const { issued } = record;
  const right = isConcealed(issued, code);
  if (isOver(issued, now)) {
    return { kind: "void", fault: "expired_code", verdict: { result: "invalid", why: { expired: true } } };
  }
  if (issued.usedAt !== undefined) {
    return right
      ? { kind: "wrong", record, fault: "replayed_code", verdict: { result: "replayed" } }
      : { kind: "wrong", record, fault: "wrong_code", verdict: { result: "invalid" } };
  }
  if (issued.attemptsLeft === 0) return { kind: "void", fault: "spent_code", verdict: invalid(0) };
  if (right) return { kind: "right", record: { ...record, issued: { ...issued, usedAt: now } } };
  const attemptsLeft = issued.attemptsLeft - 1;
  const after = { ...record, issued: { ...issued, attemptsLeft } };
  return { kind: "wrong", record: after, fault: "wrong_code", verdict: invalid(attemptsLeft) };
}

const invalid = (attemptsLeft: number): Verdict => ({ result: "invalid", why: { attemptsLeft } });

/** One that has longer than any code may last was issued by a clock that ran ahead: it would have no end. */
export function isOver({ expiresAt }: IssuedCode, now: number): boolean {
  return expiresAt <= now || expiresAt > now + 2 * codeLimits.lifetimeMs.most;
}
