import { resolveId } from "@postern/shared/terminal/abbreviated-ids";
import type { JsonObject, Output } from "@postern/shared/terminal/output";
import { bold, say, type TerminalText } from "@postern/shared/terminal/terminal-text";
import type { Invite } from "../../records/invite.js";
import { createInvite, inviteState, listInvites, revokeInvite } from "../../services/invites.js";
import { withAudit } from "../audit.js";
import { isoTime, shownTime } from "../shown.js";
import type { StoreOptions } from "../unseal.js";
import { type ExpiringOptions, longestLife, parseExpires, parseNote, parseUses } from "./options.js";

export interface InviteCreateOptions extends ExpiringOptions {
  readonly uses: string;
  readonly note?: string;
}

/** Makes an invite. Its token alone goes to stdout: it can be piped to where it is wanted. */
export async function inviteCreateCommand(output: Output, options: InviteCreateOptions): Promise<void> {
  const wish = {
    lifetime: parseExpires(options.expires, longestLife.invite),
    uses: parseUses(options.uses),
    note: options.note === undefined ? undefined : parseNote(options.note),
  };
  await withAudit(output, options, async (context) => {
    const { invite, token } = await createInvite(context, wish);
    const count = invite.uses === 1 ? "one account" : `${invite.uses} accounts`;
    output.note(
      say`An invite for ${count}, until ${shownTime(invite.expiresAt)} UTC.`,
      say`It is shown this one time.`,
    );
    output.result({ ...fieldsOf(invite, context.now()), token }, say`${token}`);
    output.note(say`Whoever has it registers with it: ${bold("postern register --invite-file FILE")}`);
  });
}

/** Prints the invites that are kept, the last one first. */
export async function inviteListCommand(output: Output, options: StoreOptions): Promise<void> {
  await withAudit(output, options, async (context) => {
    const now = context.now();
    const invites = await listInvites(context);
    const lines = invites.flatMap((invite) => linesOf(invite, now));
    output.result(
      { invites: invites.map((invite) => fieldsOf(invite, now)) },
      ...(lines.length === 0 ? [say`There are no invites.`] : lines),
    );
  });
}

/** @throws PosternError `id_unknown`; `usage` when several ids begin so */
export async function inviteRevokeCommand(output: Output, typed: string, options: StoreOptions): Promise<void> {
  await withAudit(output, options, async (context) => {
    const kept = await listInvites(context);
    const ids = kept.map((invite) => invite.id);
    const id = resolveId("invite", ids, typed);
    const revoked = await revokeInvite(context, id);
    output.result(fieldsOf(revoked, context.now()), say`The invite ${id} is withdrawn.`);
  });
}

function fieldsOf(invite: Invite, now: number): JsonObject {
  const { id, createdAt, expiresAt, uses, used, note } = invite;
  const state = inviteState(invite, now);
  return { id, state, created_at: isoTime(createdAt), expires_at: isoTime(expiresAt), uses, used, note };
}

/** Two lines of at most 80 columns each, but for a note that is long. Times in UTC, as the audit log has them. */
function linesOf(invite: Invite, now: number): TerminalText[] {
  const { id, createdAt, expiresAt, uses, used, note } = invite;
  const first = say`${id}  ${inviteState(invite, now)}, ${used} of ${uses} used`;
  const times = `  made ${shownTime(createdAt)}, until ${shownTime(expiresAt)}`;
  return [first, say`${times}`, ...(note === undefined ? [] : [say`  ${note}`])];
}
