import { setImmediate as turn } from "node:timers/promises";
import { expect, it } from "vitest";
import { UnderWay } from "../../src/storage/under-way.js";

it("calls under way are waited for by all who ask, until the last one has ended", async () => {
  const underWay = new UnderWay();
  await underWay.ended();
  underWay.begin();
  underWay.begin();
  const told: string[] = [];
  const waiting = ["first", "second"].map((who) => underWay.ended().then(() => told.push(who)));
  underWay.end();
  await turn();
  expect(told).toEqual([]);
  underWay.end();
  await Promise.all(waiting);
  expect(told).toEqual(["first", "second"]);
  await underWay.ended();
});
