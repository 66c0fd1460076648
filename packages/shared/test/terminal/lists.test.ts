import { displayWidth } from "@postern/shared/escape";
import { describe, expect, it } from "vitest";
import { abbreviate, resolveId } from "../../src/terminal/abbreviated-ids.js";
import { table } from "../../src/terminal/table.js";

const rendered = (heading: readonly string[], rows: readonly (readonly string[])[]) =>
  table(heading, rows).map((line) => line.render(false));

describe("a table", () => {
  it("stands its cells in columns", () => {
    expect(
      rendered(
        ["id", "name"],
        [
          ["a1", "x"],
          ["b22", "yy"],
        ],
      ),
    ).toEqual(["id   name", "a1   x", "b22  yy"]);
  });

  it("fits into 80 columns, cutting the widest ones, wide characters included", () => {
    const rows = [
      ["ses_0123abcd", "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff", "名".repeat(60), "this session"],
      ["ses_0123abce", "127.0.0.1", "postern 0.1.0", ""],
    ];
    const lines = rendered(["session", "address", "client", ""], rows);
    for (const line of lines) expect(displayWidth(line)).toBeLessThanOrEqual(80);
    expect(lines[1]).toMatch(/^ses_0123abcd {2}2001:.*名…? .*this session$/);
    expect(lines[2]).toContain("127.0.0.1 ");
  });

  it("shows nothing of a control sequence, whoever sent it", () => {
    expect(rendered(["client"], [["\u001b]52;c;aGk=\u0007\u202e"]]).join("")).not.toMatch(/[\p{Cc}\p{Cf}]/u);
  });
});

describe("an id", () => {
  const id = (hex: string) => `dev_${hex.padEnd(32, "0")}`;

  it("is shown by so much of it as no other begins with", () => {
    expect(abbreviate([id("abcdef01"), id("12345678")])).toEqual(["dev_abcdef01", "dev_12345678"]);
    expect(abbreviate([id("abcdef0123"), id("abcdef0124")])).toEqual(["dev_abcdef0123", "dev_abcdef0124"]);
    expect(abbreviate([])).toEqual([]);
  });

  it("is found by any beginning that no other has", () => {
    const ids = [id("abc1"), id("abc2"), id("ff")];
    expect(resolveId("device", ids, "dev_abc2")).toBe(id("abc2"));
    expect(resolveId("device", ids, id("ff"))).toBe(id("ff"));
    expect(() => resolveId("device", ids, "dev_abc")).toThrow(expect.objectContaining({ code: "usage" }));
    for (const typed of ["", "dev_0", `${id("ff")}0`]) {
      expect(() => resolveId("device", ids, typed)).toThrow(expect.objectContaining({ code: "id_unknown" }));
    }
  });

  it("that a false server lists in another form is none", () => {
    expect(() => resolveId("device", ["dev_\u001b[2J"], "dev_")).toThrow(
      expect.objectContaining({ code: "id_unknown" }),
    );
  });
});
