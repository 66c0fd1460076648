import QrModel from "qrcode-terminal/vendor/QRCode/index.js";
import errorCorrection from "qrcode-terminal/vendor/QRCode/QRErrorCorrectLevel.js";
import { PosternError } from "../errors.js";

/** The smallest version that holds the text. */
const AUTOMATIC = -1;

/** What version 40-L holds in byte mode (ISO/IEC 18004, table 7). */
export const MAX_QR_BYTES = 2953;

/** Light modules around the symbol (ISO/IEC 18004, 6.3.8). */
export const QUIET_ZONE = 4;

/** The modules of a QR code with its quiet zone, row by row: true is dark. */
export type QrMatrix = readonly (readonly boolean[])[];

/**
 * Encodes up to 2953 bytes of UTF-8 in byte mode at error correction level L: a screen has no dirt on it. `quietZone` is
 * how many light modules surround the symbol.
 * @throws `otp_invalid` when there are more.
 */
export function qrMatrix(text: string, quietZone = QUIET_ZONE): QrMatrix {
  const bytes = Buffer.from(text);
  if (bytes.length > MAX_QR_BYTES) throw new PosternError("otp_invalid", { detail: "it is too long for a QR code" });
  const model = new QrModel(AUTOMATIC, errorCorrection.L);
  // The model keeps the low eight bits of each UTF-16 unit: what is not Latin-1 must come as bytes.
  model.addData(bytes.toString("latin1"));
  model.make();
  const modules = model.getModuleCount();
  const side = modules + 2 * quietZone;
  const isInside = (index: number) => index >= 0 && index < modules;
  const isDark = (row: number, column: number) => isInside(row) && isInside(column) && model.isDark(row, column);
  return square(side, (row, column) => isDark(row - quietZone, column - quietZone));
}

function square(side: number, at: (row: number, column: number) => boolean): QrMatrix {
  return Array.from({ length: side }, (_, row) => Array.from({ length: side }, (_, column) => at(row, column)));
}
