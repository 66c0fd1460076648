import { afterAll, describe, expect, it } from "vitest";
import { cleanUp, corpora } from "../long/fuzz/replay.mjs";

/**
 * What the fuzzer of `npm run test:long -- fuzz` found worth keeping, given to every parser of what comes from outside
 * or from the disk. A refusal must be one that this parser may give, and what is taken must have the properties that
 * the target states: most often that what is written is read back.
 */
describe("the published corpus", () => {
  afterAll(cleanUp);

  it("has a thousand inputs and more, some for every parser", () => {
    expect(corpora.reduce((sum, { size }) => sum + size, 0)).toBeGreaterThanOrEqual(1000);
    expect(corpora.filter(({ size }) => size === 0)).toEqual([]);
  });

  it.each(corpora.map((corpus) => [corpus.name, corpus] as const))(
    "neither breaks %s, nor is refused by it in a way that it must not",
    async (_name, corpus) => {
      expect(await corpus.replay()).toEqual([]);
    },
  );
});
