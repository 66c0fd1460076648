import { inspect } from "node:util";
import { sodium } from "@postern/shared/sodium";
import { afterEach, describe, expect, it, vi } from "vitest";
import { handingOver, SecureBuffer, withSecret } from "../../src/barrier/secure-buffer.js";
import { expectCode, rejectsWith } from "./support.js";

afterEach(() => vi.restoreAllMocks());

const bytes = () => Buffer.from("a secret of some length");

describe("a secret in memory", () => {
  it("is lent to readers and copied from what it was made of", () => {
    const original = bytes();
    const secret = SecureBuffer.copyOf(original, "noaccess");
    original.fill(0);
    expect(secret.use((lent) => lent.toString())).toBe("a secret of some length");
    expect(secret.length).toBe(original.length);
  });

  it("can be printed and serialised without a crash, and without being shown", () => {
    const secret = SecureBuffer.copyOf(bytes(), "noaccess");
    const shown = [inspect({ secret }, { showHidden: true, depth: 9 }), JSON.stringify({ secret }), `${secret}`];
    for (const text of shown) expect(text).toContain("[secret]");
    for (const text of shown) expect(text).not.toContain(bytes().toString());
    expect(Object.keys(secret)).toEqual([]);
  });

  it("is out of reach between uses, the last of nested ones shuts it", () => {
    const shut = vi.spyOn(sodium, "sodium_mprotect_noaccess");
    const opened = vi.spyOn(sodium, "sodium_mprotect_readonly");
    const secret = SecureBuffer.random(32, "noaccess");
    expect(shut).toHaveBeenCalledTimes(1);
    secret.use(() => {
      secret.use(() => undefined);
      expect(opened).toHaveBeenCalledTimes(1);
      expect(shut).toHaveBeenCalledTimes(1);
    });
    expect(shut).toHaveBeenCalledTimes(2);
  });

  it("is out of reach again when its use throws", () => {
    const shut = vi.spyOn(sodium, "sodium_mprotect_noaccess");
    const secret = SecureBuffer.random(32, "noaccess");
    expect(() =>
      secret.use(() => {
        throw new Error("in use");
      }),
    ).toThrow("in use");
    expect(shut).toHaveBeenCalledTimes(2);
  });

  it("stays readable, with no call around its use, when it rests so", () => {
    const secret = SecureBuffer.random(32, "readonly");
    const opened = vi.spyOn(sodium, "sodium_mprotect_readonly");
    secret.use(() => undefined);
    expect(opened).not.toHaveBeenCalled();
  });

  it.each(["noaccess", "readonly"] as const)("is zero once wiped, and refuses use (%s)", (rest) => {
    const secret = SecureBuffer.copyOf(bytes(), rest);
    const zero = vi.spyOn(sodium, "sodium_memzero");
    secret.wipe();
    secret.wipe();
    expect(zero).toHaveBeenCalledTimes(1);
    expect(zero.mock.calls[0]?.[0].every((byte) => byte === 0)).toBe(true);
    expectCode(() => secret.use(() => undefined), "bug");
  });

  it("is wiped only when the use under way has ended", async () => {
    const secret = SecureBuffer.copyOf(bytes(), "noaccess");
    const zero = vi.spyOn(sodium, "sodium_memzero");
    const seen = await secret.useAsync(async (lent) => {
      secret.wipe();
      await Promise.resolve();
      expect(zero).not.toHaveBeenCalled();
      return lent.toString();
    });
    expect(seen).toBe(bytes().toString());
    expect(zero).toHaveBeenCalledTimes(1);
  });

  it("leaves nothing behind when its filling fails", async () => {
    const zero = vi.spyOn(sodium, "sodium_memzero");
    const fail = () => {
      throw new Error("no");
    };
    expect(() => SecureBuffer.fill(8, "noaccess", fail)).toThrow("no");
    await expect(SecureBuffer.fillAsync(8, "noaccess", async () => fail())).rejects.toThrow("no");
    expect(zero).toHaveBeenCalledTimes(2);
  });

  it("compares by content", () => {
    const [a, b] = [SecureBuffer.copyOf(bytes(), "noaccess"), SecureBuffer.copyOf(bytes(), "readonly")];
    expect(a.equals(b)).toBe(true);
    expect(a.equals(a)).toBe(true);
    expect(a.equals(SecureBuffer.random(a.length, "noaccess"))).toBe(false);
    expect(a.equals(SecureBuffer.random(8, "noaccess"))).toBe(false);
  });

  it("is wiped by what was to use it once, and by what fails to take it over", async () => {
    const once = SecureBuffer.random(8, "noaccess");
    await withSecret(once, async () => undefined);
    expectCode(() => once.use(() => undefined), "bug");

    const failed = SecureBuffer.random(8, "noaccess");
    await expect(handingOver(failed, () => Promise.reject(new Error("no")))).rejects.toThrow("no");
    await rejectsWith(
      failed.useAsync(async () => undefined),
      "bug",
    );

    const kept = SecureBuffer.random(8, "noaccess");
    await handingOver(kept, async () => undefined);
    expect(kept.use((lent) => lent.length)).toBe(8);
  });
});
