import { PosternError } from "@postern/shared/errors";
import { domainOf, type MailAddress, parseMailAddress } from "@postern/shared/mail-address";
import { parseHost } from "@postern/shared/server-address";
import { readSecretFile } from "@postern/shared/terminal/secret-file";
import { type CrewMember, shareOf } from "../../crew-member.js";
import type { Log } from "../../log.js";
import type { Mailer } from "../../mail/mailer.js";
import { isLoopback, parseSmtpUrl, type SmtpServer } from "../../mail/smtp-url.js";

export interface MailOptions {
  readonly smtp?: string;
  readonly smtpPasswordFile?: string;
  readonly smtpFrom?: string;
  readonly publicUrl?: string;
}

/** By what mail goes out. */
export interface MailSettings {
  readonly server: SmtpServer;
  readonly from: MailAddress;
  readonly name: string;
  readonly passwordFile: string | undefined;
}

/**
 * Undefined: no mail is sent.
 * @throws PosternError `usage` for options that do not go together; `mail_address_invalid`
 */
export function mailSettingsOf({ smtp, smtpPasswordFile, smtpFrom, publicUrl }: MailOptions): MailSettings | undefined {
  if (smtp === undefined) {
    if (smtpPasswordFile === undefined && smtpFrom === undefined) return undefined;
    throw usage("--smtp-password-file and --smtp-from are for --smtp, which is not given");
  }
  const server = parseSmtpUrl(smtp);
  if (server.user === undefined && smtpPasswordFile !== undefined) {
    throw usage("--smtp-password-file: --smtp names nobody whose password it is: smtp://USER@HOST");
  }
  if (server.user !== undefined && smtpPasswordFile === undefined) {
    throw usage("--smtp names a user: give the password by --smtp-password-file");
  }
  // Standard input has the admin password, where it has one.
  if (smtpPasswordFile === "-") throw usage("--smtp-password-file takes a file");
  const host = publicUrl === undefined ? undefined : nameOf(publicUrl);
  if (smtpFrom === undefined && host === undefined) {
    throw usage("--smtp-from is needed, where no --public-url says by which name this server goes");
  }
  const from = parseMailAddress(smtpFrom ?? `postern@${host}`);
  return { server, from, name: host ?? domainOf(from), passwordFile: smtpPasswordFile };
}

/** What goes over the network in the clear should not be forgotten. */
export function warningAbout({ server: { tls, address } }: MailSettings): string | undefined {
  if (tls !== "off" || isLoopback(address)) return undefined;
  return `--smtp: mails go to ${address.host} without TLS: whoever is on the way can read the codes`;
}

/** What a mailer is opened with. The password is read at once, so that a file that is not there is heard of early. */
export interface ReadMailSettings extends MailSettings {
  readonly password: string | undefined;
}

/** @throws PosternError `file_unreadable`, `secret_file_invalid` */
export async function readMailSettings(
  settings: MailSettings,
  warn: (text: string) => void,
): Promise<ReadMailSettings> {
  const { passwordFile } = settings;
  if (passwordFile === undefined) return { ...settings, password: undefined };
  const { secret, warning } = await readSecretFile(passwordFile, { stdin: undefined, env: process.env });
  if (warning !== undefined) warn(warning);
  return { ...settings, password: secret };
}

/** What goes to the mail server at a time is dealt out to the workers. */
export async function openMailerOf(settings: ReadMailSettings, log: Log, crew?: CrewMember): Promise<Mailer> {
  const { defaultLimits, openMailer } = await import("../../mail/mailer.js");
  const { connections, mails } = defaultLimits;
  const shares = { connections: shareOf(connections, crew), mails: shareOf(mails, crew) };
  return openMailer({ ...settings, log, limits: { ...defaultLimits, ...shares } });
}

/** The host of a public URL, where it has a name that an address can end in. */
function nameOf(publicUrl: string): string | undefined {
  try {
    const host = parseHost(new URL(publicUrl).hostname);
    return domainOf(parseMailAddress(`postern@${host}`));
  } catch {
    return undefined;
  }
}

const usage = (detail: string) => new PosternError("usage", { detail });
