import { stripVTControlCharacters } from "node:util";
import { describe, expect, it } from "vitest";
import { readers } from "../../../../test/support/qr-readers.js";
import { type Enrolment, enrolmentScreen } from "../../src/terminal/enrolment-screen.js";
import { drawQr } from "../../src/terminal/qr.js";

import { backgrounds, pictureOf } from "./terminal-picture.js";
import { SECRET, uriFor } from "./uris.js";

const GROUPED = "secret: JBSW Y3DP EHPK 3PXP JBSW Y3DP EHPK 3PXP";
const window = { columns: 80, rows: 24 };

function screenFor(name: string, size: Partial<Pick<Enrolment, "columns" | "rows">> = window): string {
  return enrolmentScreen({ uri: uriFor(name), secret: SECRET, columns: undefined, rows: undefined, ...size });
}

/** Rows of a window 80 wide that a screen takes. */
function rowsIn80(screen: string): number {
  const widths = screen.split("\n").map((line) => stripVTControlCharacters(line).length);
  return widths.reduce((rows, width) => rows + Math.max(1, Math.ceil(width / 80)), 0);
}

describe("the enrolment screen", () => {
  it("fits 80x24 with QR code, URI, secret and a line for the prompt, for every ASCII name of up to 24 bytes", () => {
    for (let length = 1; length <= 24; length++) {
      const screen = screenFor("x".repeat(length));
      expect(rowsIn80(screen)).toBeLessThanOrEqual(23);
      expect(screen).not.toContain("scroll up");
    }
  });

  it("shows the QR code, then the URI in one piece, then the secret by fours", () => {
    expect(screenFor("alice")).toBe([drawQr(uriFor("alice")), uriFor("alice"), GROUPED].join("\n"));
  });

  it.each(readers)("is read by %s with the text below it on both backgrounds", (_, read) => {
    for (const background of Object.values(backgrounds)) {
      expect(read(pictureOf(screenFor("abcdefghijklmnopqrstuvwx"), background))).toBe(
        uriFor("abcdefghijklmnopqrstuvwx"),
      );
    }
  });

  it("says that a longer one scrolls", () => {
    const lines = screenFor("x".repeat(64)).split("\n");
    expect(lines.at(-2)).toBe(GROUPED);
    expect(lines.at(-1)).toBe("The window has 24 rows of the 28 that this needs: scroll up to see the whole QR code.");
  });

  it("gives URI and secret alone, and says why, in a window narrower than the QR code", () => {
    expect(screenFor("alice", { columns: 38, rows: 24 })).toBe(
      [
        "The QR code needs 39 columns and this window has 38: widen it, or type the secret.",
        uriFor("alice"),
        GROUPED,
      ].join("\n"),
    );
  });

  it("is whole where there is no window", () => {
    expect(screenFor("x".repeat(64), {})).toBe(
      [drawQr(uriFor("x".repeat(64))), uriFor("x".repeat(64)), GROUPED].join("\n"),
    );
  });

  it("escapes control sequences in the URI and the secret", () => {
    const screen = enrolmentScreen({
      uri: "otpauth://totp/\u001b]52;c;aGk=\u0007",
      secret: "\u009b2J",
      columns: 10,
      rows: 24,
    });
    expect(screen.replaceAll("\n", "")).not.toMatch(/\p{Cc}/u);
  });
});
