import { afterEach, describe, expect, it, vi } from "vitest";
import { drawRandom, fillRandom } from "../src/random.js";
import { sodium } from "../src/sodium.js";

const turn = () => new Promise((resolve) => setImmediate(resolve));

describe("random bytes", () => {
  afterEach(() => vi.restoreAllMocks());

  it("are as many as were asked for, in memory of their own", () => {
    for (const size of [0, 1, 24, 255, 256, 257, 1024, 5000]) {
      const drawn = drawRandom(size);
      expect(drawn.length).toBe(size);
      expect(drawn.buffer.byteLength).toBe(size);
    }
  });

  it("are never handed out twice, within a turn and from one to the next", async () => {
    const seen = new Set<string>();
    for (let turns = 0; turns < 5; turns += 1) {
      for (let draws = 0; draws < 400; draws += 1) seen.add(drawRandom(16).toString("hex"));
      await turn();
    }
    expect(seen.size).toBe(2000);
  });

  it("are drawn some at once in a turn, and anew in the next: what was left is not handed out", async () => {
    await turn();
    const drawn: Buffer[] = [];
    vi.spyOn(sodium, "randombytes_buf").mockImplementation((target) => {
      target.fill(drawn.length + 1);
      drawn.push(target as Buffer);
    });
    expect([drawRandom(24)[0], drawRandom(24)[23], drawRandom(32)[0]]).toEqual([1, 1, 1]);
    await turn();
    expect(drawn).toHaveLength(1);
    expect(drawn[0]?.every((byte) => byte === 0)).toBe(true);
    expect(drawRandom(16)[0]).toBe(2);
  });

  it("are wiped where they were handed out", async () => {
    await turn();
    let pool: Buffer = Buffer.alloc(0);
    vi.spyOn(sodium, "randombytes_buf").mockImplementation((target) => {
      target.fill(7);
      pool = target as Buffer;
    });
    const filled = Buffer.alloc(10);
    fillRandom(filled);
    expect(filled).toEqual(Buffer.alloc(10, 7));
    expect(pool.subarray(0, 11)).toEqual(Buffer.concat([Buffer.alloc(10), Buffer.of(7)]));
  });

  it("come from the system at once where many are wanted", () => {
    const draw = vi.spyOn(sodium, "randombytes_buf");
    const target = Buffer.alloc(300);
    fillRandom(target);
    expect(draw).toHaveBeenCalledWith(target);
  });
});
