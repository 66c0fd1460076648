import { afterAll, describe, expect, it } from "vitest";
import { mailAuthority, startMailServer } from "../support/mail-server.js";
import { adminPassword, Machine, onlyLine } from "../support/programs.js";

const operator = new Machine();
const authority = operator.write("authority.pem", mailAuthority);
const password = operator.write("smtp-password", "right\n");
const env = { NODE_EXTRA_CA_CERTS: authority, POSTERND_SMTP_FROM: "codes@shop.example" };
afterAll(() => operator.close());

describe("mail, from the operator's terminal", () => {
  it("is tried by a mail to an address, over TLS and with a login", async () => {
    const mailServer = await startMailServer({ authOptional: false });
    const options = ["--smtp", `smtp://me@127.0.0.1:${mailServer.port}`, "--smtp-password-file", password];
    const { code, stdout, stderr } = await operator.run("posternd", ["mail", "test", "a@example.org", ...options], {
      env,
    });
    expect([code, stdout]).toEqual([0, `127.0.0.1:${mailServer.port} has taken a mail to a@example.org.\n`]);
    expect(stderr).toContain("from codes@shop.example");
    expect(mailServer.mails).toMatchObject([
      { from: "codes@shop.example", to: ["a@example.org"], user: "me", secure: true },
    ]);

    const json = await operator.run("posternd", ["mail", "test", "a@example.org", ...options, "--json"], { env });
    const server = `127.0.0.1:${mailServer.port}`;
    expect(onlyLine(json.stdout)).toEqual({ sent: true, to: "a@example.org", from: "codes@shop.example", server });
  });

  it("is not sent to what is no address, nor with a password on the command line", async () => {
    const run = (...args: string[]) => operator.run("posternd", ["mail", "test", ...args, "--json"], { env });
    const [address, inUrl, none] = await Promise.all([
      run("a@example.org\r\nBcc: b@example.org", "--smtp", "smtp://127.0.0.1:1"),
      run("a@example.org", "--smtp", "smtp://me:hunter2@127.0.0.1:1"),
      run("a@example.org"),
    ]);
    expect([address.code, onlyLine(address.stdout)]).toMatchObject([2, { error: { code: "mail_address_invalid" } }]);
    expect([inUrl.code, onlyLine(inUrl.stdout)]).toMatchObject([2, { error: { code: "usage" } }]);
    expect(inUrl.stdout + inUrl.stderr).not.toContain("hunter2");
    expect([none.code, onlyLine(none.stdout)]).toMatchObject([2, { error: { code: "usage" } }]);
  });
});

describe("a server whose mail server is down", () => {
  it("starts all the same, and warns in its log; the doctor says so too", async () => {
    const options = ["--smtp", "smtp://127.0.0.1:1", "--smtp-from", "codes@shop.example"];
    const server = await operator.startServer(options);
    const [line] = await server.process.says(/^.*the mail server cannot be used.*$/m);
    expect(JSON.parse(line)).toMatchObject({
      level: 40,
      code: "mail_not_sent",
      why: expect.stringContaining("ECONNREFUSED"),
    });
    const file = operator.write("admin-password", `${adminPassword}\n`);
    const doctor = await operator.run("posternd", ["doctor", "--admin-password-file", file, ...options]);
    expect(doctor.code).toBe(1);
    expect(doctor.stdout).toMatch(/^\[fail\] mail: 127\.0\.0\.1:1: no connection.*ECONNREFUSED/m);
    expect((await server.process.stop()).code).toBe(0);
  });
});
