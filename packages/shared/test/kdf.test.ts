import { describe, expect, it } from "vitest";
import {
  checkStretch,
  firstStretchGeneration,
  stretchCeiling,
  stretchFloor,
  stretchGenerations,
  stretchPassword,
} from "../src/kdf.js";

/** 00 01 … 1f */
const salt = Buffer.from(Array.from({ length: 32 }, (_, index) => index));
const parameters = stretchGenerations[1];
const password = "correct horse battery staple";

describe("stretching a password", () => {
  // Computed with OpenSSL's Argon2id through Python's `cryptography` 48, one lane: an implementation that shares no
  // code with libsodium. The first five are generation 1; the others the floor, and the floor's memory in 10 passes.
  it.each([
    [password, 65536, 3, "0d1a3c6523c8f06e4e0af9c515aa5b5448cfebd6838f2d52c3d8b6ef8ddc3c2e"],
    ["Žluťoučký kůň", 65536, 3, "e1f2c6ec001aa54cc96b063ab47abc0fc0fd82d814dcdb4a8265e43e1ccfff14"],
    ["🔑 emoji", 65536, 3, "68457362b479de78fd134ee4168e194320f3061abbbd82ecdb9d6e952b7b107c"],
    ["", 65536, 3, "cabd8eb65ac84e96b96e15047b5d84c21dcf0d387defa2220c7d4a6ddbf92a6c"],
    ["a".repeat(1024), 65536, 3, "7b6f62008c2ed7465deeb6876cd869aae2c0cccbc4ddc645aeb69d4d5edff9d7"],
    [password, 19456, 2, "818259b6310026a8e0dbac5d2e6927abcfdb07b32258fac4f61b18b80f929085"],
    [password, 19456, 10, "875ffd8f1d583afc9cdb3695c5735b46c1f55ddf0a6204eee98fe094c1035202"],
  ])("%j at %d KiB and %d passes is the known answer", async (input, memory_kib, passes, answer) => {
    expect(await stretchPassword({ password: input, salt, parameters: { memory_kib, passes } })).toBe(answer);
  });

  it("gives the same for every way to compose a character", async () => {
    const composed = "Žluťoučký kůň".normalize("NFC");
    const decomposed = composed.normalize("NFD");
    expect(decomposed).not.toBe(composed);
    const stretch = (typed: string) => stretchPassword({ password: typed, salt, parameters: stretchFloor });
    expect(await stretch(decomposed)).toBe(await stretch(composed));
  });

  it("keeps apart what only compatibility folding would join", async () => {
    const stretch = (typed: string) => stretchPassword({ password: typed, salt, parameters: stretchFloor });
    expect(await stretch("ﬁx")).not.toBe(await stretch("fix"));
    expect(await stretch("pass word")).not.toBe(await stretch("password"));
    expect(await stretch("Password")).not.toBe(await stretch("password"));
  });

  it("uses the first 16 bytes of the salt, and no other", async () => {
    const stretch = (bytes: Buffer) => stretchPassword({ password, salt: bytes, parameters });
    const otherEnd = Buffer.concat([salt.subarray(0, 16), Buffer.alloc(16, 0xee)]);
    expect(await stretch(otherEnd)).toBe(await stretch(salt));
    expect(await stretch(salt.subarray(16))).toBe("1a563099620be88a73c7bd53da0b313e98060493b58ba22254a065c3d7db26c3");
  });

  it("leaves the caller's salt as it was", async () => {
    const mine = Buffer.from(salt);
    await stretchPassword({ password, salt: mine, parameters: stretchFloor });
    expect(mine).toEqual(salt);
  });

  it("does not take a salt that is too short", async () => {
    const short = { password, salt: Buffer.alloc(15), parameters };
    await expect(stretchPassword(short)).rejects.toMatchObject({ code: "bug" });
  });

  it("refuses a server's weak parameters before any work", async () => {
    const weak = { password, salt, parameters: { memory_kib: 8, passes: 1 } };
    await expect(stretchPassword(weak)).rejects.toMatchObject({ code: "stretch_refused" });
  });
});

describe("stretching parameters", () => {
  it("generation 1 is 64 MiB and 3 passes, for ever, and every generation is one that a client takes", () => {
    expect(stretchGenerations[1]).toEqual({ memory_kib: 65536, passes: 3 });
    for (const generation of Object.values(stretchGenerations)) checkStretch(generation);
    expect(stretchGenerations[firstStretchGeneration]).toBeDefined();
  });

  it("are taken from 19 MiB and 2 passes up to 1 GiB and 10 passes", () => {
    expect(stretchFloor).toEqual({ memory_kib: 19456, passes: 2 });
    expect(stretchCeiling).toEqual({ memory_kib: 1048576, passes: 10 });
    checkStretch(stretchFloor);
    checkStretch(stretchCeiling);
    checkStretch({ memory_kib: 19456, passes: 10 });
    checkStretch({ memory_kib: 1048576, passes: 2 });
  });

  it.each([
    [19455, 2],
    [19456, 1],
    [1048577, 3],
    [65536, 11],
    [65536, 0],
    [65536, -3],
    [-65536, 3],
    [65536.5, 3],
    [65536, 2.5],
    [Number.NaN, 3],
    [65536, Number.NaN],
    [Number.POSITIVE_INFINITY, 3],
    [2 ** 53, 3],
  ])("%d KiB and %d passes are refused", (memory_kib, passes) => {
    expect(() => checkStretch({ memory_kib, passes })).toThrowError(
      expect.objectContaining({ code: "stretch_refused" }),
    );
  });
});
