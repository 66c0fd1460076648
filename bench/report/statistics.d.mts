export interface Spread {
  readonly min: number;
  readonly median: number;
  readonly max: number;
}

export declare function percentile(values: readonly number[], percent: number): number;
export declare function median(values: readonly number[]): number;
export declare function spread(rounds: readonly number[]): Spread;
export declare function ratios(these: readonly number[], those: readonly number[]): number[];
export declare function sums(...figures: readonly (readonly number[])[]): number[];
