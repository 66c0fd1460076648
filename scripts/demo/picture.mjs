import { createRequire } from "node:module";

const { Terminal } = createRequire(import.meta.url)("@xterm/headless");

const CELL = { width: 8.4, height: 17 };
const MARGIN = 14;
const colours = { background: "#1d2027", foreground: "#d8dbe2", dim: "#8b919d" };
/** The eight colours that a program may ask for, as this picture shows them. */
const palette = ["#1d2027", "#e5646e", "#8fc379", "#dcbf77", "#6cabea", "#c27fd8", "#5ab5be", "#d8dbe2"];

/** A terminal that only watches: feed it what a program prints, and it can draw what a person would see. */
export class Screen {
  #terminal;

  constructor({ columns, rows }) {
    this.#terminal = new Terminal({ cols: columns, rows, allowProposedApi: true, scrollback: 2000 });
  }

  write(data) {
    return new Promise((resolve) => this.#terminal.write(data, resolve));
  }

  /** The screen as it is now, without the empty lines at its end, as an SVG document. */
  toSvg() {
    const buffer = this.#terminal.buffer.active;
    const lines = Array.from({ length: this.#terminal.rows }, (_, row) => buffer.getLine(buffer.viewportY + row));
    const cells = lines.map((line) => cellsOf(line, this.#terminal.cols));
    while (cells.length > 1 && cells.at(-1).every(isBlank)) cells.pop();
    return svg(cells, this.#terminal.cols);
  }
}

const isBlank = ({ text, background }) => text.trim() === "" && background === undefined;

function cellsOf(line, columns) {
  return Array.from({ length: columns }, (_, column) => {
    const cell = line?.getCell(column);
    return {
      text: cell?.getChars() ?? "",
      foreground: cell && colourOf(cell.getFgColor(), cell.isFgPalette()),
      background: cell && colourOf(cell.getBgColor(), cell.isBgPalette()),
      bold: cell?.isBold() === 1 || (cell?.isBold() ?? 0) > 0,
      dim: (cell?.isDim() ?? 0) > 0,
    };
  });
}

/** Of the 256-colour palette the demo shows the named ones and the ends of the cube: black and white of a QR code. */
function colourOf(index, isPalette) {
  if (!isPalette) return undefined;
  if (index < 16) return palette[index % 8];
  return index === 16 ? "#000000" : "#ffffff";
}

function svg(rows, columns) {
  const width = Math.ceil(columns * CELL.width + 2 * MARGIN);
  const height = Math.ceil(rows.length * CELL.height + 2 * MARGIN);
  const body = rows.flatMap((cells, row) => [...rectangles(cells, row), ...texts(cells, row)]).join("\n");
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}">
<style>text{font:14px ui-monospace,SFMono-Regular,Menlo,Consolas,"DejaVu Sans Mono",monospace;white-space:pre}</style>
<rect width="100%" height="100%" rx="8" fill="${colours.background}"/>
<g shape-rendering="crispEdges">
${body}
</g>
</svg>
`;
}

/** Backgrounds, and half blocks as the rectangles that they are: a font might leave seams in a QR code. */
function rectangles(cells, row) {
  const y = MARGIN + row * CELL.height;
  const parts = [
    ...runs(cells, ({ background }) => background).map((run) => ({ ...run, y, height: CELL.height })),
    ...runs(cells, ({ text, foreground }) => (text === "▀" ? foreground : undefined)).map((run) => ({
      ...run,
      y,
      height: CELL.height / 2,
    })),
  ];
  return parts.map(
    ({ from, to, value, y: top, height }) =>
      `<rect x="${at(from)}" y="${fixed(top)}" width="${fixed((to - from) * CELL.width)}" height="${fixed(height)}" fill="${value}"/>`,
  );
}

function texts(cells, row) {
  const y = fixed(MARGIN + row * CELL.height + 13);
  const styleOf = ({ text, foreground, bold, dim }) =>
    text === "▀" || text.trim() === ""
      ? undefined
      : `fill="${foreground ?? (dim ? colours.dim : colours.foreground)}"${bold ? ' font-weight="bold"' : ""}`;
  return runs(cells, styleOf).map(({ from, to, value }) => {
    const words = escapeXml(
      cells
        .slice(from, to)
        .map(({ text }) => text || " ")
        .join(""),
    );
    return `<text x="${at(from)}" y="${y}" textLength="${fixed((to - from) * CELL.width)}" ${value}>${words}</text>`;
  });
}

/** Neighbouring cells of one value, which is not undefined. */
function runs(cells, pick) {
  const found = [];
  cells.forEach((cell, column) => {
    const value = pick(cell);
    const last = found.at(-1);
    if (value === undefined) return;
    if (last?.value === value && last.to === column) last.to = column + 1;
    else found.push({ from: column, to: column + 1, value });
  });
  return found;
}

const at = (column) => fixed(MARGIN + column * CELL.width);
const fixed = (number) => String(Math.round(number * 100) / 100);
const escapeXml = (text) => text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
