"""Writes golden-store.json: a store of format 1, made from the layouts in src/barrier by other means.

XChaCha20-Poly1305 is HChaCha20 (draft-irtf-cfrg-xchacha-03, 2.2) before the IETF construction; Argon2id and
ChaCha20-Poly1305 come from `cryptography` (47 or later), BLAKE2b from hashlib.

    python3 golden-store.py > golden-store.json
"""

import hashlib
import json
import struct

from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id


def quarter_round(s, a, b, c, d):
    for x, y, z, turn in ((a, b, d, 16), (c, d, b, 12), (a, b, d, 8), (c, d, b, 7)):
        s[x] = (s[x] + s[y]) & 0xFFFFFFFF
        mixed = s[z] ^ s[x]
        s[z] = ((mixed << turn) | (mixed >> (32 - turn))) & 0xFFFFFFFF


def hchacha20(key, nonce):
    s = list(struct.unpack("<16I", b"expand 32-byte k" + key + nonce))
    for _ in range(10):
        for column in range(4):
            quarter_round(s, column, column + 4, column + 8, column + 12)
        for diagonal in range(4):
            quarter_round(
                s, diagonal, 4 + (diagonal + 1) % 4, 8 + (diagonal + 2) % 4, 12 + (diagonal + 3) % 4
            )
    return struct.pack("<8I", *s[:4], *s[12:])


def seal(key, nonce, additional, plaintext):
    subkey = hchacha20(key, nonce[:16])
    return ChaCha20Poly1305(subkey).encrypt(bytes(4) + nonce[16:], plaintext, additional)


def filled(first, size):
    return bytes((first + i) % 256 for i in range(size))


def envelope(term, key, nonce, domain, storage_key, plaintext):
    head = struct.pack(">BI", 1, term)
    return head + nonce + seal(key, nonce, domain + b"\0" + head + storage_key, plaintext)


def header(password, memory, passes, salt, nonce, root_key):
    fields = b"POSTERN\0" + struct.pack(">HII", 1, memory, passes) + salt + nonce
    wrapping_key = Argon2id(salt=salt, length=32, iterations=passes, lanes=1, memory_cost=memory).derive(password)
    body = fields + seal(wrapping_key, nonce, fields, root_key)
    return body + hashlib.blake2b(body, digest_size=32).digest()


draft = seal(
    filled(0x80, 32),
    filled(0x40, 24),
    bytes.fromhex("50515253c0c1c2c3c4c5c6c7"),
    b"Ladies and Gentlemen of the class of '99: If I could offer you only one tip for the future, "
    b"sunscreen would be it.",
)
assert draft.endswith(bytes.fromhex("c0875924c1c7987947deafd8780acf49"))

root_key, terms = filled(0x10, 32), {1: filled(0x70, 32), 7: filled(0x90, 32)}
keyring = b"\x01" + filled(0xA0, 16) + filled(0x30, 32) + filled(0x50, 32)
keyring += b"".join(struct.pack(">I", term) + key for term, key in terms.items())
record_key = b"\x01" + b"color"
other_key = b"\x01" + b"empty"
entries = {
    b"\0header": header("zo\u00eb".encode(), 64, 3, filled(0, 16), filled(0xC0, 24), root_key),
    b"\0keyring": envelope(0, root_key, filled(0xD0, 24), b"postern keyring", b"\0keyring", keyring),
    record_key: envelope(7, terms[7], filled(0xE0, 24), b"postern record", record_key, b"green"),
    other_key: envelope(1, terms[1], filled(0xF0, 24), b"postern record", other_key, b""),
}
print(json.dumps({key.hex(): value.hex() for key, value in entries.items()}, indent=2))
