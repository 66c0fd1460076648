import { inspect } from "node:util";
import { parseMailAddress } from "@postern/shared/mail-address";
import type { SMTPServerOptions } from "smtp-server";
import { describe, expect, it, onTestFinished } from "vitest";
import { openMailer } from "../../packages/server/src/mail/mailer.js";
import { parseSmtpUrl } from "../../packages/server/src/mail/smtp-url.js";
import { apiKey, call } from "../support/api.js";
import { CapturedLog, newStore, startInProcess } from "../support/in-process.js";
import { mailAuthority, startMailServer } from "../support/mail-server.js";

/** A server as `posternd start --smtp` composes it, an application that may issue codes, and a mail server. */
async function mailing(options: SMTPServerOptions = {}) {
  const mailServer = await startMailServer(options);
  const store = await newStore();
  const log = new CapturedLog();
  const mailer = openMailer({
    server: parseSmtpUrl(`smtp://127.0.0.1:${mailServer.port}`),
    from: parseMailAddress("postern@auth.example.org"),
    name: "auth.example.org",
    ca: mailAuthority,
    now: store.clock.now,
    log,
  });
  onTestFinished(() => mailer.close());
  const server = await startInProcess(store, { http: true, deliver: mailer.deliver });
  const { text: key } = await apiKey(server.context, ["otp"], { name: "Example Shop" });
  const issue = (mail: string, purpose?: string) =>
    call(server, "/v1/otp", {
      method: "POST",
      key,
      body: { subject: "user-4711", delivery: { mail, ...(purpose !== undefined && { purpose }) } },
    });
  const verify = (id: unknown, code: unknown) =>
    call(server, `/v1/otp/${String(id)}/verify`, { method: "POST", key, body: { code } });
  return { server, mailServer, issue, verify, log };
}

const codeIn = (body: string | undefined) => /^\d{6}$/m.exec(body ?? "")?.[0];

describe("a code that goes by mail", () => {
  it("is in the mail and nowhere else, and is the one that is valid", async () => {
    const { server, mailServer, issue, verify, log } = await mailing();
    const issued = await issue("alice@example.com", "a new delivery address");
    expect([issued.status, issued.body["code"]]).toEqual([201, undefined]);
    const [mail] = mailServer.mails;
    const code = codeIn(mail?.body);
    expect(mail?.body).toContain("Example Shop\n");
    expect(mail?.body).toContain("a new delivery address\n");
    expect(code).toBeDefined();
    for (const place of [issued, server.log.entries, log.entries, await server.audit()]) {
      expect(inspect(place, { depth: 20 })).not.toContain(code);
    }
    expect((await verify(issued.body["id"], code)).body).toMatchObject({ result: "valid" });
  });

  it.each([
    "alice@example.com\r\nBcc: mallory@example.com",
    "alice@example.com>\r\nRCPT TO:<mallory@example.com",
    "alice@example.com,mallory@example.com",
    "Alice <alice@example.com>",
    "<alice@example.com>",
    "alice..b@example.com",
    "alice@[127.0.0.1]",
  ])("is not issued for an address that would be more than one: %j", async (address) => {
    const { mailServer, issue } = await mailing();
    const refused = await issue(address);
    expect([refused.status, refused.body["code"]]).toEqual([422, "invalid_input"]);
    expect(JSON.stringify(refused.body)).not.toContain("mallory");
    expect(mailServer.connections).toBe(0);
  });

  it("is withdrawn where the mail server refuses it, and what that one says reaches nobody", async () => {
    let code: string | undefined;
    const { server, issue, log } = await mailing({
      onData: (stream, _session, done) => {
        let raw = "";
        stream.on("data", (chunk) => {
          raw += chunk;
        });
        stream.on("end", () => {
          code = codeIn(raw.replaceAll("\r", ""));
          done(Object.assign(new Error(`spam: ${code} for alice@example.com`), { responseCode: 554 }));
        });
      },
    });
    const failed = await issue("alice@example.com");
    expect([failed.status, failed.body["code"]]).toEqual([502, "mail_failed"]);
    expect(code).toMatch(/^\d{6}$/);
    const seen = inspect([failed, server.log.entries, log.entries, await server.audit()], {
      depth: 20,
      showHidden: true,
    });
    for (const secret of [code, "alice@example.com", "spam"]) expect(seen).not.toContain(secret);
    expect(log.entries).toMatchObject([{ level: "warn", facts: { why: "it answered 554 to DATA" } }]);
  });
});
