import { isUtf8 } from "node:buffer";
import { type ErrorCode, PosternError } from "@postern/shared/errors";
import { sodium } from "@postern/shared/sodium";
import { KEY_BYTES } from "./aead.js";
import { SecureBuffer } from "./secure-buffer.js";

/** What Argon2id costs, one lane. */
export interface Stretch {
  readonly memoryKiB: number;
  readonly passes: number;
}

/** What new headers are made with: 256 MiB and 3 passes, some half a second of one core. */
export const ADMIN_STRETCH: Stretch = { memoryKiB: 256 * 1024, passes: 3 };

/** A header below this was not written by a Postern that anyone ran: it would let guesses go cheap. */
export const ADMIN_STRETCH_FLOOR: Stretch = { memoryKiB: 64 * 1024, passes: 3 };

/** A header above this would take the memory or the hours of the machine that opens it. */
export const ADMIN_STRETCH_CEILING: Stretch = { memoryKiB: 1024 * 1024, passes: 10 };

export const SALT_BYTES = 16;
export const MAX_PASSWORD_BYTES = 1024;

/** Whether a header may ask for this. `floor` is lower in tests only. */
export function stretchAllowed({ memoryKiB, passes }: Stretch, floor: Stretch = ADMIN_STRETCH_FLOOR): boolean {
  const { memoryKiB: maxMemory, passes: maxPasses } = ADMIN_STRETCH_CEILING;
  return memoryKiB >= floor.memoryKiB && memoryKiB <= maxMemory && passes >= floor.passes && passes <= maxPasses;
}

/**
 * A password that someone chooses, as UTF-8 in NFC, 1 to 1024 bytes; the bytes given stay the caller's, to wipe.
 * How good it is, the caller has judged.
 * @throws PosternError `password_too_short` when empty, `password_too_long`, `secret_file_invalid` when not UTF-8
 */
export function chosenPassword(bytes: Uint8Array): SecureBuffer {
  return parsePassword(bytes, (code) => code);
}

/**
 * A password that someone offers to open with. What nobody could have chosen is wrong like any other.
 * @throws PosternError `admin_password_wrong`
 */
export function offeredPassword(bytes: Uint8Array): SecureBuffer {
  return parsePassword(bytes, () => "admin_password_wrong");
}

/**
 * wrapping key = Argon2id(password, salt, passes, memory), 32 bytes. Runs off the event loop.
 * @throws PosternError `store_failed` when the memory cannot be had
 */
export function stretchPassword(password: SecureBuffer, salt: Uint8Array, stretch: Stretch): Promise<SecureBuffer> {
  const { memoryKiB, passes } = stretch;
  return SecureBuffer.fillAsync(KEY_BYTES, "noaccess", (key) =>
    password.useAsync(async (bytes) => {
      try {
        await sodium.crypto_pwhash_async(
          key,
          bytes,
          salt,
          passes,
          memoryKiB * 1024,
          sodium.crypto_pwhash_ALG_ARGON2ID13,
        );
      } catch (cause) {
        throw new PosternError("store_failed", { detail: `stretching its password takes ${memoryKiB} KiB`, cause });
      }
    }),
  );
}

function parsePassword(bytes: Uint8Array, codeOf: (code: ErrorCode) => ErrorCode): SecureBuffer {
  if (bytes.length > MAX_PASSWORD_BYTES) throw new PosternError(codeOf("password_too_long"));
  if (!isUtf8(bytes)) throw new PosternError(codeOf("secret_file_invalid"));
  const normal = inNfc(bytes);
  try {
    if (normal.length === 0) throw new PosternError(codeOf("password_too_short"));
    if (normal.length > MAX_PASSWORD_BYTES) throw new PosternError(codeOf("password_too_long"));
    return SecureBuffer.copyOf(normal, "noaccess");
  } finally {
    sodium.sodium_memzero(normal);
  }
}

/** NFC, so that a password typed on one system opens on another. ASCII is in NFC, and need not become a string. */
function inNfc(bytes: Uint8Array): Buffer {
  const copy = Buffer.alloc(bytes.length);
  copy.set(bytes);
  if (copy.every((byte) => byte < 0x80)) return copy;
  const text = copy.toString("utf8").normalize("NFC");
  sodium.sodium_memzero(copy);
  const normal = Buffer.alloc(Buffer.byteLength(text));
  normal.write(text);
  return normal;
}
