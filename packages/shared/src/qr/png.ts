import { crc32, deflateSync } from "node:zlib";
import { PosternError } from "../errors.js";
import { type QrMatrix, qrMatrix } from "./matrix.js";

const SIGNATURE = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);

/** One bit a pixel, greyscale, deflate, the five filters, not interlaced (PNG, third edition, 11.2.1). */
const FORM = [1, 0, 0, 0, 0] as const;

/** In front of each row: its bytes are as they are (9.2). */
const UNFILTERED = 0;

const scaleLimits = { least: 1, most: 32 } as const;

/**
 * A QR code, or that of a text, as a PNG file: black on white, with the quiet zone, `scale` pixels a module (1 to 32).
 * @throws `otp_invalid` when the text has more than 2953 bytes.
 */
export function qrPng(code: string | QrMatrix, scale = 8): Buffer {
  if (!Number.isInteger(scale) || scale < scaleLimits.least || scale > scaleLimits.most) {
    throw new PosternError("bug", { detail: "a QR code has 1 to 32 pixels a module" });
  }
  const matrix = typeof code === "string" ? qrMatrix(code) : code;
  const header = Buffer.alloc(13);
  header.writeUInt32BE(matrix.length * scale, 0);
  header.writeUInt32BE(matrix.length * scale, 4);
  header.set(FORM, 8);
  // Level 9 takes ten times as long, and gets no less out of rows that are alike.
  const pixels = deflateSync(rows(matrix, scale), { level: 6 });
  return Buffer.concat([SIGNATURE, chunk("IHDR", header), chunk("IDAT", pixels), chunk("IEND", Buffer.alloc(0))]);
}

/** Each row as its filter's byte and its pixels, the leftmost in the high bit; 1 is white (7.2). */
function rows(matrix: QrMatrix, scale: number): Buffer {
  const width = Math.ceil((matrix.length * scale) / 8);
  return Buffer.concat(
    matrix.flatMap((modules) => {
      const row = Buffer.alloc(1 + width, 0xff);
      row[0] = UNFILTERED;
      for (let x = 0; x < modules.length * scale; x += 1) {
        const byte = 1 + (x >> 3);
        if (modules[Math.floor(x / scale)] === true) row[byte] = (row[byte] ?? 0) & ~(0x80 >> (x & 7));
      }
      return Array<Buffer>(scale).fill(row);
    }),
  );
}

/** Length, type, data, and the CRC of the last two (5.3). */
function chunk(type: string, data: Buffer): Buffer {
  const body = Buffer.concat([Buffer.from(type, "latin1"), data]);
  const edge = (value: number) => {
    const bytes = Buffer.alloc(4);
    bytes.writeUInt32BE(value);
    return bytes;
  };
  return Buffer.concat([edge(data.length), body, edge(crc32(body))]);
}
