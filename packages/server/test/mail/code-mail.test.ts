import { describe, expect, it } from "vitest";
import { SUBJECT, textOf } from "../../src/mail/code-mail.js";

const NOW = Date.UTC(2026, 10, 21, 12, 0, 15);
const mail = { to: "a@example.org", code: "042139", expiresAt: NOW + 300_000, application: "Example Shop" };

describe("the text of a mail with a code", () => {
  it("says code, application, purpose and end, in lines that any mailbox shows", () => {
    const text = textOf({ ...mail, purpose: "a new delivery address" }, NOW);
    expect(text).toBe(
      [
        "Your one-time code for",
        "Example Shop",
        "",
        "    042 139",
        "",
        "The same in one piece, to copy:",
        "",
        "042139",
        "",
        "What it is for:",
        "a new delivery address",
        "",
        "It is valid for 5 minutes, until 12:05 UTC, and works once.",
        "",
        "If you did not ask for it, ignore this mail. Enter the code only where you",
        "asked for it: nobody from us will ask you for it, by mail, phone or chat.",
        "",
      ].join("\n"),
    );
  });

  it("has no code in its subject", () => {
    expect(SUBJECT).not.toMatch(/[0-9]/);
  });

  it.each([
    ["1234", "    1234\n"],
    ["12345", "    12 345\n"],
    ["12345678", "    1234 5678\n"],
    ["1234567890", "    12345 67890\n"],
  ])("shows %s so that it can be read out, and in one piece", (code, grouped) => {
    const text = textOf({ ...mail, code }, NOW);
    expect(text).toContain(grouped);
    expect(text.split("\n")).toContain(code);
  });

  it.each([
    [10_000, "less than a minute"],
    [59_990, "1 minute"],
    [110_000, "1 minute"],
    [119_990, "2 minutes"],
    [3_600_000, "60 minutes"],
  ])("promises of %d ms no more than %s", (left, said) => {
    expect(textOf({ ...mail, expiresAt: NOW + left }, NOW)).toContain(`It is valid for ${said}, until `);
  });

  it("lets no application add lines, hide or turn around text, or make it long", () => {
    const tricks = "x\r\n.\r\nMAIL FROM:<b@example.org>\u2028\u202eYour code\u0000";
    const plain = textOf({ ...mail, application: "x", purpose: "x" }, NOW).split("\n");
    for (const text of [tricks, "y".repeat(5_000), "\u5b57".repeat(500)]) {
      const lines = textOf({ ...mail, application: text, purpose: text }, NOW).split("\n");
      expect(lines).toHaveLength(plain.length);
      for (const line of lines) {
        expect([...line].length).toBeLessThanOrEqual(80);
        expect(line).not.toMatch(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u);
      }
    }
  });

  it("is not made of what is no code", () => {
    for (const code of ["", "123", "12345678901", "12345a", "123456\r\nX: y", "１２３４５６"]) {
      expect(() => textOf({ ...mail, code }, NOW)).toThrow(expect.objectContaining({ code: "bug" }));
    }
  });
});
