import { randomBytes } from "node:crypto";
import type { Socket } from "node:net";
import { PosternError } from "@postern/shared/errors";
import { type MailAddress, parseMailAddress } from "@postern/shared/mail-address";
import { createTransport } from "nodemailer";
import type { GetSocketCallback } from "nodemailer/lib/mailer";
import SMTPConnection from "nodemailer/lib/smtp-connection";
import type { Log } from "../log.js";
import { type CodeMail, SUBJECT, textOf } from "./code-mail.js";
import { dial } from "./dial.js";
import { mailNotSent } from "./failure.js";
import type { SmtpServer } from "./smtp-url.js";

/** Hands mail in at one server, by nodemailer. Imported where there is one: nobody else waits for it. */
export interface MailerOptions {
  readonly server: SmtpServer;
  /** Of the server's user; undefined where it has none. */
  readonly password?: string | undefined;
  readonly from: MailAddress;
  /** By which this server calls itself, in EHLO and in the ids of mails: a host's name. */
  readonly name: string;
  readonly log: Log;
  readonly now?: () => number;
  /** Stand in for the system's certificates, and for our patience, in tests. */
  readonly ca?: string;
  readonly limits?: MailLimits;
}

export interface MailLimits {
  /** Milliseconds for connecting, for the greeting, and for each silence after that. */
  readonly silenceMs: number;
  /** Milliseconds that a mail may take in all, waiting included: whoever asked for it waits so long. */
  readonly mailMs: number;
  /** Connections at a time. */
  readonly connections: number;
  /** Mails that are under way or wait; one more is refused. */
  readonly mails: number;
}

export interface Mailer {
  /**
   * Resolves once the mail server has taken the mail.
   * @throws PosternError `mail_address_invalid`, `mail_not_sent`, `shutting_down`
   */
  deliver(mail: CodeMail): Promise<void>;
  /** Connects and logs in, and sends nothing. @throws PosternError `mail_not_sent`, `shutting_down` */
  verify(): Promise<void>;
  /** Takes no more mails; those under way go out until `limit`, and what is left then is given up. */
  close(limit?: Promise<unknown>): Promise<void>;
}

export const defaultLimits: MailLimits = { silenceMs: 10_000, mailMs: 20_000, connections: 3, mails: 100 };

export function openMailer(options: MailerOptions): Mailer {
  const { from, name, log, now = Date.now, limits = defaultLimits } = options;
  const connection = connectionOf(options, limits);
  const ended = new AbortController();
  const dialled = () => dial(options.server.address, { ...limits, signal: ended.signal });
  const pool = createTransport({
    ...connection,
    getSocket: (_asked: unknown, done: GetSocketCallback) => {
      dialled().then((connection) => done(null, { connection }), done);
    },
    pool: true,
    maxConnections: limits.connections,
    // Once more where the server had closed the connection before it was given a byte of the mail.
    maxRequeues: 1,
    idleTimeout: limits.silenceMs,
    disableFileAccess: true,
    disableUrlAccess: true,
  });
  const underWay = new Set<Promise<unknown>>();
  const closing = new AbortController();

  async function send(mail: CodeMail): Promise<void> {
    const to = parseMailAddress(mail.to);
    const at = now();
    try {
      await pool.sendMail({
        from: { name: "", address: from },
        to: { name: "", address: to },
        envelope: { from, to },
        subject: SUBJECT,
        text: textOf(mail, at),
        date: new Date(at),
        messageId: `<${randomBytes(16).toString("hex")}@${name}>`,
        // RFC 3834: no mailbox answers it by itself; the second header says the same to Exchange.
        headers: { "auto-submitted": "auto-generated", "x-auto-response-suppress": "All" },
        xMailer: false,
        signal: AbortSignal.timeout(limits.mailMs),
      });
    } catch (thrown) {
      if (thrown instanceof PosternError) throw thrown;
      throw mailNotSent(thrown);
    }
  }

  return {
    deliver: async (mail) => {
      if (closing.signal.aborted) throw new PosternError("shutting_down");
      try {
        if (underWay.size >= limits.mails) throw new PosternError("mail_not_sent", { detail: "too many mails wait" });
        const sent = send(mail);
        underWay.add(sent);
        await sent.finally(() => underWay.delete(sent));
      } catch (thrown) {
        if (thrown instanceof PosternError) log.warn({ code: thrown.code, why: thrown.detail }, "a mail was not sent");
        throw thrown;
      }
    },
    verify: () => tryToLogIn(connection, { dialled, mailMs: limits.mailMs, closing: closing.signal }),
    close: async (limit = Promise.resolve()) => {
      closing.abort();
      await Promise.race([Promise.allSettled(underWay), limit]);
      pool.close({ force: true });
      ended.abort();
      await Promise.allSettled(underWay);
    },
  };
}

/** What both the pool and a trial go by. Nothing is logged there, for addresses and the mail itself would be. */
function connectionOf({ server, password, name, ca }: MailerOptions, { silenceMs }: MailLimits) {
  const { address, tls, user } = server;
  return {
    host: address.host,
    port: address.port,
    name,
    secure: tls === "implicit",
    requireTLS: tls === "starttls",
    ignoreTLS: tls === "off",
    // Said here, so that no variable of the environment turns it off.
    tls: { minVersion: "TLSv1.2", rejectUnauthorized: true, ...(ca !== undefined && { ca }) },
    // A server that offers no login is not given the mail without one.
    ...(user !== undefined && { auth: { user, pass: password ?? "" }, forceAuth: true }),
    connectionTimeout: 2 * silenceMs,
    greetingTimeout: silenceMs,
    socketTimeout: silenceMs,
    maxResponseSize: 64 * 1024,
    logger: false,
  } as const;
}

interface Trial {
  readonly dialled: () => Promise<Socket>;
  readonly mailMs: number;
  readonly closing: AbortSignal;
}

type ConnectionOptions = ReturnType<typeof connectionOf>;

/** A connection of its own, since one of the pool's would be there with a mail. */
async function tryToLogIn(options: ConnectionOptions, { dialled, mailMs, closing }: Trial): Promise<void> {
  let giveUp: () => void = () => undefined;
  const stopped = new Promise<never>((_resolve, reject) => {
    giveUp = () => reject(smtpError("EABORT"));
  });
  const timer = setTimeout(giveUp, mailMs);
  closing.addEventListener("abort", giveUp);
  let connection: SMTPConnection | undefined;
  try {
    if (closing.aborted) giveUp();
    const socket = await Promise.race([dialled(), stopped]);
    connection = new SMTPConnection({ ...options, connection: socket });
    await Promise.race([loggedIn(connection, options), stopped]);
    connection.quit();
  } catch (thrown) {
    connection?.close();
    throw closing.aborted ? new PosternError("shutting_down") : mailNotSent(thrown);
  } finally {
    clearTimeout(timer);
    closing.removeEventListener("abort", giveUp);
  }
}

function loggedIn(connection: SMTPConnection, options: ConnectionOptions): Promise<void> {
  return new Promise((resolve, reject) => {
    const settle = (error?: Error | null) => (error ? reject(error) : resolve());
    const auth = "auth" in options ? { user: options.auth.user, credentials: options.auth } : undefined;
    connection.once("error", reject);
    connection.once("end", () => reject(smtpError("ECONNECTION")));
    connection.connect((error) => (error || auth === undefined ? settle(error) : connection.login(auth, settle)));
  });
}

const smtpError = (code: string) => Object.assign(new Error(code), { code });
