/** Readers of picture files, written from their specifications and knowing nothing of who writes them. */
import { inflateSync } from "node:zlib";
import type { Picture } from "./qr-readers.js";

interface Header {
  readonly width: number;
  readonly height: number;
  readonly depth: number;
}

/** The pixels of a greyscale PNG of 1, 2, 4 or 8 bits, not interlaced; throws on whatever the standard forbids of it. */
export function decodePng(file: Uint8Array): Picture {
  const bytes = Buffer.from(file);
  if (bytes.toString("latin1", 0, 8) !== "\u0089PNG\r\n\u001a\n") throw new Error("no signature");
  const chunks = chunksOf(bytes.subarray(8));
  const [first, last] = [chunks[0], chunks.at(-1)];
  if (first?.type !== "IHDR" || last?.type !== "IEND" || last.data.length !== 0) throw new Error("no head or no end");
  const header = headerOf(first.data);
  const parts = chunks.slice(1, -1);
  if (parts.some(({ type }) => type !== "IDAT")) throw new Error("a chunk that is not known");
  return pixelsOf(inflateSync(Buffer.concat(parts.map(({ data }) => data))), header);
}

function chunksOf(bytes: Buffer): { type: string; data: Buffer }[] {
  const chunks: { type: string; data: Buffer }[] = [];
  for (let at = 0; at < bytes.length; ) {
    const end = at + 8 + bytes.readUInt32BE(at);
    if (crcOf(bytes.subarray(at + 4, end)) !== bytes.readUInt32BE(end)) throw new Error("a CRC that is not right");
    chunks.push({ type: bytes.toString("latin1", at + 4, at + 8), data: bytes.subarray(at + 8, end) });
    at = end + 4;
  }
  return chunks;
}

/** Annex D, bit by bit. */
function crcOf(bytes: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = (crc & 1) === 1 ? (crc >>> 1) ^ 0xedb88320 : crc >>> 1;
  }
  return (crc ^ 0xffffffff) >>> 0;
}

function headerOf(data: Buffer): Header {
  const [depth = 0, colour, compression, filter, interlace] = data.subarray(8);
  if (data.length !== 13 || ![1, 2, 4, 8].includes(depth)) throw new Error("a header of another form");
  if (colour !== 0 || compression !== 0 || filter !== 0 || interlace !== 0) throw new Error("not plain greyscale");
  return { width: data.readUInt32BE(0), height: data.readUInt32BE(4), depth };
}

function pixelsOf(data: Buffer, { width, height, depth }: Header): Picture {
  const stride = Math.ceil((width * depth) / 8);
  if (data.length !== height * (1 + stride)) throw new Error("rows of another length");
  const grey = new Uint8Array(width * height);
  let above: Uint8Array = new Uint8Array(stride);
  for (let y = 0; y < height; y++) {
    const row = unfiltered(data.subarray(y * (1 + stride), (y + 1) * (1 + stride)), above);
    for (let x = 0; x < width; x++) {
      const shift = 8 - depth - ((x * depth) & 7);
      const sample = ((row[(x * depth) >> 3] ?? 0) >> shift) & ((1 << depth) - 1);
      grey[y * width + x] = (sample * 255) / ((1 << depth) - 1);
    }
    above = row;
  }
  return { width, height, grey };
}

/** Clause 9.2, for pixels of a byte at most. */
function unfiltered(filtered: Uint8Array, above: Uint8Array): Uint8Array {
  const row = Uint8Array.from(filtered.subarray(1));
  for (let index = 0; index < row.length; index++) {
    const [left, up, corner] = [row[index - 1] ?? 0, above[index] ?? 0, index === 0 ? 0 : (above[index - 1] ?? 0)];
    const guesses = [0, left, up, (left + up) >> 1, paeth(left, up, corner)];
    const guess = guesses[filtered[0] ?? 5];
    if (guess === undefined) throw new Error("a filter that is not known");
    row[index] = (row[index] ?? 0) + guess;
  }
  return row;
}

function paeth(left: number, up: number, corner: number): number {
  const [toLeft, toUp, toCorner] = [left, up, corner].map((value) => Math.abs(left + up - corner - value));
  if ((toLeft ?? 0) <= (toUp ?? 0) && (toLeft ?? 0) <= (toCorner ?? 0)) return left;
  return (toUp ?? 0) <= (toCorner ?? 0) ? up : corner;
}

/** What a browser paints of an SVG of white and black rectangles, `scale` pixels a unit of its view box. */
export function rasterizeSvg(svg: string, scale: number): Picture {
  const [, side = ""] = /viewBox="0 0 (\d+) \1"/.exec(svg) ?? [];
  const size = Number(side) * scale;
  const grey = new Uint8Array(size * size).fill(128);
  const paint = (x: number, y: number, width: number, height: number, colour: number) => {
    for (let row = y * scale; row < (y + height) * scale; row++) {
      grey.fill(colour, row * size + x * scale, row * size + (x + width) * scale);
    }
  };
  const [, width, height] = /<rect width="(\d+)" height="(\d+)" fill="#fff"\/>/.exec(svg) ?? [];
  paint(0, 0, Number(width), Number(height), 255);
  const [, path = ""] = /<path fill="#000" d="([^"]+)"\/>/.exec(svg) ?? [];
  const rectangle = /M(\d+) (\d+)h(\d+)v(\d+)h-\3z/y;
  while (rectangle.lastIndex < path.length) {
    const found = rectangle.exec(path);
    if (found === null) throw new Error("a path of another form");
    const [x = 0, y = 0, across = 0, down = 0] = found.slice(1).map(Number);
    paint(x, y, across, down, 0);
  }
  return { width: size, height: size, grey };
}
