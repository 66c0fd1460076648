/** What to look for in files that must not hold it, in the forms in which a program might have written it. */
export interface Needle {
  readonly what: string;
  readonly bytes: Buffer;
}

const MIN_BYTES = 5;

/** A text, such as a name: in UTF-8 and UTF-16, and as someone would encode those bytes. */
export function textNeedles(what: string, text: string): Needle[] {
  return [...byteNeedles(what, Buffer.from(text, "utf8")), needle(`${what} in UTF-16`, Buffer.from(text, "utf16le"))];
}

/** Bytes, such as a secret: raw, in hex, in base32 and base64 of either alphabet. */
export function byteNeedles(what: string, bytes: Buffer): Needle[] {
  const hex = bytes.toString("hex");
  const base64 = bytes.toString("base64").replaceAll("=", "");
  return [
    needle(what, bytes),
    needle(`${what} in hex`, Buffer.from(hex)),
    needle(`${what} in HEX`, Buffer.from(hex.toUpperCase())),
    needle(`${what} in base32`, Buffer.from(base32(bytes))),
    needle(`${what} in base64`, Buffer.from(base64)),
    needle(`${what} in base64url`, Buffer.from(base64.replaceAll("+", "-").replaceAll("/", "_"))),
  ];
}

/** Every 16 bytes of something long, so that a piece of it is found too; bytes all alike tell nothing. */
export function pieceNeedles(what: string, bytes: Buffer): Needle[] {
  const pieces: Needle[] = [];
  for (let at = 0; at + 16 <= bytes.length; at += 8) {
    const piece = bytes.subarray(at, at + 16);
    if (new Set(piece).size > 8) pieces.push({ what: `${what}, from byte ${at}`, bytes: piece });
  }
  return pieces;
}

/** Which of them stand somewhere in a file. */
export function foundIn(haystack: Buffer, needles: readonly Needle[]): string[] {
  return needles.filter(({ bytes }) => haystack.includes(bytes)).map(({ what }) => what);
}

function needle(what: string, bytes: Buffer): Needle {
  if (bytes.length < MIN_BYTES) throw new Error(`${what} is so short that chance would find it`);
  return { what, bytes };
}

/** RFC 4648 section 6, written here anew: what is looked for must not come from what is tested. */
function base32(bytes: Buffer): string {
  const bits = [...bytes].map((byte) => byte.toString(2).padStart(8, "0")).join("");
  const groups = bits.match(/.{1,5}/g) ?? [];
  return groups.map((group) => "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"[Number.parseInt(group.padEnd(5, "0"), 2)]).join("");
}
