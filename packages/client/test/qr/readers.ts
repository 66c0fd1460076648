import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as jsqr from "jsqr";
import { type Picture, pgm, rgba } from "./terminal-picture.js";

/** What a reader sees in a picture, as text; undefined when it finds no code. */
export type Reader = (picture: Picture) => string | undefined;

/** jsqr as a strict reader: by default it tries the negative too, which hides an inverted code. */
const readWithJsqr: Reader = (picture) => {
  const { width, height } = picture;
  const found = jsqr.default.default(rgba(picture), width, height, { inversionAttempts: "dontInvert" });
  return found === null ? undefined : Buffer.from(found.binaryData).toString();
};

const readWithZbar: Reader = (picture) => {
  const folder = mkdtempSync(join(tmpdir(), "postern-qr-"));
  try {
    const file = join(folder, "screen.pgm");
    writeFileSync(file, pgm(picture));
    const options = ["--quiet", "--raw", "-Sbinary", "-Stest-inverted=0", "-Sdisable", "-Sqrcode.enable"];
    const { status, stdout } = spawnSync("zbarimg", [...options, file]);
    return status === 0 ? stdout.toString().replace(/\n$/, "") : undefined;
  } finally {
    rmSync(folder, { recursive: true });
  }
};

const hasZbar = spawnSync("zbarimg", ["--version"]).status === 0;
if (!hasZbar) console.warn("zbarimg is not installed: QR codes are read with jsqr only");

export const readers: readonly (readonly [string, Reader])[] = [
  ["jsqr", readWithJsqr],
  ...(hasZbar ? ([["zbar", readWithZbar]] as const) : []),
];
