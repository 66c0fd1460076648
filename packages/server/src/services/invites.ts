import { PosternError } from "@postern/shared/errors";
import type { InviteId } from "@postern/shared/ids";
import type { SealedReadTransaction, SealedWriteTransaction } from "../barrier/barrier.js";
import { findInvite, type Invite, inviteIdOf, inviteKey, putInvite, scanInvites } from "../records/invite.js";
import { type AuditContext, audit, type ServiceContext } from "./context.js";
import { type EndedIn, sweep } from "./sweep.js";
import { drawToken, isHash, type TokenHash } from "./token-secret.js";

/**
 * Invites: who has one may register where registration is by invite. It is used up in the transaction that creates the
 * account, so that an abandoned registration uses up nothing, and no concurrency makes an account too many.
 */

export interface InviteWish {
  /** Milliseconds. */
  readonly lifetime: number;
  readonly uses: number;
  readonly note?: string | undefined;
}

/** Makes an invite. Its token is in what is returned, and nowhere else. */
export function createInvite(
  context: AuditContext,
  { lifetime, uses, note }: InviteWish,
): Promise<{ invite: Invite; token: string }> {
  const now = context.now();
  return context.barrier.transact(async (tx) => {
    const { text, hash } = await drawToken(tx, "invite", context.random);
    const invite: Invite = {
      id: inviteIdOf(hash),
      hash,
      createdAt: now,
      expiresAt: now + lifetime,
      uses,
      used: 0,
      revoked: false,
      ...(note !== undefined && { note }),
    };
    await putInvite(tx, invite);
    await audit(context, tx, undefined, { event: "invite.create", outcome: "done", reason: invite.id });
    return { invite, token: text };
  });
}

/** Every invite that is still kept, the one made last first. */
export function listInvites({ barrier }: Pick<ServiceContext, "barrier">): Promise<Invite[]> {
  return barrier.read(async (tx) => {
    const { invites } = await scanInvites(tx, undefined, Number.MAX_SAFE_INTEGER);
    return invites.sort((a, b) => b.createdAt - a.createdAt);
  });
}

/** Withdraws an invite; accounts that it made stay. @throws PosternError `id_unknown` */
export async function revokeInvite(context: AuditContext, id: InviteId): Promise<Invite> {
  return context.barrier.transact(async (tx) => {
    const invite = await findInvite(tx, id);
    if (invite === undefined) throw new PosternError("id_unknown");
    if (invite.revoked) return invite;
    const revoked = { ...invite, revoked: true };
    await putInvite(tx, revoked);
    await audit(context, tx, undefined, { event: "invite.revoke", outcome: "done", reason: id });
    return revoked;
  });
}

export type InviteState = "open" | "used" | "expired" | "revoked";

/** What an invite is worth at `now` (ms). */
export function inviteState({ revoked, used, uses, expiresAt }: Invite, now: number): InviteState {
  if (revoked) return "revoked";
  if (used >= uses) return "used";
  return now < expiresAt ? "open" : "expired";
}

/** An invite that can be used; or why there is none, for the log alone: whoever asks hears one answer. */
export async function judgeInvite(
  tx: SealedReadTransaction,
  hash: TokenHash,
  now: number,
): Promise<Invite | { readonly fault: `invite_${Exclude<InviteState, "open"> | "unknown"}` }> {
  const invite = await findInvite(tx, inviteIdOf(hash));
  if (invite === undefined || !isHash(invite.hash, hash)) return { fault: "invite_unknown" };
  const state = inviteState(invite, now);
  return state === "open" ? invite : { fault: `invite_${state}` };
}

/** Uses one use up, in the transaction of the account that it is for. */
export async function spendInvite(tx: SealedWriteTransaction, invite: Invite): Promise<void> {
  await putInvite(tx, { ...invite, used: invite.used + 1 });
}

/** Deletes the invites whose time is over; run now and then, so that no clock revives one. Returns how many. */
export function sweepInvites(
  { barrier, now }: Pick<ServiceContext, "barrier" | "now">,
  pageSize?: number,
): Promise<number> {
  const endedIn: EndedIn = async (tx, after, limit) => {
    const { invites, damaged, next } = await scanInvites(tx, after, limit);
    const ended = invites.filter(({ expiresAt }) => expiresAt <= now());
    return { keys: [...ended.map(({ id }) => inviteKey(id)), ...damaged], next };
  };
  return sweep(barrier, endedIn, pageSize);
}
