import { PosternError } from "@postern/shared/errors";

/** Pages that follow each other. */
export interface Block {
  readonly first: number;
  readonly count: number;
}

/**
 * The pages of one list in the free tree: entries u64, then so many i64. A positive one is a page; a negative one says
 * how many pages the block has that begins at the next one; zero is a gap. Errors: `store_damaged`.
 */
export function blocksOf(list: Buffer): Block[] {
  if (list.length < 8 || list.readBigUInt64LE(0) > BigInt(list.length / 8 - 1)) throw damaged();
  const end = 8 * (1 + Number(list.readBigUInt64LE(0)));
  const blocks: Block[] = [];
  for (let at = 8; at < end; at += 8) {
    const entry = Number(list.readBigInt64LE(at));
    if (entry > 0) blocks.push({ first: entry, count: 1 });
    if (entry >= 0) continue;
    at += 8;
    if (at >= end) throw damaged();
    blocks.push({ first: Number(list.readBigInt64LE(at)), count: -entry });
  }
  return blocks;
}

/**
 * Which pages of the file have a place: in a tree, or in a list of free ones. None may have two: LMDB takes the lists
 * on trust, and would write over a page in use that a flipped bit has put there, in a commit that everyone takes for
 * durable. A page without a place is only lost space.
 */
export class Pages {
  readonly #placed: Uint8Array;

  /** `lastPage` is the last one that there can be. */
  constructor(lastPage: number) {
    this.#placed = new Uint8Array(lastPage + 1);
    this.#placed.fill(1, 0, 2);
  }

  /** Errors: `store_damaged` when any of them does not exist, is a header, or has a place. */
  place({ first, count }: Block): void {
    const end = first + count;
    if (first < 0 || count < 1 || end > this.#placed.length) throw damaged(first);
    for (let page = first; page < end; page++) {
      if (this.#placed[page] === 1) throw damaged(page);
      this.#placed[page] = 1;
    }
  }

  /** Whether all pages from this one on, up to the last that there can be, have a place. */
  hasAllFrom(first: number): boolean {
    return !this.#placed.subarray(first).includes(0);
  }
}

function damaged(page?: number): PosternError {
  const detail = page === undefined ? "its list of free pages" : `page ${page}: in two places, or in none that can be`;
  return new PosternError("store_damaged", { detail });
}
