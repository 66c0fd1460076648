import { createHash } from "node:crypto";
import { describe, expect, it } from "vitest";
import { deriveDecoy, deriveNameIndex } from "../../src/barrier/derive.js";
import { SecureBuffer } from "../../src/barrier/secure-buffer.js";
import { expectCode } from "./support.js";

const key = SecureBuffer.copyOf(Buffer.from(Array.from({ length: 32 }, (_, i) => i)), "readonly");

/** The expected values are Python's hashlib.blake2b over the documented input: salts and keys in stores rest on them. */
describe("what is derived from names, for as long as a store lives", () => {
  it.each([
    ["alice", "3cbf5e77625a0b1fee5a5e21d286f6e7fce616be511c2469523b2f485888bb64"],
    ["zo\u00eb", "d7c931902c4c70bb4e94e65a3b7ef87d5de937c709503d2f53212e71c3ccf0cb"],
  ])("the name index of %s", (identity, expected) => {
    expect(deriveNameIndex(key, identity).toString("hex")).toBe(expected);
  });

  it.each([
    ["srp salt", "alice", 32, "fde9775e6a102e7115872ec02b76fa95f7d135189a54626068adc59b8decf901"],
    [
      "x",
      "",
      65,
      "4053d1653f2b94f3750a9e438691db10e01aa1043d1d6fa6cb7748155d6edff19e4a5ef62d39008c319b5849f1fd604c0638e2156daa0d9778" +
        "afa8ad8dca20a5e5",
    ],
  ])("the decoy for %s of %s, %i bytes", (purpose, identity, length, expected) => {
    expect(deriveDecoy(key, purpose, identity, length).toString("hex")).toBe(expected);
  });

  it("the longest decoy", () => {
    const digest = createHash("sha256")
      .update(deriveDecoy(key, "srp verifier", "alice", 1024))
      .digest("hex");
    expect(digest).toBe("360dc127c00be1b50951bf7bdefe7dba8a8b8e69c77397bbed8cacc17609130b");
  });

  it("differs by purpose, name and length, and cannot be shifted between them", () => {
    const outputs = [
      deriveDecoy(key, "a", "bc", 32),
      deriveDecoy(key, "ab", "c", 32),
      deriveDecoy(key, "a", "bd", 32),
      deriveDecoy(key, "a", "bc", 33).subarray(0, 32),
      deriveNameIndex(key, "bc"),
    ];
    expect(new Set(outputs.map((output) => output.toString("hex"))).size).toBe(outputs.length);
  });

  it("has 1 to 1024 bytes", () => {
    for (const length of [1, 64, 128]) expect(deriveDecoy(key, "a", "b", length)).toHaveLength(length);
    for (const length of [0, -1, 1.5, 1025, Number.NaN]) expectCode(() => deriveDecoy(key, "a", "b", length), "bug");
  });
});
