import { escapeForTerminal } from "@postern/shared/escape";
import type { JsonObject, Output } from "@postern/shared/terminal/output";
import { drawn, say, type TerminalText } from "@postern/shared/terminal/terminal-text";
import type { ApiKey } from "../../records/applications/api-key.js";
import { apiKeyState, endOf, isUsable } from "../../services/applications/api-keys.js";
import { listApplications } from "../../services/applications/applications.js";
import { listApiKeys } from "../../services/applications/key-care.js";
import { withAudit } from "../audit.js";
import { isoTime, shownDay, shownMinute } from "../shown.js";
import type { StoreOptions } from "../unseal.js";

/** Prints the keys that are kept, the one made last first; under `--json` a line for each. */
export async function apiKeyListCommand(output: Output, options: StoreOptions): Promise<void> {
  await withAudit(output, options, async (context) => {
    const now = context.now();
    const keys = await listApiKeys(context);
    for (const key of keys) output.result(keyFacts(key, now), ...keyLines(key, now));
    if (keys.length === 0) output.note(say`No API key.`);
  });
}

/** Prints the applications likewise: what they made is theirs, also when they have no key any more. */
export async function applicationsCommand(output: Output, options: StoreOptions): Promise<void> {
  await withAudit(output, options, async (context) => {
    const usable = (await listApiKeys(context)).filter((key) => isUsable(key, context.now()));
    const applications = await listApplications(context);
    for (const { id, name, createdAt } of applications) {
      const count = usable.filter(({ application }) => application === id).length;
      const keys = count === 1 ? "1 key " : `${count} keys`;
      output.result(
        { id, name, created_at: isoTime(createdAt), keys: count },
        say`${id}  ${shownDay(createdAt)}  ${keys}  ${drawn(escapeForTerminal(name, { max: 22 }))}`,
      );
    }
    if (applications.length === 0) output.note(say`No application.`);
  });
}

const isoOrNull = (time: number | undefined) => (time === undefined ? null : isoTime(time));

export function keyFacts(key: ApiKey, now: number): JsonObject {
  const { id, name, application, applicationName, scopes, createdAt, expiresAt, lastUsedAt, revokedAt, successor } =
    key;
  return {
    id,
    name,
    application,
    application_name: applicationName,
    scopes,
    state: apiKeyState(key, now),
    created_at: isoTime(createdAt),
    expires_at: isoOrNull(expiresAt),
    last_used_at: isoOrNull(lastUsedAt),
    ...(revokedAt !== undefined && { revoked_at: isoTime(revokedAt) }),
    ...(successor !== undefined && { successor }),
  };
}

/** Three lines of at most 80 columns. Times in UTC, as the audit log has them. */
export function keyLines(key: ApiKey, now: number): TerminalText[] {
  const { id, name, application, scopes, createdAt, lastUsedAt } = key;
  const state = apiKeyState(key, now);
  const end = endOf(key);
  const ending = end === undefined ? "no end" : `${end > now ? "ends" : "ended"} ${shownMinute(end)}`;
  const used = lastUsedAt === undefined ? "never used" : `used ${shownMinute(lastUsedAt)}`;
  return [
    say`${id}  ${state}  ${drawn(escapeForTerminal(name, { max: 80 - id.length - state.length - 4 }))}`,
    say`  ${application}  ${scopes.join(",")}`,
    say`  made ${shownMinute(createdAt)}, ${ending}, ${used}`,
  ];
}
