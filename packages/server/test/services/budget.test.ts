import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type Budget, untouchedBudget } from "../../src/records/budget.js";
import { budgetState, CODE_FAILURES_MAX, chargeBudget } from "../../src/services/budget.js";

const NOW = 1_800_000_000_000;

function afterFailures(count: number): Budget {
  let budget = untouchedBudget;
  for (let i = 0; i < count; i++) budget = chargeBudget(budget, NOW);
  return budget;
}

describe("a budget of guesses", () => {
  it("takes four wrong guesses for free", () => {
    expect(budgetState(afterFailures(4), NOW)).toEqual({ kind: "open" });
  });

  it.each([
    [5, 30],
    [6, 60],
    [7, 120],
    [11, 1920],
    [12, 3600],
    [13, 3600],
    [1000, 3600],
  ])("after %i wrong guesses in a row waits %i seconds", (failures, seconds) => {
    expect(budgetState(afterFailures(failures), NOW)).toEqual({ kind: "blocked", retryAfter: seconds });
  });

  it("opens again at the end of the wait, and not a millisecond before", () => {
    const budget = afterFailures(5);
    expect(budgetState(budget, NOW + 29_999)).toEqual({ kind: "blocked", retryAfter: 1 });
    expect(budgetState(budget, NOW + 30_000)).toEqual({ kind: "open" });
  });

  it("locks for good at the limit, however long one waits", () => {
    const locked = afterFailures(CODE_FAILURES_MAX);
    expect(budgetState(locked, NOW + 10 ** 12, CODE_FAILURES_MAX)).toEqual({ kind: "locked" });
    expect(budgetState(afterFailures(CODE_FAILURES_MAX - 1), NOW + 10 ** 12, CODE_FAILURES_MAX)).toEqual({
      kind: "open",
    });
  });

  it("only slows where nothing locks it", () => {
    expect(budgetState(afterFailures(10_000), NOW + 3_600_000)).toEqual({ kind: "open" });
  });

  it("never makes anybody wait longer than an hour, also when the clock was set back", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 2000 }), fc.integer({ min: 0, max: NOW }), (failures, now) => {
        const state = budgetState(afterFailures(failures), now);
        expect(state.kind === "blocked" ? state.retryAfter : 0).toBeLessThanOrEqual(3600);
      }),
    );
  });
});
