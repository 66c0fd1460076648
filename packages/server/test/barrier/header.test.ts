import { PosternError } from "@postern/shared/errors";
import { sodium } from "@postern/shared/sodium";
import fc from "fast-check";
import { afterEach, describe, expect, it, vi } from "vitest";
import { ADMIN_STRETCH, ADMIN_STRETCH_CEILING, ADMIN_STRETCH_FLOOR } from "../../src/barrier/admin-password.js";
import { encodeHeader, HEADER_BYTES, type Header, parseHeader } from "../../src/barrier/header.js";
import { expectCode } from "./support.js";

afterEach(() => vi.restoreAllMocks());

const header: Header = {
  stretch: ADMIN_STRETCH,
  salt: Buffer.alloc(16, 1),
  nonce: Buffer.alloc(24, 2),
  wrappedRootKey: Buffer.alloc(48, 3),
};
const encoded = encodeHeader(header);
const blank = () => Buffer.from(encoded);

/** As someone who knows the format would: with a checksum that fits again. */
function withChecksum(body: Buffer): Buffer {
  const checksum = Buffer.alloc(32);
  sodium.crypto_generichash(checksum, body);
  return Buffer.concat([body, checksum]);
}

function edited(edit: (body: Buffer) => void): Buffer {
  const body = blank().subarray(0, -32);
  edit(body);
  return withChecksum(body);
}

describe("the header of a store", () => {
  it("comes back as it was written, at a fixed length", () => {
    expect(parseHeader(encoded)).toEqual(header);
    expect(encoded).toHaveLength(HEADER_BYTES);
  });

  it("is damaged when any one bit is not what it was, the magic included", () => {
    for (let bit = 0; bit < encoded.length * 8; bit++) {
      const flipped = blank();
      flipped.writeUInt8(flipped.readUInt8(bit >> 3) ^ (1 << (bit & 7)), bit >> 3);
      expectCode(() => parseHeader(flipped), "store_damaged");
    }
  });

  it("is damaged when cut at any length, or continued", () => {
    for (let length = 0; length < encoded.length; length++) {
      expectCode(() => parseHeader(encoded.subarray(0, length)), "store_damaged");
    }
    expectCode(() => parseHeader(Buffer.concat([encoded, Buffer.alloc(1)])), "store_damaged");
  });

  it("attack 40: is damaged when zeroed, wholly or in part", () => {
    expectCode(() => parseHeader(Buffer.alloc(HEADER_BYTES)), "store_damaged");
    for (let from = 0; from < HEADER_BYTES; from += 8) {
      expectCode(() => parseHeader(blank().fill(0, from)), "store_damaged");
      if (from > 0) expectCode(() => parseHeader(blank().fill(0, 0, from)), "store_damaged");
    }
  });

  it("attack 40: costs no hashing when huge", () => {
    const hash = vi.spyOn(sodium, "crypto_generichash");
    const huge = Buffer.concat([encoded, Buffer.alloc(16 * 1024 * 1024 - HEADER_BYTES)]);
    expectCode(() => parseHeader(huge), "store_damaged");
    expectCode(() => parseHeader(huge.fill("x")), "store_foreign");
    expect(hash.mock.calls.length).toBe(0);
  });

  it("is of a newer Postern when intact and of a later format, whatever its length", () => {
    expectCode(() => parseHeader(edited((body) => body.writeUInt16BE(2, 8))), "store_future");
    const later = Buffer.concat([encoded.subarray(0, 8), Buffer.from([0, 9]), Buffer.from("of another shape")]);
    expectCode(() => parseHeader(withChecksum(later)), "store_future");
    expectCode(() => parseHeader(edited((body) => body.writeUInt16BE(0, 8))), "store_damaged");
  });

  it("is foreign when it never was one", () => {
    for (const text of ["SQLite format 3\0", "{}", "x".repeat(HEADER_BYTES), "POSTERX\0 and so on"]) {
      expectCode(() => parseHeader(Buffer.from(text)), "store_foreign");
    }
  });

  it.each([
    ["weaken", { memoryKiB: ADMIN_STRETCH_FLOOR.memoryKiB - 1, passes: 3 }],
    ["weaken", { memoryKiB: 262_144, passes: 1 }],
    ["exhaust", { memoryKiB: ADMIN_STRETCH_CEILING.memoryKiB + 1, passes: 3 }],
    ["exhaust", { memoryKiB: 0xffffffff, passes: 3 }],
    ["exhaust", { memoryKiB: 262_144, passes: 0xffffffff }],
  ])("cannot %s the stretching with a checksum made to fit: %o", (_, stretch) => {
    const rewritten = encodeHeader({ ...header, stretch });
    expectCode(() => parseHeader(rewritten), "store_damaged");
  });

  it("accepts a floor that a test injects, and nothing below it", () => {
    const low = { memoryKiB: 8, passes: 1 };
    expect(parseHeader(encodeHeader({ ...header, stretch: low }), low).stretch).toEqual(low);
    const lower = encodeHeader({ ...header, stretch: { memoryKiB: 7, passes: 1 } });
    expectCode(() => parseHeader(lower, low), "store_damaged");
  });

  it("survives any bytes with a clear error", () => {
    const anything = fc.uint8Array({ maxLength: 300 });
    const nearly = fc
      .tuple(fc.nat(HEADER_BYTES - 1), fc.uint8Array({ minLength: 1, maxLength: 200 }))
      .map(([at, patch]) => Buffer.concat([encoded.subarray(0, at), patch, encoded.subarray(at + patch.length)]));
    const checked = anything.map((body) => withChecksum(Buffer.concat([encoded.subarray(0, 8), body])));
    fc.assert(
      fc.property(fc.oneof(anything, nearly, checked), (bytes) => {
        const input = Buffer.from(bytes);
        if (input.equals(encoded)) return;
        try {
          parseHeader(input);
        } catch (thrown) {
          expect(thrown).toBeInstanceOf(PosternError);
          expect(["store_damaged", "store_foreign", "store_future"]).toContain((thrown as PosternError).code);
          return;
        }
        // A body drawn at random may hold allowed numbers under a checksum that fits: then it is a header.
        expect(input).toHaveLength(HEADER_BYTES);
      }),
      { numRuns: 2000 },
    );
  });
});
