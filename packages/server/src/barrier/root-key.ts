import { PosternError } from "@postern/shared/errors";
import { sodium } from "@postern/shared/sodium";
import { SALT_BYTES, type Stretch, stretchPassword } from "./admin-password.js";
import { drawNonce, KEY_BYTES, openInto, seal } from "./aead.js";
import { encodeHeader, encodeHeaderFields, parseHeader } from "./header.js";
import { SecureBuffer } from "./secure-buffer.js";

/** The root key seals the keyring, and keys the seals of backups: seldom used, so out of reach between uses. */
export function drawRootKey(): SecureBuffer {
  return SecureBuffer.random(KEY_BYTES, "noaccess");
}

/** A header that holds the root key sealed under the password, with a salt of its own. */
export async function wrapRootKey(rootKey: SecureBuffer, password: SecureBuffer, stretch: Stretch): Promise<Buffer> {
  const salt = Buffer.alloc(SALT_BYTES);
  sodium.randombytes_buf(salt);
  const fields = { stretch, salt, nonce: drawNonce() };
  const wrappingKey = await stretchPassword(password, salt, stretch);
  try {
    const additional = encodeHeaderFields(fields);
    const wrappedRootKey = rootKey.use((bytes) => seal(wrappingKey, fields.nonce, additional, bytes));
    return encodeHeader({ ...fields, wrappedRootKey });
  } finally {
    wrappingKey.wipe();
  }
}

/**
 * The root key of a header.
 * @throws PosternError `admin_password_wrong`; `store_damaged`, `store_future`, `store_foreign` before any stretching
 */
export async function unwrapRootKey(bytes: Buffer, password: SecureBuffer, floor?: Stretch): Promise<SecureBuffer> {
  const header = parseHeader(bytes, floor);
  const wrappingKey = await stretchPassword(password, header.salt, header.stretch);
  try {
    return SecureBuffer.fill(KEY_BYTES, "noaccess", (rootKey) => {
      const opened = openInto(rootKey, wrappingKey, header.nonce, encodeHeaderFields(header), header.wrappedRootKey);
      if (!opened) throw new PosternError("admin_password_wrong");
    });
  } finally {
    wrappingKey.wipe();
  }
}
