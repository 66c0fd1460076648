import { Resolver } from "node:dns";
import type { Socket } from "node:net";
import { inspect } from "node:util";
import { parseMailAddress } from "@postern/shared/mail-address";
import type { SMTPServerOptions } from "smtp-server";
import { afterEach, describe, expect, it, onTestFinished, vi } from "vitest";
import { CapturedLog } from "../../../../test/support/in-process.js";
import {
  mailAuthority,
  mailCredentials,
  startMailServer,
  startRawServer,
} from "../../../../test/support/mail-server.js";
import { defaultLimits, type Mailer, type MailerOptions, openMailer } from "../../src/mail/mailer.js";
import { parseSmtpUrl } from "../../src/mail/smtp-url.js";

const NOW = Date.UTC(2026, 10, 21, 12, 0, 15);
const mail = {
  to: "alice@example.com",
  code: "042139",
  expiresAt: NOW + 300_000,
  purpose: "a new delivery address",
  application: "Example Shop",
};
const notSent = (why: unknown) => expect.objectContaining({ code: "mail_not_sent", detail: why });

/** So short that a test need not wait for it. */
const impatient = { ...defaultLimits, silenceMs: 50, mailMs: 5_000 };

interface Opened extends Mailer {
  readonly log: CapturedLog;
}

function open(url: string, options: Partial<MailerOptions> = {}): Opened {
  const log = new CapturedLog();
  const mailer = openMailer({
    server: parseSmtpUrl(url),
    from: parseMailAddress("postern@auth.example.org"),
    name: "auth.example.org",
    ca: mailAuthority,
    now: () => NOW,
    log,
    ...options,
  });
  onTestFinished(() => mailer.close());
  return { ...mailer, log };
}

interface Client extends Partial<MailerOptions> {
  readonly scheme?: string;
  readonly user?: string;
  readonly query?: string;
}

async function opened(server: SMTPServerOptions = {}, client: Client = {}) {
  const { user = "", scheme = "smtp", query = "", ...options } = client;
  const running = await startMailServer(server);
  const mailer = open(`${scheme}://${user}127.0.0.1:${running.port}${query}`, options);
  return { server: running, mailer };
}

afterEach(() => void vi.unstubAllEnvs());

describe("a mail with a code", () => {
  it("arrives as plain text, from, to and at the time that it should be", async () => {
    const { server, mailer } = await opened();
    await mailer.deliver(mail);
    const [taken] = server.mails;
    expect(taken).toMatchObject({
      from: "postern@auth.example.org",
      to: ["alice@example.com"],
      secure: true,
      helo: "auth.example.org",
      user: undefined,
    });
    expect(Object.fromEntries(taken?.headers ?? [])).toEqual({
      from: "postern@auth.example.org",
      to: "alice@example.com",
      subject: "Your one-time code",
      date: "Sat, 21 Nov 2026 12:00:15 +0000",
      "message-id": expect.stringMatching(/^<[0-9a-f]{32}@auth\.example\.org>$/),
      "auto-submitted": "auto-generated",
      "x-auto-response-suppress": "All",
      "mime-version": "1.0",
      "content-type": "text/plain; charset=utf-8",
      "content-transfer-encoding": "7bit",
    });
    const lines = taken?.body.split("\n");
    for (const line of ["Example Shop", "    042 139", "042139", "a new delivery address"]) {
      expect(lines).toContain(line);
    }
    expect(mailer.log.entries).toEqual([]);
  });

  it("is told apart from any other, and goes over a connection that is there already", async () => {
    const { server, mailer } = await opened();
    for (const code of ["111111", "222222"]) await mailer.deliver({ ...mail, code });
    const [one, other] = server.mails;
    expect(one?.headers.get("message-id")).not.toBe(other?.headers.get("message-id"));
    expect(other?.body).toContain("222222");
    expect(server.connections).toBe(1);
  });

  it("keeps what an application says in its own script, and off the headers", async () => {
    const { server, mailer } = await opened();
    const purpose = "\u4ed8\u6b3e\r\nBcc: mallory@example.com\r\n.\r\nMAIL FROM:<x@example.com>";
    await mailer.deliver({ ...mail, purpose, application: "B\u00fccher & Co\r\nSubject: hello" });
    const [taken] = server.mails;
    expect(server.mails).toHaveLength(1);
    expect(taken?.to).toEqual(["alice@example.com"]);
    expect(taken?.headers.get("subject")).toBe("Your one-time code");
    expect([...(taken?.headers.keys() ?? [])]).not.toContain("bcc");
    expect(taken?.body).toContain("B\u00fccher & Co\\x0d\\x0aSubject: hello\n");
    expect(taken?.body).toContain("\u4ed8\u6b3e\\x0d\\x0aBcc: mallory@example.com\\x0d\\x0a.");
  });

  it.each([
    "alice@example.com\r\nBcc: mallory@example.com",
    "alice@example.com>\r\nRCPT TO:<mallory@example.com",
    "alice@example.com, mallory@example.com",
    "Alice <alice@example.com>",
    "mallory@example.com <alice@example.com>",
    "",
  ])("is not even begun for %j", async (to) => {
    const { server, mailer } = await opened();
    await expect(mailer.deliver({ ...mail, to })).rejects.toMatchObject({ code: "mail_address_invalid" });
    expect(server.connections).toBe(0);
  });

  it("goes to an address of all the characters that one may have, as it is", async () => {
    const { server, mailer } = await opened();
    const to = "!#$%&'*+/=?^_`{|}~-.Bob@example.com";
    await mailer.deliver({ ...mail, to });
    expect(server.mails[0]?.to).toEqual([to]);
    expect(server.mails[0]?.headers.get("to")).toBe(to);
  });
});

describe("TLS to the mail server", () => {
  it("is demanded: one that offers no STARTTLS gets neither login nor mail", async () => {
    const { server, mailer } = await opened({ hideSTARTTLS: true, disabledCommands: ["STARTTLS"] }, withUser);
    await expect(mailer.deliver(mail)).rejects.toEqual(notSent("it answered 500 to STARTTLS"));
    await expect(mailer.verify()).rejects.toEqual(notSent("it answered 500 to STARTTLS"));
    expect([server.mails, server.logins]).toEqual([[], []]);
  });

  it("is asked for also of one that hides that it can, as a man in the middle would have it", async () => {
    const { server, mailer } = await opened({ hideSTARTTLS: true });
    await mailer.deliver(mail);
    expect(server.mails[0]?.secure).toBe(true);
  });

  it("may be there from the first byte", async () => {
    const { server, mailer } = await opened({ secure: true }, { scheme: "smtps", ...withUser });
    await mailer.deliver(mail);
    expect(server.mails[0]).toMatchObject({ secure: true, user: "postern" });
  });

  it.each(["smtp", "smtps"])("is not begun with a certificate that nobody vouches for (%s)", async (scheme) => {
    vi.stubEnv("NODE_TLS_REJECT_UNAUTHORIZED", "0");
    const running = await startMailServer({ secure: scheme === "smtps" });
    const log = new CapturedLog();
    const from = parseMailAddress("postern@auth.example.org");
    const server = parseSmtpUrl(`${scheme}://postern@127.0.0.1:${running.port}`);
    const mailer = openMailer({ server, password: "right", from, name: "auth.example.org", log });
    onTestFinished(() => mailer.close());
    const untrusted = notSent("its certificate is not to be trusted (SELF_SIGNED_CERT_IN_CHAIN)");
    await expect(mailer.deliver(mail)).rejects.toEqual(untrusted);
    await expect(mailer.verify()).rejects.toEqual(untrusted);
    expect([running.mails, running.logins]).toEqual([[], []]);
  });

  it.each(["smtp", "smtps"])("is not begun with a certificate of another host (%s)", async (scheme) => {
    const other = await mailCredentials(["mail.example.org"]);
    const { server, mailer } = await opened({ ...other, secure: scheme === "smtps" }, { scheme, ...withUser });
    const untrusted = notSent("its certificate is not to be trusted (ERR_TLS_CERT_ALTNAME_INVALID)");
    await expect(mailer.deliver(mail)).rejects.toEqual(untrusted);
    await expect(mailer.verify()).rejects.toEqual(untrusted);
    expect([server.mails, server.logins]).toEqual([[], []]);
  });

  it("is left out where the URL says so", async () => {
    const { server, mailer } = await opened({}, { query: "?tls=off" });
    await mailer.deliver(mail);
    expect(server.mails[0]?.secure).toBe(false);
  });
});

const withUser = { user: "postern@", password: "right" };

describe("the login at the mail server", () => {
  it("is made, within TLS", async () => {
    const { server, mailer } = await opened({ authOptional: false }, withUser);
    await mailer.verify();
    await mailer.deliver(mail);
    expect(server.mails[0]?.user).toBe("postern");
    expect(server.logins).toEqual(Array(2).fill({ user: "postern", password: "right", secure: true }));
  });

  it("that is refused is told, without the password", async () => {
    const { server, mailer } = await opened({}, { ...withUser, password: "open sesame" });
    await expect(mailer.deliver(mail)).rejects.toEqual(notSent("it answered 535 to AUTH"));
    await expect(mailer.verify()).rejects.toEqual(notSent("it answered 535 to AUTH"));
    expect(server.mails).toEqual([]);
    expect(inspect(mailer.log.entries, { depth: 20 })).not.toContain("sesame");
  });

  it("is not left out with a server that offers none", async () => {
    const { server, mailer } = await opened({ disabledCommands: ["AUTH"] }, withUser);
    await expect(mailer.deliver(mail)).rejects.toEqual(notSent(expect.stringMatching(/AUTH|login/)));
    await expect(mailer.verify()).rejects.toEqual(notSent(expect.stringMatching(/AUTH|login/)));
    expect(server.mails).toEqual([]);
  });

  it("that is demanded, where there is none to give, is told", async () => {
    const { mailer } = await opened({ authOptional: false });
    await expect(mailer.deliver(mail)).rejects.toEqual(notSent("it answered 530 to MAIL FROM"));
  });
});

/** smtp-server answers with the code and text of an error. */
const refusing = (responseCode: number, text: string) => Object.assign(new Error(text), { responseCode });

describe("a mail server that does not take the mail", () => {
  it.each([
    [450, "for now"],
    [550, "for good"],
    [552, "for good"],
  ])("because of whom it is for (%d, %s)", async (code) => {
    const { server, mailer } = await opened({
      onRcptTo: ({ address }, _session, done) => done(refusing(code, `<${address}> is nobody here`)),
    });
    await expect(mailer.deliver(mail)).rejects.toEqual(notSent(`it answered ${code} to RCPT TO`));
    expect(server.mails).toEqual([]);
  });

  it("because of whom it is from", async () => {
    const { mailer } = await opened({ onMailFrom: (_address, _session, done) => done(refusing(553, "not yours")) });
    await expect(mailer.deliver(mail)).rejects.toEqual(notSent("it answered 553 to MAIL FROM"));
  });

  it("because of what it says; and neither error nor log has the code, the address, or the server's words", async () => {
    const { mailer } = await opened({
      onData: (stream, _session, done) => {
        let text = "";
        stream.on("data", (chunk) => {
          text += chunk;
        });
        stream.on("end", () => done(refusing(554, `no: ${text.slice(-500)}`)));
      },
    });
    const thrown: unknown = await mailer.deliver(mail).catch((error: unknown) => error);
    expect(thrown).toEqual(notSent("it answered 554 to DATA"));
    expect(mailer.log.entries).toEqual([
      {
        level: "warn",
        facts: { code: "mail_not_sent", why: "it answered 554 to DATA" },
        message: "a mail was not sent",
      },
    ]);
    const shown = inspect([thrown, mailer.log.entries], { depth: 20, showHidden: true });
    for (const secret of ["042139", "042 139", "alice", "example.com", "Example Shop", "no:"]) {
      expect(shown).not.toContain(secret);
    }
  });

  it("takes the next one all the same", async () => {
    const refused = new Set(["mallory@example.com"]);
    const { server, mailer } = await opened({
      onRcptTo: ({ address }, _session, done) => done(refused.has(address) ? refusing(550, "no") : null),
    });
    await expect(mailer.deliver({ ...mail, to: "mallory@example.com" })).rejects.toThrow();
    await mailer.deliver(mail);
    expect(server.mails.map(({ to }) => to)).toEqual([["alice@example.com"]]);
  });

  it("is down: that is told at once", async () => {
    const port = await startRawServer((socket) => socket.destroy());
    const gone = open("smtp://127.0.0.1:1");
    await expect(gone.deliver(mail)).rejects.toEqual(notSent("no connection, or none any more (ECONNREFUSED)"));
    await expect(gone.verify()).rejects.toEqual(notSent("no connection, or none any more (ECONNREFUSED)"));
    const hangingUp = open(`smtp://127.0.0.1:${port}`);
    await expect(hangingUp.verify()).rejects.toEqual(notSent(expect.stringContaining("no connection")));
    await expect(hangingUp.deliver(mail)).rejects.toEqual(notSent(expect.stringContaining("no connection")));
  });

  it("is looked for where this machine has it, and not by asking the DNS who localhost is", async () => {
    const asked = vi.spyOn(Resolver.prototype, "resolve4");
    const running = await startMailServer();
    await open(`smtp://localhost:${running.port}?tls=off`).deliver(mail);
    expect(running.mails).toHaveLength(1);
    expect(asked).not.toHaveBeenCalled();
  });

  it("has a name that does not resolve", async () => {
    const mailer = open("smtp://mail.invalid", { limits: impatient });
    await expect(mailer.verify()).rejects.toMatchObject({ code: "mail_not_sent" });
  });

  it.each([
    ["never greets", () => undefined],
    ["greets, and is silent", (socket: Socket) => void socket.write("220 mail.example.org ESMTP\r\n")],
  ])("%s: it is not waited for", async (_what, serve) => {
    const port = await startRawServer((socket) => {
      socket.resume();
      serve(socket);
    });
    const mailer = open(`smtp://127.0.0.1:${port}?tls=off`, { limits: impatient });
    await expect(mailer.deliver(mail)).rejects.toEqual(notSent("it did not answer in time"));
    await expect(mailer.verify()).rejects.toEqual(notSent("it did not answer in time"));
  });

  it("says a little, again and again, and never comes to an end: a mail has its time in all", async () => {
    const port = await startRawServer((socket) => {
      socket.resume().write("220-mail.example.org\r\n");
      const timer = setInterval(() => socket.write("220-wait\r\n"), 10);
      socket.once("close", () => clearInterval(timer));
    });
    const limits = { ...impatient, silenceMs: 60_000, mailMs: 100 };
    const mailer = open(`smtp://127.0.0.1:${port}?tls=off`, { limits });
    await expect(mailer.deliver(mail)).rejects.toEqual(notSent("it did not answer in time"));
    await expect(mailer.verify()).rejects.toEqual(notSent("it did not answer in time"));
  });

  it("answers without an end: it is not listened to", async () => {
    const port = await startRawServer((socket) => {
      socket.resume().write(`220-${"x".repeat(1024)}\r\n`.repeat(128));
    });
    const mailer = open(`smtp://127.0.0.1:${port}?tls=off`);
    await expect(mailer.verify()).rejects.toEqual(notSent(expect.stringContaining("EPROTOCOL")));
  });
});

describe("many mails at once", () => {
  it("share a few connections", async () => {
    const { server, mailer } = await opened();
    const codes = Array.from({ length: 12 }, (_, index) => String(100_000 + index));
    await Promise.all(codes.map((code) => mailer.deliver({ ...mail, code })));
    const sent = server.mails.map(({ body }) => /^\d{6}$/m.exec(body)?.[0]);
    expect(sent.sort()).toEqual(codes);
    expect(server.connections).toBeLessThanOrEqual(3);
  });

  it("are not piled up: what is too much is refused at once", async () => {
    const port = await startRawServer((socket) => void socket.resume());
    const limits = { ...defaultLimits, mails: 2 };
    const mailer = open(`smtp://127.0.0.1:${port}?tls=off`, { limits });
    const waiting = Promise.allSettled([mailer.deliver(mail), mailer.deliver(mail)]);
    await expect(mailer.deliver(mail)).rejects.toEqual(notSent("too many mails wait"));
    await mailer.close();
    for (const { status } of await waiting) expect(status).toBe("rejected");
  });
});

describe("a mailer that is closed", () => {
  it("lets what is under way go out first, and takes no more", async () => {
    let take: () => void = () => undefined;
    const asked = new Promise<void>((resolve) => {
      take = resolve;
    });
    let release: () => void = () => undefined;
    const { server, mailer } = await opened({
      onRcptTo: (_address, _session, done) => {
        release = () => done();
        take();
      },
    });
    const sent = mailer.deliver(mail);
    await asked;
    const closed = mailer.close(new Promise(() => undefined));
    await expect(mailer.deliver(mail)).rejects.toMatchObject({ code: "shutting_down" });
    release();
    await sent;
    await closed;
    expect(server.mails).toHaveLength(1);
  });

  it("gives up what does not end by the limit, and a trial that is under way", async () => {
    let connections = 0;
    let both: () => void = () => undefined;
    const connected = new Promise<void>((resolve) => {
      both = resolve;
    });
    const port = await startRawServer((socket) => {
      socket.resume();
      connections += 1;
      if (connections === 2) both();
    });
    const mailer = open(`smtp://127.0.0.1:${port}?tls=off`);
    const ends = Promise.allSettled([mailer.deliver(mail), mailer.verify()]);
    await connected;
    await mailer.close();
    expect((await ends).map((end) => end.status === "rejected" && end.reason.code)).toEqual([
      "mail_not_sent",
      "shutting_down",
    ]);
  });
});
