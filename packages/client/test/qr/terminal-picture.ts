/** What a terminal makes of a text with SGR colours and half blocks, as pixels, so that QR readers can look at it. */

import type { Picture } from "../../../../test/support/qr-readers.js";

const CELL_WIDTH = 8;
const CELL_HEIGHT = 16;

type Grey = number;

export interface Background {
  readonly ink: Grey;
  readonly paper: Grey;
}

export const backgrounds = {
  dark: { ink: 204, paper: 30 },
  light: { ink: 40, paper: 250 },
} as const satisfies Record<string, Background>;

interface Cell {
  readonly character: string;
  readonly ink: Grey;
  readonly paper: Grey;
}

/** Renders lines joined by `\n`, on a window that is a margin of two cells larger than they are. */
export function pictureOf(text: string, background: Background): Picture {
  const lines = text.split("\n").map((line) => cellsOf(line, background));
  const columns = Math.max(...lines.map((line) => line.length)) + 4;
  const width = columns * CELL_WIDTH;
  const height = (lines.length + 4) * CELL_HEIGHT;
  const grey = new Uint8Array(width * height).fill(background.paper);
  for (const [row, line] of lines.entries()) {
    for (const [column, cell] of line.entries()) paint(cell, { grey, width, left: column + 2, top: row + 2 });
  }
  return { width, height, grey };
}

/** Paints a half block exactly, and any other glyph as a blot, which a reader must put up with. */
function paint(cell: Cell, at: { grey: Uint8Array; width: number; left: number; top: number }): void {
  for (let y = 0; y < CELL_HEIGHT; y++) {
    for (let x = 0; x < CELL_WIDTH; x++) {
      const index = (at.top * CELL_HEIGHT + y) * at.width + at.left * CELL_WIDTH + x;
      at.grey[index] = isInk(cell.character, x, y) ? cell.ink : cell.paper;
    }
  }
}

function isInk(character: string, x: number, y: number): boolean {
  if (character === " ") return false;
  if (character === "█") return true;
  if (character === "▀") return y < CELL_HEIGHT / 2;
  if (character === "▄") return y >= CELL_HEIGHT / 2;
  return x > 1 && x < CELL_WIDTH - 1 && y > 4 && y < CELL_HEIGHT - 4 && (x + y) % 3 !== 0;
}

const ESC = "\u001b";
const sgrOrCharacter = new RegExp(`${ESC}\\[([0-9;]*)m|(.)`, "gu");

function cellsOf(line: string, background: Background): Cell[] {
  const cells: Cell[] = [];
  let colours = background;
  for (const [, parameters, character] of line.matchAll(sgrOrCharacter)) {
    if (character === undefined) colours = afterSgr(colours, parameters ?? "", background);
    else cells.push({ character, ...colours });
  }
  return cells;
}

/** SGR as ECMA-48 8.3.117 and the 256-colour extension have it, as far as colours go. */
function afterSgr(colours: Background, parameters: string, background: Background): Background {
  const codes = parameters.split(";").map(Number);
  let { ink, paper } = colours;
  for (let code = codes.shift(); code !== undefined; code = codes.shift()) {
    if (code === 0) ({ ink, paper } = background);
    else if (code === 38 && codes.shift() === 5) ink = palette(codes.shift() ?? 0);
    else if (code === 48 && codes.shift() === 5) paper = palette(codes.shift() ?? 0);
    else throw new Error(`SGR ${code} is not known to this picture`);
  }
  return { ink, paper };
}

/** The grey of the two ends of the colour cube, which is all that a QR code may use. */
function palette(index: number): Grey {
  if (index === 16) return 0;
  if (index === 231) return 255;
  throw new Error(`colour ${index} may be changed by a theme`);
}
