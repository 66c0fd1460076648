import { stripVTControlCharacters } from "node:util";
import { qrMatrix } from "@postern/shared/qr/matrix";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { readers } from "../../../../test/support/qr-readers.js";
import { drawQr, qrSize } from "../../src/terminal/qr.js";

import { backgrounds, pictureOf } from "./terminal-picture.js";
import { uriFor } from "./uris.js";

const ESC = "\u001b";

const names = {
  "1 byte": "a",
  "5 bytes": "alice",
  "24 bytes": "abcdefghijklmnopqrstuvwx",
  "64 bytes": "a.very-long_name@".repeat(4).slice(0, 64),
  "64 bytes beyond ASCII": "дядя".repeat(8),
  "symbols that a URI escapes": "a?secret=X&issuer=Y",
};

describe.each(readers)("a QR code on a terminal, read with %s", (_, read) => {
  describe.each(Object.entries(backgrounds))("on a %s background", (__, background) => {
    it.each(Object.entries(names))("gives back the URI of a name of %s", (___, name) => {
      const uri = uriFor(name);
      expect(read(pictureOf(drawQr(uri), background))).toBe(uri);
    });

    it("gives back text beyond Latin-1, which the model by itself would mangle", () => {
      expect(read(pictureOf(drawQr("Grüße, 密码 🔑"), background))).toBe("Grüße, 密码 🔑");
    });
  });

  it("would not be readable in the terminal's own colours on both backgrounds", () => {
    const halfBlocks = inTerminalColours(drawQr(uriFor("alice")));
    const seen = Object.values(backgrounds).map((background) => read(pictureOf(halfBlocks, background)));
    expect(seen).toContain(undefined);
  });
});

describe("a drawn QR code", () => {
  it("sets both colours before the first cell of each line and resets them at its end", () => {
    for (const line of drawQr(uriFor("alice")).split("\n")) {
      expect(line).toMatch(new RegExp(`^${ESC}\\[38;5;(16|231);48;5;(16|231)m`));
      expect(line.endsWith(`${ESC}[0m`)).toBe(true);
    }
  });

  it("is as large as qrSize says, with one light module around it", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary", maxLength: 300 }), (text) => {
        const lines = drawQr(text).split("\n").map(stripVTControlCharacters);
        expect(qrSize(text)).toEqual({ columns: lines[0]?.length, rows: lines.length });
        expect(new Set(lines.map((line) => line.length)).size).toBe(1);
        const matrix = qrMatrix(text, 1);
        const edges = [matrix.at(0), matrix.at(-1), matrix.map((row) => row.at(0)), matrix.map((row) => row.at(-1))];
        expect(edges.flat().some((dark) => dark)).toBe(false);
      }),
      { numRuns: 20 },
    );
  });

  it("holds 2953 bytes and says so of more", () => {
    expect(qrSize("x".repeat(2953)).columns).toBe(179);
    expect(() => qrSize("x".repeat(2954))).toThrow(expect.objectContaining({ code: "otp_invalid" }));
  });
});

/** The same modules as a drawing without colours has them: the terminal's ink for light, as on a dark background. */
function inTerminalColours(code: string): string {
  const glyphs: Record<string, string> = { "16;16": " ", "16;231": "▄", "231;16": "▀", "231;231": "█" };
  const run = new RegExp(`${ESC}\\[38;5;(\\d+);48;5;(\\d+)m([ ▀]+)|${ESC}\\[0m`, "g");
  return code.replaceAll(run, (_, top, bottom, cells) =>
    cells === undefined ? "" : (glyphs[`${top};${bottom}`] ?? "?").repeat(cells.length),
  );
}
