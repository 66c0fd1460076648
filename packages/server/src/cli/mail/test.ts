import { PosternError } from "@postern/shared/errors";
import { parseMailAddress } from "@postern/shared/mail-address";
import type { Output } from "@postern/shared/terminal/output";
import { say } from "@postern/shared/terminal/terminal-text";
import { silentLog } from "../../log.js";
import { type MailOptions, mailSettingsOf, openMailerOf, readMailSettings, warningAbout } from "./settings.js";

const LIFETIME_MS = 5 * 60_000;

/** @throws PosternError `usage`, `mail_address_invalid`, `mail_not_sent` and what reading the password throws */
export async function mailTestCommand(output: Output, address: string, options: MailOptions): Promise<void> {
  const to = parseMailAddress(address);
  const settings = mailSettingsOf(options);
  if (settings === undefined) throw new PosternError("usage", { detail: "--smtp is needed: which mail server to try" });
  const warn = (text: string) => output.warn(say`${text}`);
  const warning = warningAbout(settings);
  if (warning !== undefined) warn(warning);
  // What the log would say, the command itself says.
  const mailer = await openMailerOf(await readMailSettings(settings, warn), silentLog);
  try {
    const purpose = "nothing: the server's operator tries the mail server, and this is no code";
    await mailer.deliver({ to, code: "000000", expiresAt: Date.now() + LIFETIME_MS, purpose, application: "posternd" });
  } finally {
    await mailer.close();
  }
  const server = settings.server.address.key;
  output.result({ sent: true, to, from: settings.from, server }, say`${server} has taken a mail to ${to}.`);
  output.note(say`Whether it arrives, the mailbox shows: it is from ${settings.from}.`);
}
