import { randomInt } from "node:crypto";

/** Numbers that look random and are the same for a seed. */
export interface Random {
  readonly seed: number;
  /** A whole number from 0 up to `bound`, which is left out. */
  below(bound: number): number;
}

/** Of the seed in POSTERN_TEST_SEED, else of a random one; it is printed, so that a failure can be tried again. */
export function seededRandom(purpose: string): Random {
  const given = process.env["POSTERN_TEST_SEED"];
  const seed = given === undefined ? randomInt(2 ** 31) : Number(given);
  console.info(`${purpose}: POSTERN_TEST_SEED=${seed}`);
  return randomOf(seed);
}

/** The SplitMix32 generator. */
export function randomOf(seed: number): Random {
  let state = seed >>> 0;
  const next = () => {
    state = (state + 0x9e3779b9) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 16), 0x21f0aaad);
    mixed = Math.imul(mixed ^ (mixed >>> 15), 0x735a2d97);
    return (mixed ^ (mixed >>> 15)) >>> 0;
  };
  return { seed, below: (bound) => Math.floor((next() / 2 ** 32) * bound) };
}
