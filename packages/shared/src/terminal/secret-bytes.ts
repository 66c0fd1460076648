import { PosternError } from "../errors.js";

const utf8 = new TextDecoder("utf-8", { fatal: true });

/**
 * The text of a secret. UTF-8 is read strictly, since a replaced byte would make another password; a byte order mark,
 * which some editors put in front unasked, is no part of it.
 * @throws `secret_file_invalid` when there are more than `max` bytes, or they are not UTF-8.
 */
export function decodeSecret(bytes: Uint8Array, { max, from }: { max: number; from: string }): string {
  if (bytes.length > max) throw new PosternError("secret_file_invalid", { detail: from });
  try {
    return utf8.decode(bytes);
  } catch {
    throw new PosternError("secret_file_invalid", { detail: from });
  }
}
