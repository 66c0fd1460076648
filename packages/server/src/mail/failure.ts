import { PosternError } from "@postern/shared/errors";

/** Errors of nodemailer, as far as they are looked at. */
interface SmtpError {
  readonly code?: unknown;
  /** What the system or OpenSSL called it. */
  readonly originalCode?: unknown;
  readonly responseCode?: unknown;
  readonly command?: unknown;
}

/**
 * Why no mail went out, in words of our own, a reply code and the names of commands and errors. What the server wrote
 * beside its code is left out, and so is the error that says it: it repeats addresses, and may repeat the mail.
 */
export function mailNotSent(thrown: unknown): PosternError {
  return new PosternError("mail_not_sent", { detail: whyNot(thrown as SmtpError) });
}

const commands = ["EHLO", "HELO", "STARTTLS", "AUTH", "MAIL FROM", "RCPT TO", "DATA", "RSET"];

function whyNot({ code, originalCode, responseCode, command }: SmtpError): string {
  if (typeof responseCode === "number" && responseCode > 0 && responseCode < 1000) {
    const to = commands.find((one) => typeof command === "string" && command.startsWith(one));
    return `it answered ${responseCode}${to === undefined ? "" : ` to ${to}`}`;
  }
  switch (code) {
    case "ETIMEDOUT":
    case "EABORT":
      return "it did not answer in time";
    case "ENOTFOUND":
    case "EAI_AGAIN":
      return `its name was not found${named(code)}`;
    case "ETLS":
      return "TLS could not be begun";
    case "EAUTH":
      return "it takes no login that is known here";
    case "ESOCKET":
      return isCertificate(originalCode)
        ? `its certificate is not to be trusted${named(originalCode)}`
        : `no connection, or none any more${named(originalCode)}`;
    default:
      return `no connection, or none any more${named(code)}`;
  }
}

/** Names of errors are fixed texts. Whatever else stands there is not repeated. */
const isName = (name: unknown): name is string => typeof name === "string" && /^[A-Z][A-Z0-9_]{1,63}$/.test(name);
const named = (name: unknown) => (isName(name) ? ` (${name})` : "");

const isCertificate = (name: unknown) => isName(name) && /CERT|SIGNED|ISSUER|VERIFY|CRL|CHAIN|HOSTNAME/.test(name);
