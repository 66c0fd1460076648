import { sodium } from "@postern/shared/sodium";
import { afterEach, describe, expect, it, vi } from "vitest";
import {
  ADMIN_STRETCH,
  ADMIN_STRETCH_CEILING,
  ADMIN_STRETCH_FLOOR,
  chosenPassword,
  offeredPassword,
  stretchAllowed,
  stretchPassword,
} from "../../src/barrier/admin-password.js";
import type { SecureBuffer } from "../../src/barrier/secure-buffer.js";
import { expectCode, rejectsWith } from "./support.js";

afterEach(() => vi.restoreAllMocks());

const textOf = (password: SecureBuffer) => password.use((bytes) => bytes.toString("utf8"));
const salt = Buffer.from(Array.from({ length: 16 }, (_, i) => i));

describe("the admin password", () => {
  it("is the same however a system composes its letters", () => {
    expect(textOf(chosenPassword(Buffer.from("zoe\u0308")))).toBe("zo\u00eb");
    expect(textOf(offeredPassword(Buffer.from("zo\u00eb")))).toBe("zo\u00eb");
  });

  it("keeps spaces, case and everything else as typed", () => {
    expect(textOf(chosenPassword(Buffer.from("  A b\tC\u2007 ")))).toBe("  A b\tC\u2007 ");
  });

  it("leaves the caller's bytes to the caller", () => {
    const bytes = Buffer.from("zoe\u0308");
    chosenPassword(bytes);
    expect(bytes.toString()).toBe("zoe\u0308");
  });

  it.each([
    ["empty", Buffer.alloc(0), "password_too_short"],
    ["1025 bytes", Buffer.alloc(1025, "a"), "password_too_long"],
    ["longer in NFC than allowed", Buffer.from("\u0344".repeat(512)), "password_too_long"],
    ["not UTF-8", Buffer.from([0x61, 0xff]), "secret_file_invalid"],
    ["half of a surrogate pair", Buffer.from([0xed, 0xa0, 0x80]), "secret_file_invalid"],
  ] as const)("cannot be chosen when %s, and is wrong when offered so", (_, bytes, code) => {
    expectCode(() => chosenPassword(bytes), code);
    expectCode(() => offeredPassword(bytes), "admin_password_wrong");
  });

  it("may have 1024 bytes", () => {
    expect(chosenPassword(Buffer.alloc(1024, "a")).length).toBe(1024);
  });
});

describe("its stretching", () => {
  it.each([
    ["correct horse", 8, 1, "3bfa796a86260b73457e1290b51695931a17e266f601d0fb45563e282fb6865b"],
    ["zo\u00eb", 64, 3, "49e88f1b06f1952e9277715df1ec6334b01bed16f047f05d1edcf43ba1ccdbf8"],
  ])("is Argon2id with one lane, as OpenSSL computes it (%s)", async (text, memoryKiB, passes, expected) => {
    const key = await stretchPassword(chosenPassword(Buffer.from(text)), salt, { memoryKiB, passes });
    expect(key.use((bytes) => bytes.toString("hex"))).toBe(expected);
  });

  it("takes 256 MiB and 3 passes unless told otherwise", () => {
    expect(ADMIN_STRETCH).toEqual({ memoryKiB: 262_144, passes: 3 });
    expect(stretchAllowed(ADMIN_STRETCH)).toBe(true);
  });

  it("is allowed from the floor to the ceiling, and not a step beyond", () => {
    for (const edge of [ADMIN_STRETCH_FLOOR, ADMIN_STRETCH_CEILING]) expect(stretchAllowed(edge)).toBe(true);
    const { memoryKiB: least, passes: fewest } = ADMIN_STRETCH_FLOOR;
    const { memoryKiB: most, passes: many } = ADMIN_STRETCH_CEILING;
    expect(stretchAllowed({ memoryKiB: least - 1, passes: fewest })).toBe(false);
    expect(stretchAllowed({ memoryKiB: least, passes: fewest - 1 })).toBe(false);
    expect(stretchAllowed({ memoryKiB: most + 1, passes: many })).toBe(false);
    expect(stretchAllowed({ memoryKiB: most, passes: many + 1 })).toBe(false);
  });

  it("says that the store failed, not the password, when the memory cannot be had", async () => {
    vi.spyOn(sodium, "crypto_pwhash_async").mockRejectedValue(new Error("out of memory"));
    await rejectsWith(stretchPassword(chosenPassword(Buffer.from("a")), salt, ADMIN_STRETCH), "store_failed");
  });
});
