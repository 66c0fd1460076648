import { describe, expect, it } from "vitest";
import { DEFAULT_REPLY_TO_HOSTS, parseReplyTo, parseReplyToHosts } from "../../../src/services/challenges/reply-to.js";
import { expectCode } from "../../barrier/support.js";

const hosts = parseReplyToHosts(`${DEFAULT_REPLY_TO_HOSTS},Bot.Example:8443`);

describe("a reply-to link", () => {
  it.each([
    ["https://wa.me/15550100?text=done%20it", "https://wa.me/15550100?text=done%20it"],
    ["HTTPS://WA.ME/15550100", "https://wa.me/15550100"],
    ["https://wa.me:443/15550100", "https://wa.me/15550100"],
    ["https://bot.example:8443/#a", "https://bot.example:8443/#a"],
    ["whatsapp://send?phone=15550100", "whatsapp://send?phone=15550100"],
    ["tg://resolve?domain=postern_bot", "tg://resolve?domain=postern_bot"],
    ["sms:+15550100", "sms:+15550100"],
    ["tel:+15550100", "tel:+15550100"],
  ])("may be %s", (text, parsed) => {
    expect(parseReplyTo(text, hosts)).toBe(parsed);
  });

  it.each([
    "javascript:alert(1)",
    "JavaScript:alert(1)",
    "data:text/html,hello",
    "vbscript:x",
    "file:///etc/passwd",
    "blob:https://wa.me/x",
    "intent://scan/#Intent;scheme=zxing;end",
    "http://wa.me/15550100",
    "https://evil.example/",
    "https://wa.me.evil.example/",
    "https://evil.example/wa.me",
    "https://wa.me@evil.example/",
    "https://user:secret@wa.me/",
    "https://user@wa.me/",
    "tg://user:secret@resolve",
    "https://wa.me:8443/",
    "https://bot.example/",
    "https://wa.me./",
    "https:wa.me/15550100",
    "https:/wa.me/15550100",
    "https:///wa.me/15550100",
    "https:\\\\wa.me\\15550100",
    "https://evil.example\\@wa.me/",
    "//wa.me/15550100",
    "/15550100",
    "wa.me/15550100",
    "https://",
    "",
    " https://wa.me/1",
    "https://wa.me/1\r\nSet-Cookie: a=b",
    "https://wa.me/1\t2",
    "java\nscript:alert(1)",
    "https://wa.me/\u202e1",
    "https://wá.me/",
    'https://wa.me/"><script>',
    "https://wa.me/\0",
    `https://wa.me/${"a".repeat(1024)}`,
  ])("is never %j", (text) => {
    expectCode(() => parseReplyTo(text, hosts), "reply_to_refused");
  });
});

describe("--reply-to-hosts", () => {
  it("is names of hosts, each as a browser spells it", () => {
    expect([...parseReplyToHosts("WA.me, t.me")]).toEqual(["wa.me", "t.me"]);
    expect([...parseReplyToHosts("Bot.Example:443,[::1]:8443")]).toEqual(["bot.example", "[::1]:8443"]);
  });

  it.each(["", "wa.me,", "https://wa.me", "wa.me/x", "*.example", "a b", "user@wa.me", "wa.me:99999", "wa.me?x"])(
    "is not %j",
    (text) => {
      expectCode(() => parseReplyToHosts(text), "usage");
    },
  );
});
