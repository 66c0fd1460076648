import type { Spread } from "./statistics.mjs";

export interface Figure extends Spread {
  readonly id: string;
  readonly what: string;
  readonly unit: string;
  readonly rounds: readonly number[];
}

export interface Aim {
  readonly what: string;
  readonly bound: "at most" | "below" | "at least";
  readonly wanted: number;
  readonly unit: string;
  readonly measured: number;
  readonly kept: boolean;
}

export declare function figure(id: string, what: string, unit: string, rounds: readonly number[]): Figure;
export declare function aim(what: string, bound: Aim["bound"], wanted: number, measured: Figure): Aim;
export declare function inRounds(
  count: number,
  round: (index: number) => Promise<Readonly<Record<string, number>>>,
): Promise<Record<string, number[]>>;
