import { describe, expect, it } from "vitest";
import { seededRandom } from "../support/crash-random.js";
import { drill, type House } from "../support/drill.js";

/** A node is killed, and the database ends in both ways; `npm run test:long -- nodes` goes on so for minutes. */
async function trouble(house: House): Promise<void> {
  await house.asked(10);
  await house.restartDatabase("stop", 0);
  await house.asked(5);
  const killed = house.killNode(0);
  await house.restartDatabase("crash", 0);
  await killed;
}

describe("attack 36, promises 3, 7, 9, 12: nodes that are killed, over a database that goes", () => {
  it("lose nothing, take no code twice, grant nothing unrecorded, and everybody gets in", {
    timeout: 120_000,
  }, async () => {
    const random = seededRandom("nodes");
    const { people, sum, kills, restarts } = await drill({
      nodes: 2,
      people: 3,
      random,
      readiness: false,
      spares: 3,
      trouble,
    });
    expect([kills, restarts]).toEqual([1, 2]);
    expect(people.length).toBeGreaterThanOrEqual(3);
    expect(sum.logins).toBeGreaterThanOrEqual(people.length);
    // Of codes that nobody took none could have been taken twice.
    expect(sum.races - sum.racesLost).toBeGreaterThan(0);
  });
});
