import { createHash } from "node:crypto";
import type { ChallengeId } from "@postern/shared/ids";

/**
 * What opens a page: 16 random bytes, 22 characters of base64url. They stand in the link alone, and are stored, logged
 * and recorded nowhere: all else goes by the challenge's id, the first 16 bytes of
 * SHA-256("postern challenge page" | 0x00 | the 16 bytes), from which nobody finds the link.
 */
const PAGE_ID_BYTES = 16;

export function drawPageId(random: (size: number) => Buffer): { readonly text: string; readonly id: ChallengeId } {
  const bytes = random(PAGE_ID_BYTES);
  return { text: bytes.toString("base64url"), id: idOf(bytes) };
}

/** Which challenge a link is of; undefined for what is no page id in its one spelling: the four spare bits are zero. */
export function parsePageId(text: string): ChallengeId | undefined {
  return /^[A-Za-z0-9_-]{21}[AQgw]$/.test(text) ? idOf(Buffer.from(text, "base64url")) : undefined;
}

function idOf(bytes: Buffer): ChallengeId {
  const hash = createHash("sha256").update("postern challenge page\0").update(bytes).digest();
  return `chl_${hash.toString("hex", 0, 16)}`;
}
