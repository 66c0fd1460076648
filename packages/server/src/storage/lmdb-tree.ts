import { PosternError } from "@postern/shared/errors";
import { blocksOf, Pages } from "./lmdb-free-list.js";
import { type Meta, PAGE_HEADER_BYTES, type Tree } from "./lmdb-header.js";

/**
 * The pages of a B-tree, walked without LMDB, which follows wrong offsets to its death and skips keys that a flipped
 * bit put out of order. What holds for a sound tree:
 *
 * - page header: number u64, transaction u64 (none after the meta page's: LMDB writes into such pages), pad u16,
 *   flags u16, then lower and upper u16 (overflow: pages u32)
 * - offsets of nodes, u16 each, from byte 24 up to 24 + lower, relative to byte 24; nodes from 24 + upper on
 * - node: low u16, high u16, flags u16, key size u16, key, data. In a branch low, high, flags are the child's number
 *   (the first key is never looked at); in a leaf low and high are the data's size, flag 1 says that the data stands
 *   on overflow pages, and a triple (page, transaction, pages) of u64 stands in its place
 * - keys ascend, and lie within the bounds that the parents set; all leaves have one depth; the counts are the meta
 *   page's
 */
const BRANCH = 1;
const LEAF = 2;
const OVERFLOW = 4;
const NODE_HEADER_BYTES = 8;
const ON_OVERFLOW_PAGES = 1;
const MAX_DEPTH = 32;

/**
 * The header may count pages that were never written, as they were free again when their transaction ended: so many at
 * most, 4 GiB of the usual ones. LMDB takes new pages behind the last, and dies where it has no address left for them.
 */
const MAX_UNWRITTEN = 2 ** 20;

export interface TreeCheck {
  readonly meta: Meta;
  /** Whole pages that the file holds. */
  readonly pages: number;
  /** Reads one page, or only the beginning of it. The buffer stays untouched afterwards. */
  readonly readPage: (page: number, length?: number) => Buffer;
  /** Without leaves only the pages above them are read, a hundredth of a large file, unless the file seems cut short. */
  readonly leaves: boolean;
}

type Compare = (a: Buffer, b: Buffer) => number;
type Bounds = readonly [low: Buffer | undefined, high: Buffer | undefined];

/** Checks both trees and the lists of free pages. Errors: `store_damaged`; `store_foreign` for what Postern never writes. */
export function checkTrees(check: TreeCheck): void {
  const { meta, pages } = check;
  if (meta.lastPage + 1 - pages > MAX_UNWRITTEN) throw damaged(meta.lastPage, "outside of the file");
  const places = new Pages(meta.lastPage);
  const lists: Buffer[] = [];
  new Walk(check, meta.main, Buffer.compare, places).run();
  new Walk({ ...check, leaves: true }, meta.free, compareNumbers, places, (list) => lists.push(list)).run();
  for (const list of lists) for (const block of blocksOf(list)) places.place(block);
  // A sound file may end before the last page that its header names, when free ones stand there; else values may be lost.
  if (!check.leaves && !places.hasAllFrom(pages)) checkTrees({ ...check, leaves: true });
}

class Walk {
  readonly #check: TreeCheck;
  readonly #tree: Tree;
  readonly #compare: Compare;
  readonly #places: Pages;
  readonly #onData: ((data: Buffer) => void) | undefined;
  #branchPages = 0;
  #leafPages = 0;
  #overflowPages = 0;
  #entries = 0;

  constructor(check: TreeCheck, tree: Tree, compare: Compare, places: Pages, onData?: (data: Buffer) => void) {
    this.#check = check;
    this.#tree = tree;
    this.#compare = compare;
    this.#places = places;
    this.#onData = onData;
  }

  run(): void {
    const { root, depth, branchPages, leafPages, overflowPages, entries } = this.#tree;
    if (depth > MAX_DEPTH || (root === undefined) !== (depth === 0)) throw damaged(0, "depth");
    if (root !== undefined) this.#visit(root, 1, [undefined, undefined]);
    if (this.#branchPages !== branchPages) throw damaged(root, "branches");
    if (!this.#check.leaves) return;
    if (this.#leafPages !== leafPages || this.#overflowPages !== overflowPages) throw damaged(root, "pages");
    if (this.#entries !== entries) throw damaged(root, "entries");
  }

  #visit(number: number, level: number, bounds: Bounds): void {
    const isLeaf = level === this.#tree.depth;
    this.#refuseOutside(number, 1);
    this.#places.place({ first: number, count: 1 });
    if (isLeaf && !this.#check.leaves) return;
    const page = this.#page(number, isLeaf ? LEAF : BRANCH);
    this.#count(number, isLeaf);
    const nodes = this.#nodes(page, number);
    this.#checkOrder(number, isLeaf ? nodes : nodes.slice(1), bounds);
    if (isLeaf) for (const node of nodes) this.#checkData(node, number);
    else this.#descend(nodes, level, bounds);
  }

  #descend(nodes: readonly Node[], level: number, [low, high]: Bounds): void {
    nodes.forEach((node, index) => {
      const from = index === 0 ? low : node.key;
      this.#visit(node.child, level + 1, [from, nodes[index + 1]?.key ?? high]);
    });
  }

  #count(number: number, isLeaf: boolean): void {
    if (isLeaf) this.#leafPages++;
    else this.#branchPages++;
    const { branchPages, leafPages } = this.#tree;
    if (this.#branchPages > branchPages || this.#leafPages > leafPages) throw damaged(number, "too many pages");
  }

  #page(number: number, kind: number, length?: number): Buffer {
    this.#refuseOutside(number, 1);
    const page = this.#check.readPage(number, length);
    if (page.length < (length ?? this.#check.meta.pageSize)) throw damaged(number, "cut short");
    if (page.readBigUInt64LE(0) !== BigInt(number)) throw damaged(number, "number");
    if (page.readBigUInt64LE(8) > this.#check.meta.transaction) throw damaged(number, "transaction");
    if (page.readUInt16LE(18) !== kind) throw damaged(number, "kind");
    return page;
  }

  #refuseOutside(number: number, count: number): void {
    const { pages, meta } = this.#check;
    const end = Math.min(pages, meta.lastPage + 1);
    if (number < 2 || count < 1 || number + count > end) throw damaged(number, "outside of the file");
  }

  #nodes(page: Buffer, number: number): Node[] {
    const lower = page.readUInt16LE(20) + PAGE_HEADER_BYTES;
    const upper = page.readUInt16LE(22) + PAGE_HEADER_BYTES;
    if (lower > upper || upper > page.length || lower % 2 !== 0) throw damaged(number, "bounds");
    const nodes: Node[] = [];
    for (let slot = PAGE_HEADER_BYTES; slot < lower; slot += 2) {
      const offset = page.readUInt16LE(slot) + PAGE_HEADER_BYTES;
      if (offset < upper) throw damaged(number, "node");
      nodes.push(parseNode(page.subarray(offset), number));
    }
    if (nodes.length === 0) throw damaged(number, "empty");
    return nodes;
  }

  #checkOrder(number: number, nodes: readonly Node[], [low, high]: Bounds): void {
    let before: Buffer | undefined;
    for (const { key } of nodes) {
      if (before !== undefined && this.#compare(before, key) >= 0) throw damaged(number, "order");
      if (low !== undefined && this.#compare(low, key) > 0) throw damaged(number, "lower bound");
      if (high !== undefined && this.#compare(key, high) >= 0) throw damaged(number, "upper bound");
      before = key;
    }
  }

  #checkData(node: Node, number: number): void {
    this.#entries++;
    if (node.flags === 0) {
      if (node.rest.length < node.size) throw damaged(number, "data");
      this.#onData?.(node.rest.subarray(0, node.size));
      return;
    }
    if (node.flags !== ON_OVERFLOW_PAGES)
      throw new PosternError("store_foreign", { detail: "it holds named databases" });
    if (node.rest.length < 24) throw damaged(number, "data");
    const first = Number(node.rest.readBigUInt64LE(0));
    const count = Number(node.rest.readBigUInt64LE(16));
    // A shorter value stays on the pages of the longer one that it replaced.
    const needed = Math.ceil((PAGE_HEADER_BYTES + node.size) / this.#check.meta.pageSize);
    if (node.rest.readBigUInt64LE(8) > this.#check.meta.transaction) throw damaged(number, "transaction");
    if (count < needed) throw damaged(number, "data");
    this.#refuseOutside(first, count);
    if (this.#page(first, OVERFLOW, PAGE_HEADER_BYTES).readUInt32LE(20) !== count) throw damaged(first, "length");
    this.#places.place({ first, count });
    this.#overflowPages += count;
    this.#onData?.(this.#check.readPage(first, PAGE_HEADER_BYTES + node.size).subarray(PAGE_HEADER_BYTES));
  }
}

interface Node {
  readonly key: Buffer;
  readonly flags: number;
  /** Of the data in a leaf. */
  readonly size: number;
  /** Of the page below a branch. */
  readonly child: number;
  /** What follows the key, up to the end of the page. */
  readonly rest: Buffer;
}

function parseNode(bytes: Buffer, number: number): Node {
  if (bytes.length < NODE_HEADER_BYTES) throw damaged(number, "node");
  const keyEnd = NODE_HEADER_BYTES + bytes.readUInt16LE(6);
  if (keyEnd > bytes.length) throw damaged(number, "key");
  return {
    key: bytes.subarray(NODE_HEADER_BYTES, keyEnd),
    flags: bytes.readUInt16LE(4),
    size: bytes.readUInt32LE(0),
    child: bytes.readUIntLE(0, 6),
    rest: bytes.subarray(keyEnd),
  };
}

/** Keys of the free tree are transaction ids. */
function compareNumbers(a: Buffer, b: Buffer): number {
  if (a.length !== 8 || b.length !== 8) throw damaged(undefined, "free pages");
  const difference = a.readBigUInt64LE() - b.readBigUInt64LE();
  return difference < 0n ? -1 : difference > 0n ? 1 : 0;
}

function damaged(page: number | undefined, what: string): PosternError {
  return new PosternError("store_damaged", { detail: page === undefined ? what : `page ${page}: ${what}` });
}
