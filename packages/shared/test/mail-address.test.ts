import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { domainOf, parseMailAddress } from "../src/mail-address.js";

const refused = expect.objectContaining({ code: "mail_address_invalid" });

describe("parseMailAddress", () => {
  it.each([
    ["alice@example.org", "alice@example.org"],
    ["Alice.B+tag@EXAMPLE.org", "Alice.B+tag@example.org"],
    ["!#$%&'*+/=?^_`{|}~-@example.org", "!#$%&'*+/=?^_`{|}~-@example.org"],
    ["root@localhost", "root@localhost"],
    ["a@m\u00fcnchen.example", "a@xn--mnchen-3ya.example"],
    ["a@xn--mnchen-3ya.example", "a@xn--mnchen-3ya.example"],
    ["a@4chan.example", "a@4chan.example"],
    [`${"a".repeat(64)}@example.org`, `${"a".repeat(64)}@example.org`],
  ])("reads %s", (text, address) => {
    expect(parseMailAddress(text)).toBe(address);
  });

  it.each([
    ["a line end, which would begin another header", "a@example.org\r\nBcc: b@example.org"],
    ["a line end before the @", "a\r\nRCPT TO:<b@example.org>@example.org"],
    ["a line end alone", "a@example.org\n"],
    ["NUL", "a\u0000@example.org"],
    ["a second address", "a@example.org,b@example.org"],
    ["a second address, in the old style", "a@example.org;b@example.org"],
    ["a second @", "a@b@example.org"],
    ["a display name", "Alice <a@example.org>"],
    ["angle brackets", "<a@example.org>"],
    ["the end of a path", "a@example.org> SIZE=1"],
    ["a comment", "a(b)@example.org"],
    ["a quoted string", '"a b"@example.org'],
    ["a group", "friends:a@example.org;"],
    ["a space", "a @example.org"],
    ["a tab", "a@example.org\t"],
    ["an address literal", "a@[192.0.2.1]"],
    ["an address literal of IPv6", "a@[IPv6:2001:db8::1]"],
    ["an address in place of the domain", "a@192.0.2.1"],
    ["one in another spelling", "a@0x7f.1"],
    ["a port", "a@example.org:25"],
    ["a last dot", "a@example.org."],
    ["a last dot of another script", "a@example.org\u3002"],
    ["an empty label", "a@example..org"],
    ["a dot at the beginning", ".a@example.org"],
    ["a dot at the end", "a.@example.org"],
    ["two dots", "a..b@example.org"],
    ["a hyphen at the end of a label", "a@example-.org"],
    ["an underscore in the domain", "a@ex_ample.org"],
    ["no name", "@example.org"],
    ["no domain", "a@"],
    ["no @", "example.org"],
    ["another @", "a\uff20example.org"],
    ["a name that is not ASCII", "\u00e4@example.org"],
    ["a name with a look-alike", "\u0430lice@example.org"],
    ["a name of 65", `${"a".repeat(65)}@example.org`],
    ["255 in all", `a@${`${"b".repeat(49)}.`.repeat(5)}org`.padStart(255, "c")],
    ["nothing", ""],
    ["much too much", `a@${"b.".repeat(1_000_000)}org`],
    ["much too much of another script", `a@${"\u00fc".repeat(1_000_000)}`],
  ])("refuses %s", (_what, text) => {
    expect(() => parseMailAddress(text)).toThrow(refused);
  });

  it("gives back, for any text, either nothing or one ASCII address that it reads as itself", () => {
    const part = fc.string({ unit: "binary", maxLength: 20 });
    const near = fc.stringMatching(/^[a-zA-Z0-9.@<>",;:()[\]\\ \r\n+-]{1,30}$/);
    const texts = fc.oneof(
      near,
      fc.tuple(part, part).map(([left, right]) => `${left}@${right}`),
    );
    fc.assert(
      fc.property(texts, (text) => {
        let address: ReturnType<typeof parseMailAddress>;
        try {
          address = parseMailAddress(text);
        } catch (thrown) {
          expect(thrown).toEqual(refused);
          return;
        }
        expect(address).toMatch(/^[!-~]+@[a-z0-9.-]+$/);
        expect(address).not.toMatch(/[<>()[\]\\,;:"]/);
        expect(address.split("@")).toHaveLength(2);
        expect(parseMailAddress(address)).toBe(address);
        expect(address.endsWith(`@${domainOf(address)}`)).toBe(true);
      }),
    );
  });
});
