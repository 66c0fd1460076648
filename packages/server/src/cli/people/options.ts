import { PosternError } from "@postern/shared/errors";

/**
 * A pattern of names, spelled as names are kept: lower case, composed.
 * @throws PosternError `usage` for one that can be no name's
 */
export function parsePattern(text: string): string {
  const pattern = text.normalize("NFKC").toLowerCase().normalize("NFC");
  if (pattern === "" || /\s/.test(pattern) || Buffer.byteLength(pattern) > 128) {
    throw new PosternError("usage", { detail: "--match takes a name in which * stands for any characters" });
  }
  return pattern;
}
