import { describe, expect, it } from "vitest";
import { parseTypedCode, requireTypedCode } from "../../src/cli/typed-code.js";

const recovery = "abcde-fghjk-mnpqr-stvwx-yz012";

describe("a code as it is typed", () => {
  it.each([
    ["123456", { code: "123456" }],
    ["123 456", { code: "123456" }],
    ["12345678", { code: "12345678" }],
    [recovery, { code: recovery }],
    ["123456654321", { code: "123456", second_code: "654321" }],
    ["123456 654321", { code: "123456", second_code: "654321" }],
    ["1234567 7654321", { code: "1234567", second_code: "7654321" }],
    [" 12345678 8765 4321 ", { code: "12345678", second_code: "87654321" }],
  ])("%s is one code, or two in a row", (text, code) => {
    expect(parseTypedCode(text)).toEqual(code);
  });

  it.each([
    "",
    "12345",
    "123456789",
    "12345678901",
    "1234567890123",
    "12345678901234567",
    "１２３４５６",
    "123456 hunter2",
  ])("%j is none, and is not sent", (text) => {
    expect(parseTypedCode(text)).toBeUndefined();
    expect(() => requireTypedCode(text)).toThrow(expect.objectContaining({ code: "usage" }));
  });
});
