import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as jsqr from "jsqr";

export interface Picture {
  readonly width: number;
  readonly height: number;
  /** One byte a pixel. */
  readonly grey: Uint8Array;
}

/** What a reader sees in a picture, as text; undefined when it finds no code. */
export type Reader = (picture: Picture) => string | undefined;

/** jsqr as a strict reader: by default it tries the negative too, which hides an inverted code. */
const readWithJsqr: Reader = (picture) => {
  const { width, height } = picture;
  const found = jsqr.default.default(rgba(picture), width, height, { inversionAttempts: "dontInvert" });
  return found === null ? undefined : Buffer.from(found.binaryData).toString();
};

const readWithZbar: Reader = (picture) => readFileWithZbar("screen.pgm", pgm(picture));

/** What zbarimg reads in a file of that name and content, as it is. */
export function readFileWithZbar(name: string, content: string | Uint8Array): string | undefined {
  const folder = mkdtempSync(join(tmpdir(), "postern-qr-"));
  try {
    const file = join(folder, name);
    writeFileSync(file, content);
    const options = ["--quiet", "--raw", "-Sbinary", "-Stest-inverted=0", "-Sdisable", "-Sqrcode.enable"];
    const { status, stdout } = spawnSync("zbarimg", [...options, file]);
    return status === 0 ? stdout.toString().replace(/\n$/, "") : undefined;
  } finally {
    rmSync(folder, { recursive: true });
  }
}

export const hasZbar = spawnSync("zbarimg", ["--version"]).status === 0;
if (!hasZbar) console.warn("zbarimg is not installed: QR codes are read with jsqr only");

export const readers: readonly (readonly [string, Reader])[] = [
  ["jsqr", readWithJsqr],
  ...(hasZbar ? ([["zbar", readWithZbar]] as const) : []),
];

/** Four bytes a pixel, as jsqr reads them. */
function rgba({ grey }: Picture): Uint8ClampedArray {
  return Uint8ClampedArray.from({ length: grey.length * 4 }, (_, index) =>
    index % 4 === 3 ? 255 : (grey[index >> 2] ?? 0),
  );
}

/** A PGM file (netpbm P5). */
function pgm({ width, height, grey }: Picture): Buffer {
  return Buffer.concat([Buffer.from(`P5\n${width} ${height}\n255\n`), grey]);
}
