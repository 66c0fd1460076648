export interface Corpus {
  readonly name: string;
  /** How many inputs are published. */
  readonly size: number;
  /** What the target's parser does with its inputs that it must not, each with the input's place. */
  replay(): Promise<readonly string[]>;
}

export declare const corpora: readonly Corpus[];

export declare function cleanUp(): void;
