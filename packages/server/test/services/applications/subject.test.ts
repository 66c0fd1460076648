import { describe, expect, it } from "vitest";
import { credentialId, parseSubject } from "../../../src/services/applications/subject.js";
import { expectCode } from "../../barrier/support.js";
import { ann, newDesk, newOwner } from "./support.js";

describe("a subject", () => {
  it.each(["ann", "+49 171 1234567", "user:42", "a", "é".repeat(128), "👩".repeat(128), " "])("may be %j", (text) => {
    expect(parseSubject(text)).toBe(text);
  });

  it("has one spelling, whatever it is written in", () => {
    expect(parseSubject("Jose\u0301")).toBe(parseSubject("Jos\u00e9"));
  });

  it.each([
    ["empty", ""],
    ["too long", "x".repeat(129)],
    ["of two lines", "a\nb"],
    ["with a NUL", "a\0b"],
    ["with an escape sequence", "\u001b[31mred"],
    ["with a line separator", "a\u2028b"],
    ["with a mark that turns what follows", "a\u202eb"],
    ["with what does not show", "a\u200bb"],
    ["with a filler that does not show", "a\u3164"],
    ["with a selector that does not show", "a\ufe0f"],
    ["with a joiner that does not show", "a\u034f"],
    ["with what Unicode has not assigned", "a\u0378"],
    ["with what has a form in one program alone", "a\ue000"],
    ["half a character", "a\ud800"],
  ])("is refused when it is %s", (_name, text) => {
    expectCode(() => parseSubject(text), "subject_invalid");
  });
});

describe("the id of a credential", () => {
  it("is the same for the same application, kind and subject, over processes, and no other's", async () => {
    const { context, shop, another } = await newDesk();
    const { barrier } = context;
    const id = credentialId(barrier, "totp", shop, ann);
    expect(id).toMatch(/^totp_[0-9a-f]{32}$/);
    expect(credentialId((await another()).barrier, "totp", shop, ann)).toBe(id);
    const others = [
      credentialId(barrier, "hotp", shop, ann),
      credentialId(barrier, "otp", shop, ann),
      credentialId(barrier, "totp", newOwner("shop"), ann),
      credentialId(barrier, "totp", shop, parseSubject("Ann")),
    ];
    expect(new Set([id, ...others].map((text) => text.slice(text.indexOf("_")))).size).toBe(5);
  });
});
