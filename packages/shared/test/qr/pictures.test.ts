import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { decodePng, rasterizeSvg } from "../../../../test/support/pictures.js";
import { hasZbar, type Picture, readers, readFileWithZbar } from "../../../../test/support/qr-readers.js";
import { qrMatrix } from "../../src/qr/matrix.js";
import { qrPng } from "../../src/qr/png.js";
import { qrSvg } from "../../src/qr/svg.js";

const URI = "otpauth://totp/Postern:alice?issuer=Postern&secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ";

const texts = {
  "an otpauth URI": URI,
  "one with every parameter": `${URI}&algorithm=SHA512&digits=8&period=60`,
  "text beyond Latin-1": "Grüße, 密码 🔑",
  "300 bytes": "x".repeat(300),
};

/** The modules that a picture shows; throws when one of them is of two colours. */
function modulesOf({ width, height, grey }: Picture, scale: number): boolean[][] {
  expect([width % scale, height]).toEqual([0, width]);
  const side = width / scale;
  const modules = Array.from({ length: side }, () => Array<boolean>(side).fill(false));
  for (const [index, colour] of grey.entries()) {
    const [x, y] = [Math.floor((index % width) / scale), Math.floor(Math.floor(index / width) / scale)];
    const row = modules[y] as boolean[];
    if (index % scale === 0 && Math.floor(index / width) % scale === 0) row[x] = colour === 0;
    if (colour !== (row[x] ? 0 : 255)) throw new Error(`pixel ${index} is of another colour than its module`);
  }
  return modules;
}

const forms: readonly (readonly [string, (text: string, scale: number) => Picture])[] = [
  ["PNG", (text, scale) => decodePng(qrPng(text, scale))],
  ["SVG", (text, scale) => rasterizeSvg(qrSvg(text), scale)],
];

describe.each(forms)("a QR code as %s", (_, picture) => {
  it.each(readers)("is read back by %s at 2 and 8 pixels a module", (__, read) => {
    for (const text of Object.values(texts)) {
      expect(read(picture(text, 8))).toBe(text);
    }
    expect(read(picture(URI, 2))).toBe(URI);
  });

  it("has the modules of the matrix, every one whole, at every scale, with four light ones around", () => {
    for (let scale = 1; scale <= 9; scale++) expect(modulesOf(picture(URI, scale), scale)).toEqual(qrMatrix(URI));
    const matrix = qrMatrix(URI);
    const edges = [...matrix.slice(0, 4), ...matrix.slice(-4), ...matrix.map((row) => row.slice(0, 4))];
    expect(edges.flat()).not.toContain(true);
    expect(matrix[4]?.[4]).toBe(true);
  });

  it("holds 2953 bytes and says so of more", () => {
    expect(modulesOf(picture("x".repeat(2953), 1), 1)).toHaveLength(177 + 8);
    expect(() => picture("x".repeat(2954), 1)).toThrow(expect.objectContaining({ code: "otp_invalid" }));
  });
});

describe("a PNG", () => {
  it("has one bit a pixel, and is small: under a kilobyte for a usual URI", () => {
    const png = qrPng(URI);
    expect(png[24]).toBe(1);
    expect(png.length).toBeLessThan(1024);
  });

  it.each([0, -1, 1.5, 33, Number.NaN])("is not made at %d pixels a module", (scale) => {
    expect(() => qrPng(URI, scale)).toThrow(expect.objectContaining({ code: "bug" }));
  });

  it.runIf(hasZbar)("is a file that zbarimg opens", () => {
    expect(readFileWithZbar("code.png", qrPng(URI))).toBe(URI);
  });
});

describe("an SVG", () => {
  it("takes nothing from outside, says what it is, and shows the text nowhere but in its modules", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary", maxLength: 100 }), (text) => {
        expect(qrSvg(text)).toMatch(
          /^<svg xmlns="http:\/\/www\.w3\.org\/2000\/svg" width="\d+" height="\d+" viewBox="0 0 \d+ \d+" shape-rendering="crispEdges" role="img" aria-label="QR code"><title>QR code<\/title><rect width="\d+" height="\d+" fill="#fff"\/><path fill="#000" d="[Mhvz0-9 -]+"\/><\/svg>\n$/,
        );
      }),
      { numRuns: 8 },
    );
  });
});
