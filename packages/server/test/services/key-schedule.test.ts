import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { SigningKeys } from "../../src/records/signing-key.js";
import {
  type FreshKey,
  isDue,
  JWKS_MAX_AGE,
  LEAD_MS,
  onlyKey,
  publishedOf,
  ROTATE_AFTER_MS,
  settledAt,
  signerOf,
  TAIL_MS,
  TOKEN_LIFETIME,
  viewsOf,
  withNext,
} from "../../src/services/key-schedule.js";

const START = Date.parse("2026-11-21T12:00:00Z");
const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

let made = 0;
const fresh = (): FreshKey => ({
  id: `key_${String(++made).padStart(32, "0")}`,
  publicKey: Buffer.alloc(32),
  privateKey: Buffer.alloc(48),
});

/** What the hourly upkeep does. */
function kept(keys: SigningKeys, now: number): SigningKeys {
  const settled = settledAt(keys, now);
  return isDue(settled, now) ? withNext(settled, fresh(), now) : settled;
}

/** What an operator's rotation does. */
function rotated(keys: SigningKeys, now: number): SigningKeys {
  const settled = settledAt(keys, now);
  return settled.ending === undefined ? withNext(settled, fresh(), now) : settled;
}

const idsOf = (keys: readonly { id: string }[]) => keys.map(({ id }) => id);
const states = (keys: SigningKeys, now: number) => viewsOf(settledAt(keys, now)).map(({ state }) => state);

describe("the schedule of a rotation", () => {
  const one = onlyKey(fresh(), START);
  const now = START + DAY;
  const two = withNext(one, fresh(), now);

  it("publishes the next key for as long as a key set may be cached, and longer, before it signs", () => {
    expect(LEAD_MS).toBeGreaterThan(JWKS_MAX_AGE * 1000);
    expect(states(two, now)).toEqual(["signs", "next"]);
    expect(states(two, now + LEAD_MS - 1)).toEqual(["signs", "next"]);
    expect(signerOf(settledAt(two, now + LEAD_MS - 1)).id).toBe(one.newest.id);
    expect(signerOf(settledAt(two, now + LEAD_MS)).id).toBe(two.newest.id);
  });

  it("goes on publishing the one before, without its private part, until its last token has expired, and longer", () => {
    expect(TAIL_MS).toBeGreaterThan(TOKEN_LIFETIME * 1000);
    const [former] = settledAt(two, now + LEAD_MS).retired;
    expect(former).toMatchObject({ id: one.newest.id, signsUntil: now + LEAD_MS, retiresAt: now + LEAD_MS + TAIL_MS });
    expect(former).not.toHaveProperty("privateKey");
    expect(states(two, now + LEAD_MS + TAIL_MS - 1)).toEqual(["retired", "signs"]);
    expect(states(two, now + LEAD_MS + TAIL_MS)).toEqual(["signs"]);
  });

  it("says the times of its keys before they come", () => {
    expect(two.ending).toMatchObject({ signsUntil: two.newest.signsFrom, retiresAt: two.newest.signsFrom + TAIL_MS });
  });

  it("does not depend on how often somebody looks", () => {
    let often = two;
    for (let at = now; at <= now + HOUR; at += MINUTE) {
      often = settledAt(often, at);
      expect(often).toEqual(settledAt(two, at));
    }
  });

  it("comes when the newest key is 30 days old, and not while one waits for its turn", () => {
    expect(isDue(one, START + ROTATE_AFTER_MS - 1)).toBe(false);
    expect(isDue(one, START + ROTATE_AFTER_MS)).toBe(true);
    expect(isDue(two, now + LEAD_MS + ROTATE_AFTER_MS)).toBe(false);
  });
});

describe("100 days, minute by minute", () => {
  it("the key that signs was in every set up to max-age ago, and is in every set until the token expires", () => {
    const window = Math.max(JWKS_MAX_AGE, TOKEN_LIFETIME) / 60;
    const signers: string[] = [];
    const sets: string[][] = [];
    let keys = onlyKey(fresh(), START);
    for (let minute = 0; minute < 100 * 24 * 60; minute++) {
      const now = START + minute * MINUTE;
      if (minute % 60 === 17) keys = kept(keys, now);
      // An operator who rotates once, and one who does it every minute for an hour.
      if (minute === 31_012 || (minute > 100_000 && minute <= 100_060)) keys = rotated(keys, now);
      const settled = settledAt(keys, now);
      signers.push(signerOf(settled).id);
      sets.push(idsOf(publishedOf(settled)));
    }
    const missing = signers.flatMap((id, minute) => {
      const around = sets.slice(Math.max(0, minute - window), minute + window + 1);
      return around.every((set) => set.includes(id)) ? [] : [minute];
    });
    expect(missing).toEqual([]);
    expect(new Set(signers).size).toBe(1 + 1 + 1 + 4 + 1);
    expect(sets.reduce((most, set) => Math.max(most, set.length), 0)).toBe(3);
  });
});

describe("a clock that runs wild", () => {
  type Step = { readonly by: number; readonly does: typeof kept };
  const delta = fc.oneof(
    fc.integer({ min: -HOUR, max: HOUR }),
    fc.integer({ min: -800 * DAY, max: 800 * DAY }),
    fc.constantFrom(LEAD_MS, -LEAD_MS, TAIL_MS, -TAIL_MS, ROTATE_AFTER_MS),
  );
  const steps: fc.Arbitrary<Step[]> = fc.array(
    fc.record({ by: delta, does: fc.constantFrom(kept, rotated, settledAt) }),
    { maxLength: 30 },
  );

  function soundAt(keys: SigningKeys, now: number): void {
    const settled = settledAt(keys, now);
    const published = idsOf(publishedOf(settled));
    expect(new Set(published).size).toBe(published.length);
    expect(published).toContain(signerOf(settled).id);
    expect(signerOf(settled).privateKey).toHaveLength(48);
    expect(settled.newest.signsFrom).toBeLessThanOrEqual(now + LEAD_MS);
    expect(settled.newest.createdAt).toBeLessThanOrEqual(now);
    for (const key of settled.retired) {
      expect(key).not.toHaveProperty("privateKey");
      expect(key.retiresAt).toBeLessThanOrEqual(now + TAIL_MS);
    }
    expect(settledAt(settled, now)).toEqual(settled);
  }

  it("never leaves a store without a key that signs and is published, and is made good once it runs evenly", () => {
    fc.assert(
      fc.property(steps, (history) => {
        let now = START;
        let keys = onlyKey(fresh(), now);
        for (const { by, does } of history) {
          now = Math.max(0, now + by);
          keys = does(keys, now);
          soundAt(keys, now);
        }
        keys = settledAt(keys, now);
        const newest = keys.newest.id;
        expect(signerOf(settledAt(keys, now + LEAD_MS)).id).toBe(newest);
        expect(idsOf(publishedOf(settledAt(keys, now + LEAD_MS + TAIL_MS)))).toEqual([newest]);
        expect(isDue(settledAt(keys, now + ROTATE_AFTER_MS), now + ROTATE_AFTER_MS)).toBe(true);
      }),
    );
  });

  it("set back, has the one before sign for as long as its private part is there, then the next one", () => {
    const one = onlyKey(fresh(), START);
    const two = withNext(one, fresh(), START + DAY);
    expect(signerOf(settledAt(two, START)).id).toBe(one.newest.id);
    const wiped = settledAt(two, START + DAY + LEAD_MS);
    expect(signerOf(settledAt(wiped, START)).id).toBe(two.newest.id);
  });
});
