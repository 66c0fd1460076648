/**
 * A QR code in a terminal: two modules in each cell, one above the other, as a half block.
 *
 * Both colours of every cell are set, from the fixed part of the 256-colour palette that themes leave alone: drawn in
 * the terminal's own colours the code is inverted on one of a dark and a light background, which zbar and many phones
 * do not read. So the colours stay under NO_COLOR: here they are the content. Where two modules are equal the
 * background alone shows them, since a full block leaves seams in some fonts.
 */
import { type QrMatrix, qrMatrix } from "@postern/shared/qr/matrix";

/** The standard asks for four; in a terminal, where room is short, one was enough for every reader that we tried. */
const QUIET_ZONE = 1;

const DARK = 16;
const LIGHT = 231;
const UPPER_HALF = "▀";
const RESET = "\u001b[0m";

export interface QrSize {
  /** Cells across, which is modules with the quiet zone. */
  readonly columns: number;
  /** Lines, of two rows of modules each. */
  readonly rows: number;
}

/** How much room `drawQr(text)` takes. */
export function qrSize(text: string): QrSize {
  return sizeOf(qrMatrix(text, QUIET_ZONE));
}

/** The QR code of a text, dark on light, as lines joined by `\n`; each line ends with the terminal's colours reset. */
export function drawQr(text: string): string {
  const matrix = qrMatrix(text, QUIET_ZONE);
  const { rows } = sizeOf(matrix);
  return Array.from({ length: rows }, (_, row) => drawLine(matrix[2 * row] ?? [], matrix[2 * row + 1] ?? [])).join(
    "\n",
  );
}

function sizeOf(matrix: QrMatrix): QrSize {
  return { columns: matrix.length, rows: Math.ceil(matrix.length / 2) };
}

/** `lower` is empty under the last of an odd number of rows: light, as the quiet zone is. */
function drawLine(upper: readonly boolean[], lower: readonly boolean[]): string {
  let line = "";
  let colours = "";
  for (const [column, top] of upper.entries()) {
    const bottom = lower[column] ?? false;
    const wanted = `\u001b[38;5;${colourOf(top)};48;5;${colourOf(bottom)}m`;
    line += (wanted === colours ? "" : wanted) + (top === bottom ? " " : UPPER_HALF);
    colours = wanted;
  }
  return line + RESET;
}

function colourOf(dark: boolean): number {
  return dark ? DARK : LIGHT;
}
