import { PosternError } from "@postern/shared/errors";
import { describe, expect, it } from "vitest";
import { parseSmtpUrl } from "../../src/mail/smtp-url.js";

function refusalOf(url: string): PosternError {
  try {
    parseSmtpUrl(url);
  } catch (thrown) {
    if (thrown instanceof PosternError) return thrown;
  }
  throw new Error(`${url} is taken`);
}

describe("the URL of a mail server", () => {
  it.each([
    ["smtp://mail.example.org", "mail.example.org:587", "starttls", undefined],
    ["smtp://mail.example.org:25/", "mail.example.org:25", "starttls", undefined],
    ["smtps://mail.example.org", "mail.example.org:465", "implicit", undefined],
    ["SMTPS://Mail.Example.org:2465", "mail.example.org:2465", "implicit", undefined],
    ["smtp://postern@mail.example.org", "mail.example.org:587", "starttls", "postern"],
    ["smtp://postern%40example.org@mail.example.org", "mail.example.org:587", "starttls", "postern@example.org"],
    ["smtps://a%3Ab%2Fc@[2001:db8::1]", "[2001:db8::1]:465", "implicit", "a:b/c"],
    ["smtp://mail.example.org?tls=off", "mail.example.org:587", "off", undefined],
    ["smtp://127.0.0.1:25/?tls=off", "127.0.0.1:25", "off", undefined],
    ["smtp://postern@localhost:25?tls=off", "localhost:25", "off", "postern"],
  ])("%s is understood", (url, key, tls, user) => {
    const server = parseSmtpUrl(url);
    expect([server.address.key, server.tls, server.user]).toEqual([key, tls, user]);
  });

  it.each([
    "",
    "mail.example.org",
    "http://mail.example.org",
    "smtp://",
    "smtp://@mail.example.org",
    "smtp://mail.example.org:0",
    "smtp://mail.example.org:587/inbox",
    "smtp://mail.example.org?tls=no",
    "smtp://mail.example.org?tls=off&tls=on",
    "smtp://mail.example.org#tls=off",
    "smtp://postern@example.org@mail.example.org",
    "smtp://a%zz@mail.example.org",
    "smtp://a%0d%0aRSET@mail.example.org",
    "smtp://mail.example.org\r\nRSET",
    "smtps://mail.example.org?tls=off",
  ])("%j is refused", (url) => {
    expect(refusalOf(url).code).toBe("usage");
  });

  it("takes no password, whatever is in it, and never repeats it", () => {
    for (const password of ["hunter2", "hun/ter2", "hun@ter2", "hunter2?x", "#hunter2", ""]) {
      const refusal = refusalOf(`smtp://postern:${password}@mail.example.org`);
      expect(refusal.message).toContain("--smtp-password-file");
      expect(refusal.message).not.toContain("ter2");
    }
  });

  it("sends no password over a network in the clear", () => {
    const refusal = refusalOf("smtp://postern@mail.example.org?tls=off");
    expect(refusal.message).toContain("in the clear");
  });
});
