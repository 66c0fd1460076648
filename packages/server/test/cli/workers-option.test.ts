import { describe, expect, it } from "vitest";
import { parseWorkers } from "../../src/cli/workers-option.js";

describe("--workers", () => {
  it("is a number of processes, or as many as there are cores", () => {
    expect([parseWorkers("1"), parseWorkers("64"), parseWorkers("auto", () => 12)]).toEqual([1, 64, 12]);
    expect(parseWorkers("auto", () => 192)).toBe(64);
  });

  it.each(["0", "65", "100", "-1", "1.5", "01", "", "many", "2 "])("refuses %j", (text) => {
    expect(() => parseWorkers(text)).toThrow(expect.objectContaining({ code: "usage", exit: 2 }));
  });
});
