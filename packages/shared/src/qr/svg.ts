import { type QrMatrix, qrMatrix } from "./matrix.js";

/** How large it is shown where nothing says otherwise, in CSS pixels a module. */
const PIXELS = 8;

/**
 * A QR code, or that of a text, as an SVG document: dark on light whatever is behind it, with the quiet zone, crisp at every size. It takes
 * nothing from outside, and its title says no more than what it is: the text is in the modules alone.
 * @throws `otp_invalid` when the text has more than 2953 bytes.
 */
export function qrSvg(code: string | QrMatrix): string {
  const matrix = typeof code === "string" ? qrMatrix(code) : code;
  const side = matrix.length;
  const size = `width="${side * PIXELS}" height="${side * PIXELS}" viewBox="0 0 ${side} ${side}"`;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" ${size} shape-rendering="crispEdges" role="img" aria-label="QR code">`,
    "<title>QR code</title>",
    `<rect width="${side}" height="${side}" fill="#fff"/>`,
    `<path fill="#000" d="${outline(matrix)}"/>`,
    "</svg>\n",
  ].join("");
}

/** One rectangle for each run of dark modules in a row. */
function outline(matrix: QrMatrix): string {
  return matrix.flatMap((row, y) => runs(row).map(({ x, length }) => `M${x} ${y}h${length}v1h-${length}z`)).join("");
}

function runs(row: readonly boolean[]): readonly { readonly x: number; readonly length: number }[] {
  const starts = row.flatMap((dark, x) => (dark && row[x - 1] !== true ? [x] : []));
  return starts.map((x) => {
    const end = row.indexOf(false, x);
    return { x, length: (end === -1 ? row.length : end) - x };
  });
}
