import { displayWidth, escapeForTerminal } from "../escape.js";
import { bold, drawn, say, type TerminalText } from "./terminal-text.js";

/** What every terminal has, at least. */
const COLUMNS = 80;
const GAP = "  ";

/** No column is cut to less. */
const LEAST = 8;

/** Rows under a heading, each a cell for each column, in 80 columns: the widest columns are cut where they must be. */
export function table(heading: readonly string[], rows: readonly (readonly string[])[]): TerminalText[] {
  const widths = fitting(heading.map((_, column) => widest([heading, ...rows], column)));
  const line = (cells: readonly string[]) =>
    cells
      .map((cell, column) => padded(cell, widths[column] ?? 0))
      .join(GAP)
      .trimEnd();
  return [say`${bold(drawn(line(heading)))}`, ...rows.map((cells) => drawn(line(cells)))];
}

function widest(rows: readonly (readonly string[])[], column: number): number {
  return rows.reduce((most, cells) => Math.max(most, displayWidth(escapeForTerminal(cells[column] ?? ""))), 0);
}

function fitting(widths: readonly number[]): number[] {
  const fitted = [...widths];
  const total = () => fitted.reduce((sum, width) => sum + width, 0) + GAP.length * (fitted.length - 1);
  while (total() > COLUMNS && Math.max(...fitted) > LEAST) {
    const most = fitted.indexOf(Math.max(...fitted));
    fitted[most] = (fitted[most] ?? 0) - 1;
  }
  return fitted;
}

function padded(cell: string, width: number): string {
  const shown = escapeForTerminal(cell, { max: Math.max(1, width) });
  return shown + " ".repeat(Math.max(0, width - displayWidth(shown)));
}
