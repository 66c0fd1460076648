import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { PlaceLedger } from "../../src/workers/place-ledger.js";

const change = (by: number, group = "a 192.0.2.1", taken = Math.max(0, by)) => ({
  port: "wire" as const,
  group,
  by,
  taken,
  answered: 0,
  limit: 8,
});

/** A worker gives up what it was told to. */
const given = (by = -1, answered = 1) => ({ ...change(by), answered });

describe("places of all workers", () => {
  it("are given up by who holds the most, one for each that is too many", () => {
    const ledger = new PlaceLedger();
    expect(ledger.note(1, change(5))).toEqual([]);
    expect(ledger.note(2, change(3))).toEqual([]);
    expect(ledger.note(2, change(1))).toEqual([1]);
    expect(ledger.note(1, given())).toEqual([]);
    expect(ledger.note(2, change(3))).toEqual([2, 2, 2]);
    expect(ledger.note(2, change(1))).toEqual([2]);
  });

  it("are not asked for twice of a worker that has not answered yet, nor more than it keeps", () => {
    const ledger = new PlaceLedger();
    const takes = [1, 2, 3, 1, 2, 3];
    const asked = takes.flatMap((worker) => ledger.note(worker, change(3)));
    expect(asked).toHaveLength(6 * 3 - 8);
    for (const worker of takes) expect(asked.filter((one) => one === worker).length).toBeLessThanOrEqual(4);
  });

  it("that could not be given up are asked for again when more are taken", () => {
    const ledger = new PlaceLedger();
    ledger.note(1, change(8));
    expect(ledger.note(2, change(1))).toEqual([1]);
    expect(ledger.note(1, given(0))).toEqual([]);
    expect(ledger.note(2, change(1))).toEqual([1, 1]);
  });

  it("that were given up and taken again at once are one too many still", () => {
    const ledger = new PlaceLedger();
    ledger.note(1, change(8));
    expect(ledger.note(2, change(1))).toEqual([1]);
    expect(ledger.note(1, { ...given(0), taken: 1 })).toEqual([1]);
    expect(ledger.note(1, given())).toEqual([]);
  });

  it("are those of one group at one port", () => {
    const ledger = new PlaceLedger();
    expect(ledger.note(1, change(8))).toEqual([]);
    expect(ledger.note(2, change(8, "a 192.0.2.2"))).toEqual([]);
    expect(ledger.note(2, { ...change(8), port: "http" })).toEqual([]);
  });

  it("of a worker that ended are free again, and nothing is kept of what nobody holds", () => {
    const ledger = new PlaceLedger();
    ledger.note(1, change(8));
    ledger.forget(1);
    expect(ledger.size).toBe(0);
    expect(ledger.note(2, change(8))).toEqual([]);
    ledger.note(2, change(-8));
    expect(ledger.size).toBe(0);
  });

  it("never stay above the limit when each worker gives up what it is told to", () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.integer({ min: 1, max: 4 }), fc.integer({ min: 1, max: 6 }))), (takes) => {
        const ledger = new PlaceLedger();
        let held = 0;
        for (const [worker, by] of takes) {
          const told = ledger.note(worker, change(by));
          for (const giving of told) ledger.note(giving, given());
          held += by - told.length;
          expect(held).toBeLessThanOrEqual(8);
        }
      }),
    );
  });
});
