import { displayWidth, escapeForTerminal } from "@postern/shared/escape";
import { drawQr, qrSize } from "./qr.js";

export interface Enrolment {
  /** The otpauth URI that the QR code holds. */
  readonly uri: string;
  /** The same secret in base32, for typing. */
  readonly secret: string;
  /** The window's size; undefined where there is none (a file, a pipe), which holds everything. */
  readonly columns: number | undefined;
  readonly rows: number | undefined;
}

/** The prompt for the first code stands below the screen. */
const PROMPT_ROWS = 1;

/**
 * What a person sees when an authenticator is enrolled: QR code, URI, and the secret grouped by four, without a line
 * end. With an ASCII name of up to 24 bytes it leaves one of 24 rows of 80 for the prompt. A window too narrow for the
 * code gets URI and secret; one that is too low scrolls; either is said.
 */
export function enrolmentScreen({ uri, secret, columns = Infinity, rows = Infinity }: Enrolment): string {
  const keys = [escapeForTerminal(uri), `secret: ${grouped(escapeForTerminal(secret))}`];
  const code = qrSize(uri);
  if (code.columns > columns) return [tooNarrow(columns, code.columns), ...keys].join("\n");
  const height = code.rows + keys.reduce((sum, line) => sum + rowsOf(line, columns), 0) + PROMPT_ROWS;
  const screen = [drawQr(uri), ...keys];
  return (height > rows ? [...screen, tooLow(rows, height)] : screen).join("\n");
}

/** `ABCD EFGH …`: every authenticator that takes a typed secret ignores the spaces. */
function grouped(secret: string): string {
  return secret.replaceAll(/(.{4})(?=.)/gu, "$1 ");
}

/** The lines that a terminal breaks a text into. A URI is left unbroken, so that it can be copied whole. */
function rowsOf(line: string, columns: number): number {
  return Math.ceil(displayWidth(line) / columns) || 1;
}

function tooNarrow(columns: number, needed: number): string {
  return `The QR code needs ${needed} columns and this window has ${columns}: widen it, or type the secret.`;
}

function tooLow(rows: number, needed: number): string {
  return `The window has ${rows} rows of the ${needed} that this needs: scroll up to see the whole QR code.`;
}
