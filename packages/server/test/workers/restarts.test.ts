import { describe, expect, it } from "vitest";
import { QUICK_ENDS, Restarts } from "../../src/workers/restarts.js";

const LONG = 60_000;

describe("a worker that ended by itself", () => {
  it("is started again a moment later, and later and later when that is soon again", () => {
    const restarts = new Restarts();
    expect([LONG, 0, 0, 0].map((lived) => restarts.afterEnd(lived))).toEqual([250, 500, 1000, 2000]);
  });

  it("is not started again after five quick ends in a row", () => {
    const restarts = new Restarts();
    const waits = Array.from({ length: QUICK_ENDS }, () => restarts.afterEnd(9_999));
    expect(waits).toEqual([250, 500, 1000, 2000, undefined]);
  });

  it("begins anew with one that has lived for a while", () => {
    const restarts = new Restarts();
    for (let end = 1; end < QUICK_ENDS; end++) restarts.afterEnd(0);
    expect(restarts.afterEnd(10_000)).toBe(250);
  });
});
