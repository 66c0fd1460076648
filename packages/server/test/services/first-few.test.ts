import fc from "fast-check";
import { expect, it } from "vitest";
import { FirstFew } from "../../src/services/first-few.js";

it("the first few are those of all in order, and it is said whether there are others", () => {
  const ascending = (a: number, b: number) => a - b;
  fc.assert(
    fc.property(fc.array(fc.nat(50)), fc.integer({ min: 1, max: 8 }), (all, count) => {
      const first = new FirstFew<number>(count, ascending);
      for (const one of all) first.add(one);
      expect(first.take()).toEqual({ few: all.toSorted(ascending).slice(0, count), more: all.length > count });
    }),
  );
});
