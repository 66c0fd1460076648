import { describe, expect, it } from "vitest";
import { compare, kolmogorov } from "../long/timing/statistics.js";
import { whatTells } from "../long/timing/verdict.js";
import { randomOf } from "../support/crash-random.js";

const random = randomOf(1);

/** Something like the times of a server: most near 1, few far above. */
function times(count: number, shift = 0): number[] {
  return Array.from({ length: count }, () => {
    const bell = Array.from({ length: 12 }, () => random.below(1000) / 1000).reduce((sum, part) => sum + part, -6);
    return 1 + shift + 0.05 * bell + (random.below(20) === 0 ? 1 : 0);
  });
}

describe("the comparison of two samples", () => {
  it("is that of small samples which can be counted by hand", () => {
    const { medians, difference, distance, auc, bestGuess } = compare([1, 2, 3, 4], [3, 4, 5, 6], random);
    expect({ medians, difference }).toEqual({ medians: [2.5, 4.5], difference: 2 });
    expect({ distance, auc, bestGuess }).toEqual({ distance: 0.5, auc: 14 / 16, bestGuess: 0.75 });
    expect(compare([1, 1], [1, 1], random)).toMatchObject({ difference: 0, distance: 0, auc: 0.5, bestGuess: 0.5 });
  });

  it("gives the chance of a distance as tables do", () => {
    const many = 1e9;
    for (const [x, chance] of [
      [1.224, 0.1],
      [1.358, 0.05],
      [1.628, 0.01],
    ] as const) {
      expect(kolmogorov(x / Math.sqrt(many / 2), many, many)).toBeCloseTo(chance, 3);
    }
  });

  it("sees nothing in two samples of one kind, and a difference of two hundredths", () => {
    const control = compare(times(4000), times(4000), random);
    const same = compare(times(4000), times(4000), random);
    const other = compare(times(4000), times(4000, 0.02), random);
    expect(whatTells(same, control)).toEqual([]);
    expect(same.interval[0]).toBeLessThan(0);
    expect(same.interval[1]).toBeGreaterThan(0);
    expect(whatTells(other, control)).toEqual(["its AUC", "its medians"]);
    expect(other.interval[0]).toBeGreaterThan(0.01);
    expect(other.chance).toBeLessThan(0.001);
  });
});
