import type { Random } from "../../support/crash-random.js";

/** Two samples of one quantity, as an attacker has them who wants to tell where a further one comes from. */
export interface Comparison {
  readonly medians: readonly [one: number, other: number];
  /** The other median less the one, and the interval in which 99 of 100 repetitions would have it. */
  readonly difference: number;
  readonly interval: readonly [from: number, to: number];
  /** The largest distance between the two distribution functions, and how likely one as large is by chance. */
  readonly distance: number;
  readonly chance: number;
  /** The probability that of one value of each the other's is the larger. With 0.5 there is nothing to learn. */
  readonly auc: number;
  /** The standard error of an AUC of 0.5 at so many values. */
  readonly aucError: number;
  /** How often the best single threshold says rightly where a value comes from: (1 + distance) / 2. */
  readonly bestGuess: number;
}

export function compare(one: readonly number[], other: readonly number[], random: Random): Comparison {
  const [a, b] = [sorted(one), sorted(other)];
  const { distance, auc } = walk(a, b);
  return {
    medians: [medianOf(a), medianOf(b)],
    difference: medianOf(b) - medianOf(a),
    interval: bootstrap(a, b, random),
    distance,
    chance: kolmogorov(distance, a.length, b.length),
    auc,
    aucError: Math.sqrt((a.length + b.length + 1) / (12 * a.length * b.length)),
    bestGuess: (1 + distance) / 2,
  };
}

export function median(values: readonly number[]): number {
  return medianOf(sorted(values));
}

const sorted = (values: readonly number[]) => Float64Array.from(values).sort();

function at(values: Float64Array, index: number): number {
  const value = values[index];
  if (value === undefined) throw new RangeError("no such value");
  return value;
}

function medianOf(values: Float64Array): number {
  const middle = values.length >> 1;
  return values.length % 2 === 1 ? at(values, middle) : (at(values, middle - 1) + at(values, middle)) / 2;
}

/** Goes along both at once: the largest distance (Kolmogorov-Smirnov), and the pairs won (Mann-Whitney), ties as half. */
function walk(a: Float64Array, b: Float64Array): { distance: number; auc: number } {
  let [seenA, seenB, distance, won] = [0, 0, 0, 0];
  while (seenA < a.length || seenB < b.length) {
    const value = Math.min(a[seenA] ?? Number.POSITIVE_INFINITY, b[seenB] ?? Number.POSITIVE_INFINITY);
    const [fromA, fromB] = [seenA, seenB];
    while (a[seenA] === value) seenA += 1;
    while (b[seenB] === value) seenB += 1;
    won += (seenB - fromB) * (fromA + (seenA - fromA) / 2);
    distance = Math.max(distance, Math.abs(seenA / a.length - seenB / b.length));
  }
  return { distance, auc: won / (a.length * b.length) };
}

/** The asymptotic distribution of the two-sample statistic; Q(x) = 2 sum (-1)^(k-1) exp(-2 k^2 x^2). */
export function kolmogorov(distance: number, sizeA: number, sizeB: number): number {
  const effective = Math.sqrt((sizeA * sizeB) / (sizeA + sizeB));
  const x = (effective + 0.12 + 0.11 / effective) * distance;
  // Below, the sum does not settle, and the chance is 1 to four digits.
  if (x < 0.3) return 1;
  let sum = 0;
  for (let k = 1; k <= 100; k++) sum += (k % 2 === 1 ? 2 : -2) * Math.exp(-2 * k * k * x * x);
  return Math.min(1, Math.max(0, sum));
}

const ROUNDS = 1000;

/** The middle 99 % of the differences of medians between samples that are drawn anew from these. */
function bootstrap(a: Float64Array, b: Float64Array, random: Random): [number, number] {
  const differences = new Float64Array(ROUNDS);
  for (let round = 0; round < ROUNDS; round++) differences[round] = redrawn(b, random) - redrawn(a, random);
  differences.sort();
  return [at(differences, Math.floor(ROUNDS * 0.005)), at(differences, Math.ceil(ROUNDS * 0.995) - 1)];
}

/** The median of as many values, drawn with replacement: counted by rank, which spares sorting them. */
function redrawn(values: Float64Array, random: Random): number {
  const times = new Uint16Array(values.length);
  for (const _value of values) {
    const index = random.below(values.length);
    times[index] = (times[index] ?? 0) + 1;
  }
  let left = values.length >> 1;
  for (let index = 0; index < values.length; index++) {
    left -= times[index] ?? 0;
    if (left < 0) return at(values, index);
  }
  return at(values, values.length - 1);
}
