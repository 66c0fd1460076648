import { PosternError } from "@postern/shared/errors";
import { silentLog } from "../../log.js";
import { parseSmtpUrl } from "../../mail/smtp-url.js";
import { type MailOptions, mailSettingsOf, openMailerOf, readMailSettings, warningAbout } from "../mail/settings.js";
import { type Finding, fail, ok, warn } from "./finding.js";
import { failed } from "./store.js";

/** Whether the mail server answers and takes the login, where one is configured. No mail is sent. */
export async function lookAtMail(options: MailOptions): Promise<Finding[]> {
  const findings: Finding[] = [];
  try {
    const settings = mailSettingsOf(options);
    if (settings === undefined) return [];
    const warning = warningAbout(settings);
    if (warning !== undefined) findings.push(warn("mail", warning, "leave tls=off out of --smtp"));
    const read = await readMailSettings(settings, (text) => findings.push(warn("mail", text, "close it to others")));
    const mailer = await openMailerOf(read, silentLog);
    try {
      await mailer.verify();
    } finally {
      await mailer.close();
    }
    const { address, user } = settings.server;
    findings.push(ok("mail", `${address.key} answers${user === undefined ? "" : ", and takes the login"}`));
  } catch (thrown) {
    findings.push(notAnswering(options, thrown) ?? failed("mail", thrown));
  }
  return findings;
}

function notAnswering({ smtp = "" }: MailOptions, thrown: unknown): Finding | undefined {
  if (!(thrown instanceof PosternError) || thrown.code !== "mail_not_sent") return undefined;
  const todo = "see whether it runs, and --smtp, --smtp-password-file; codes cannot be mailed until then";
  return fail("mail", `${parseSmtpUrl(smtp).address.key}: ${thrown.detail}`, todo);
}
