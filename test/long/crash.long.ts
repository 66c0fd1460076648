import { describe, expect, it } from "vitest";
import { type CrashSum, killOverAndOver } from "../support/crash-loop.js";
import { seededRandom } from "../support/crash-random.js";

const KILLS = Number(process.env["POSTERN_TEST_KILLS"] ?? 1000);

/** Kills between two words on how far it has come. */
const STEP = Math.ceil(KILLS / 100);

function progressSince(began: number): (sum: CrashSum) => void {
  return ({ killed, registrations, logins }) => {
    if (killed % STEP !== 0) return;
    const seconds = (Date.now() - began) / 1000;
    const left = Math.ceil(((seconds / killed) * (KILLS - killed)) / 60);
    const words = `${killed} of ${KILLS} kills, ${registrations} registrations and ${logins} logins were acknowledged`;
    process.stderr.write(`${words}; about ${left} min left\n`);
  };
}

describe("attack 36, promise 9: kill -9, a thousand times", () => {
  it("loses no registration or login that was acknowledged, leaves no half, and never breaks the audit chain", {
    timeout: 60_000 + KILLS * 30_000,
  }, async () => {
    const random = seededRandom("kill -9");
    const { registrations } = await killOverAndOver({ kills: KILLS, random, onKill: progressSince(Date.now()) });
    expect(registrations).toBeGreaterThan(KILLS);
  });
});
