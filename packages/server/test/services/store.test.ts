import { randomBytes } from "node:crypto";
import { describe, expect, it, onTestFinished } from "vitest";
import { type Barrier, createBarrier } from "../../src/barrier/barrier.js";
import { hostsOf } from "../../src/identity/leaf-certificate.js";
import { currentIdentity } from "../../src/services/server-identity.js";
import { initialiseStore } from "../../src/services/store.js";
import { createMemoryStorage } from "../../src/storage/memory.js";
import { cheap, open, password } from "../barrier/support.js";

const NOW = Date.parse("2026-11-21T12:00:00Z");
const DAY = 86_400_000;
const at = (now: number) => ({ now: () => now, random: randomBytes });

/** What two processes over one store have. */
async function twoBarriers(): Promise<[Barrier, Barrier]> {
  const storage = createMemoryStorage();
  const one = await createBarrier(storage, password, cheap);
  const other = await open(storage);
  onTestFinished(async () => {
    await one.close();
    await other.close();
  });
  await initialiseStore(one, at(NOW), ["localhost"]);
  return [one, other];
}

const leafAt = async (barrier: Barrier, hosts: readonly string[], now = NOW) =>
  (await currentIdentity(barrier, at(now), hosts)).leaf;

describe("the leaf of two processes", () => {
  it("with different hosts becomes one that is good for both, and stays", async () => {
    const [one, other] = await twoBarriers();
    await leafAt(one, ["localhost", "a.example"]);
    const shared = await leafAt(other, ["localhost", "b.example"]);
    expect(hostsOf(shared).sort()).toEqual(["a.example", "b.example", "localhost"]);
    for (let hour = 0; hour < 3; hour++) {
      expect((await leafAt(one, ["localhost", "a.example"])).certificateDer).toEqual(shared.certificateDer);
      expect((await leafAt(other, ["localhost", "b.example"])).certificateDer).toEqual(shared.certificateDer);
    }
  });

  it("that renew it at once is the same one for both: the second takes what the first stored", async () => {
    const [one, other] = await twoBarriers();
    const later = NOW + 61 * DAY;
    const before = await leafAt(one, ["localhost"]);
    const [first, second] = await Promise.all([one, other].map((barrier) => leafAt(barrier, ["localhost"], later)));
    expect(first?.certificateDer).toEqual(second?.certificateDer);
    expect(first?.certificateDer).not.toEqual(before.certificateDer);
    expect(await leafAt(one, ["localhost"], later)).toEqual(first);
  });
});
