import type { Output } from "@postern/shared/terminal/output";
import { bold, say, type TerminalText } from "@postern/shared/terminal/terminal-text";
import type { ResetKind } from "../../records/reset-token.js";
import { parseWho } from "../../services/people.js";
import { issueResetToken } from "../../services/reset-tokens.js";
import { withAudit } from "../audit.js";
import { isoTime, shownTime } from "../shown.js";
import { type ExpiringOptions, longestLife, parseExpires } from "./options.js";

/** Makes the token by which a person sets a new password. @throws PosternError `name_invalid`, `user_unknown` */
export function resetPasswordCommand(output: Output, name: string, options: ExpiringOptions): Promise<void> {
  return issue(output, name, options, "password");
}

/** Makes the token by which a person replaces all authenticators. @throws PosternError `name_invalid`, `user_unknown` */
export function resetFactorsCommand(output: Output, name: string, options: ExpiringOptions): Promise<void> {
  return issue(output, name, options, "factors");
}

/** Nothing that a person has ends before they use the token; it alone goes to stdout. */
async function issue(output: Output, typed: string, options: ExpiringOptions, resets: ResetKind): Promise<void> {
  const who = parseWho(typed);
  const lifetime = parseExpires(options.expires, longestLife.reset);
  await withAudit(output, options, async (context) => {
    const { token, kind, account, identity, expiresAt } = await issueResetToken(context, who, { resets, lifetime });
    output.note(...explained(resets, identity), say`Until ${shownTime(expiresAt)} UTC. It is shown this one time.`);
    output.result({ kind, name: identity, account, expires_at: isoTime(expiresAt), token }, say`${token}`);
    output.note(say`They use it by: ${bold(`postern recover ${identity} --token-file FILE`)}`);
  });
}

function explained(resets: ResetKind, name: string): TerminalText[] {
  return resets === "password"
    ? [
        say`A token by which ${name} sets a new password: it works once, with a code.`,
        say`Their sessions and known devices then end.`,
      ]
    : [
        say`A token by which ${name} replaces all authenticators and recovery codes:`,
        say`it works once, with the password. Their sessions then end.`,
      ];
}
