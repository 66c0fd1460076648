import { chmod, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { PosternError } from "@postern/shared/errors";
import { describe, expect, it } from "vitest";
import { temporaryDirectory } from "../../../../test/support/in-process.js";
import { startMailServer } from "../../../../test/support/mail-server.js";
import { lookAtMail } from "../../src/cli/doctor/mail.js";
import { type MailOptions, mailSettingsOf, readMailSettings, warningAbout } from "../../src/cli/mail/settings.js";

const smtp = "smtps://mail.example.org";

describe("the options for mail", () => {
  it("are none of a server that sends none", () => {
    expect(mailSettingsOf({ publicUrl: "https://auth.example.org" })).toBeUndefined();
  });

  it.each([
    [
      "the public URL",
      { publicUrl: "https://auth.example.org:7466/x" },
      "postern@auth.example.org",
      "auth.example.org",
    ],
    ["--smtp-from", { smtpFrom: "codes@shop.example" }, "codes@shop.example", "shop.example"],
    [
      "both",
      { smtpFrom: "codes@shop.example", publicUrl: "https://auth.example.org" },
      "codes@shop.example",
      "auth.example.org",
    ],
    [
      "--smtp-from, where the public URL has no name",
      { smtpFrom: "codes@shop.example", publicUrl: "https://192.0.2.1" },
      "codes@shop.example",
      "shop.example",
    ],
  ])("tell by %s whom mails are from, and by which name this server goes", (_what, options, from, name) => {
    expect(mailSettingsOf({ smtp, ...options })).toMatchObject({ from, name });
  });

  it.each([
    ["nobody to be from", { smtp }],
    ["a public URL that is an address", { smtp, publicUrl: "https://[::1]" }],
    ["an address without a server", { smtpFrom: "codes@shop.example" }],
    ["a password without a server", { smtpPasswordFile: "/nowhere" }],
    ["a password without a user", { smtp, smtpFrom: "codes@shop.example", smtpPasswordFile: "/nowhere" }],
    ["a user without a password", { smtp: "smtps://me@mail.example.org", smtpFrom: "codes@shop.example" }],
    [
      "standard input, which has the admin password",
      { smtp: "smtps://me@mail.example.org", smtpFrom: "codes@shop.example", smtpPasswordFile: "-" },
    ],
  ] satisfies [string, MailOptions][])("are refused with %s", (_what, options) => {
    expect(() => mailSettingsOf(options)).toThrow(expect.objectContaining({ code: "usage" }));
  });

  it("are refused with an address of another form, before anything listens", () => {
    expect(() => mailSettingsOf({ smtp, smtpFrom: "Codes <codes@shop.example>" })).toThrow(
      expect.objectContaining({ code: "mail_address_invalid" }),
    );
  });

  it("are warned of where codes go over a network in the clear", () => {
    const of = (url: string) => {
      const settings = mailSettingsOf({ smtp: url, smtpFrom: "codes@shop.example" });
      return settings && warningAbout(settings);
    };
    expect(of("smtp://mail.example.org?tls=off")).toContain("without TLS");
    expect([of("smtp://mail.example.org"), of(smtp), of("smtp://localhost:25?tls=off")]).toEqual(
      Array(3).fill(undefined),
    );
  });
});

async function withPassword(password: string, mode = 0o600): Promise<MailOptions> {
  const file = join(await temporaryDirectory(), "smtp.password");
  await writeFile(file, `${password}\n`);
  await chmod(file, mode);
  const { port } = await startMailServer({ allowInsecureAuth: true });
  return {
    smtp: `smtp://me@127.0.0.1:${port}?tls=off`,
    smtpPasswordFile: file,
    smtpFrom: "codes@shop.example",
  };
}

describe("the password of the mail server", () => {
  it("is read from its file when the server starts, with a warning where others can read it", async () => {
    const warnings: string[] = [];
    const settings = mailSettingsOf(await withPassword("right", 0o644));
    const read = settings && (await readMailSettings(settings, (text) => void warnings.push(text)));
    expect(read?.password).toBe("right");
    expect(warnings).toEqual([expect.stringContaining("chmod 600")]);
  });

  it("is missed early", async () => {
    const settings = mailSettingsOf({
      smtp: "smtps://me@mail.example.org",
      smtpPasswordFile: "/nowhere",
      smtpFrom: "codes@shop.example",
    });
    const reading = settings && readMailSettings(settings, () => undefined);
    await expect(reading).rejects.toBeInstanceOf(PosternError);
  });
});

describe("the doctor at a mail server", () => {
  it("has nothing to say where there is none", async () => {
    expect(await lookAtMail({})).toEqual([]);
  });

  it("finds one that answers and takes the login", async () => {
    const options = await withPassword("right");
    const [finding, ...others] = await lookAtMail(options);
    expect(finding).toMatchObject({ check: "mail", verdict: "ok", what: expect.stringMatching(/takes the login$/) });
    expect(others).toEqual([]);
  });

  it("finds one that does not, and says so of a password that others can read", async () => {
    const findings = await lookAtMail(await withPassword("wrong", 0o644));
    expect(findings.map(({ verdict }) => verdict)).toEqual(["warn", "fail"]);
    expect(findings[1]?.what).toMatch(/^127\.0\.0\.1:\d+: it answered 535 to AUTH$/);
    expect(JSON.stringify(findings)).not.toContain("wrong");
  });

  it("finds options that do not go together", async () => {
    expect(await lookAtMail({ smtp })).toMatchObject([{ check: "mail", verdict: "fail" }]);
  });
});
