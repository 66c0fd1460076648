import { setTimeout } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import { seededRandom } from "../support/crash-random.js";
import { drill, type House } from "../support/drill.js";

const SECONDS = Number(process.env["POSTERN_TEST_SECONDS"] ?? 300);
const NODES = Number(process.env["POSTERN_TEST_NODES"] ?? 3);
const PEOPLE = Number(process.env["POSTERN_TEST_PEOPLE"] ?? 12);

/** Between two kills: at least, and as much again and more. One node is always left. */
const CALM_MS = 1_000;
const MORE_CALM_MS = 3_000;

/** So often the database goes, in turn in order and by a crash; in a short run twice all the same. */
const DATABASE_MS = Math.min(40_000, (SECONDS * 1000) / 3);

describe("attack 36, promises 3, 7, 9, 12: nodes that are killed, over a database that goes", () => {
  it(`for ${SECONDS} seconds lose nothing, take no code twice, grant nothing unrecorded, and everybody gets in`, {
    timeout: SECONDS * 1000 + 600_000,
  }, async () => {
    const random = seededRandom("nodes");
    const began = Date.now();
    const left = () => began + SECONDS * 1000 - Date.now();
    let turn = 0;
    const goDown = async (house: House) => {
      for (; left() > DATABASE_MS / 2; turn++) {
        await setTimeout(DATABASE_MS);
        await house.restartDatabase(turn % 2 === 0 ? "stop" : "crash", random.below(3_000));
        process.stderr.write(`${Math.ceil(left() / 1000)} s left: ${JSON.stringify(house.sum)}\n`);
      }
    };
    const trouble = async (house: House) => {
      const ends = [goDown(house)];
      while (left() > 0) {
        await setTimeout(CALM_MS + random.below(MORE_CALM_MS));
        const { up } = house;
        const index = up[random.below(up.length)];
        if (up.length > 1 && index !== undefined) ends.push(house.killNode(index));
      }
      await Promise.all(ends);
    };
    const { people, sum, kills, restarts } = await drill({
      nodes: NODES,
      people: PEOPLE,
      random,
      readiness: true,
      trouble,
    });
    process.stderr.write(`${JSON.stringify({ people: people.length, kills, restarts, ...sum })}\n`);
    expect(restarts).toBeGreaterThan(0);
    expect(kills).toBeGreaterThan(SECONDS / 20);
    expect(sum.registrations).toBeGreaterThan(kills);
    expect(sum.races - sum.racesLost).toBeGreaterThan(0);
  });
});
