import { PosternError } from "@postern/shared/errors";

/**
 * The first bytes of an LMDB file as lmdb 3.5 writes it (data version 2, 64-bit, little-endian). Pages 0 and 1 are
 * meta pages; transaction n writes page n mod 2, so one of them always tells of a complete commit, and the one with
 * the greater transaction id is in force. LMDB itself trusts these bytes and dies of wrong ones, so they are checked
 * before it sees the file.
 */
const at = { version: 28, free: 48, main: 96, lastPage: 144, transaction: 152, end: 160 } as const;

/**
 * What the free tree says of its keys (they are numbers), with what lmdb-js adds for the whole file (it is one file,
 * not a folder). The tree of entries says nothing. Other bits mean keys of another order, or several values of one
 * key: LMDB would write what it cannot read, or die.
 */
const FREE_TREE_FLAGS = 0x4008;
const MAIN_TREE_FLAGS = 0;

const MAGIC = 0xbeefc0de;
const IS_META = 0x08;
const DATA_VERSION = 2;
const NO_PAGE = 0xffff_ffff_ffff_ffffn;

/** The second header. */
const LAST_PAGE_OF_EMPTY = 1;

const MIN_PAGE_BYTES = 512;
const MAX_PAGE_BYTES = 65_536;

/** So many bytes of the file's beginning hold both meta pages, whatever the page size. */
export const HEADER_BYTES = MAX_PAGE_BYTES + at.end;
export const PAGE_HEADER_BYTES = 24;

/** One B-tree of the file: `root` is undefined when it is empty. */
export interface Tree {
  readonly depth: number;
  readonly branchPages: number;
  readonly leafPages: number;
  readonly overflowPages: number;
  readonly entries: number;
  readonly root: number | undefined;
}

export interface Meta {
  readonly pageSize: number;
  readonly transaction: bigint;
  readonly lastPage: number;
  /** Pages free for reuse, by the transaction that freed them. */
  readonly free: Tree;
  readonly main: Tree;
}

/**
 * The meta page in force, from the first `HEADER_BYTES` of the file (fewer when it is shorter). Errors:
 * `store_foreign` when the file never was a store, `store_damaged` when it was (its beginning is there, or everything
 * is zero), `store_future` when its format is newer.
 */
export function readMeta(header: Buffer): Meta {
  refuseForeign(header);
  const even = parseMeta(header, beginningOf(0));
  const odd = parseMeta(header.subarray(even.pageSize), beginningOf(1));
  if (even.pageSize !== odd.pageSize || !belongTogether(even, odd)) {
    throw damaged("its two headers do not belong together");
  }
  return odd.transaction > even.transaction ? odd : even;
}

/**
 * Each commit replaces the older meta page by the next. Before the first of them page 0 is that of an empty store: its
 * `lastPage` tells, as a commit whose meta page could not be written leaves its trees there, and puts only the number
 * of the transaction and the last page back. LMDB goes by the number, so those trees count for nothing while page 1 is
 * in force.
 */
function belongTogether(even: Meta, odd: Meta): boolean {
  if (even.transaction === 0n && even.lastPage !== LAST_PAGE_OF_EMPTY) return false;
  if (even.transaction === 0n && odd.transaction === 0n) return isEmpty(even);
  const difference = odd.transaction - even.transaction;
  return even.transaction % 2n === 0n && (difference === 1n || difference === -1n);
}

function isEmpty({ main, free }: Meta): boolean {
  return main.root === undefined && free.root === undefined;
}

function refuseForeign(header: Buffer): void {
  if (beginsWith(header, beginningOf(0)) || header.every((byte) => byte === 0)) return;
  for (let size = MIN_PAGE_BYTES; size + at.version <= header.length; size *= 2) {
    if (beginsWith(header.subarray(size), beginningOf(1))) return;
  }
  throw new PosternError("store_foreign");
}

/** How a meta page begins: number u64, transaction u64 (none), pad u16, flags u16, unused u32, magic u32. */
function beginningOf(page: 0 | 1): Buffer {
  const bytes = Buffer.alloc(at.version);
  bytes.writeUInt8(page, 0);
  bytes.writeUInt16LE(IS_META, 18);
  bytes.writeUInt32LE(MAGIC, 24);
  return bytes;
}

/** Of a file that is cut short, as much as there is. */
function beginsWith(bytes: Buffer, beginning: Buffer): boolean {
  const length = Math.min(bytes.length, beginning.length);
  return bytes.subarray(0, length).equals(beginning.subarray(0, length));
}

function parseMeta(bytes: Buffer, beginning: Buffer): Meta {
  if (!beginsWith(bytes, beginning)) throw damaged("a header is missing");
  if (bytes.length < at.end) throw damaged("it is cut short");
  const version = bytes.readUInt32LE(at.version) & 0xffff;
  if (version > DATA_VERSION) throw new PosternError("store_future");
  if (version < DATA_VERSION) throw new PosternError("store_foreign", { detail: "another version of LMDB wrote it" });
  const pageSize = bytes.readUInt32LE(at.free);
  if (pageSize < MIN_PAGE_BYTES || pageSize > MAX_PAGE_BYTES || (pageSize & (pageSize - 1)) !== 0)
    throw damaged("its page size is wrong");
  return {
    pageSize,
    transaction: bytes.readBigUInt64LE(at.transaction),
    lastPage: Number(bytes.readBigUInt64LE(at.lastPage)),
    free: parseTree(bytes.subarray(at.free, at.main), FREE_TREE_FLAGS),
    main: parseTree(bytes.subarray(at.main, at.lastPage), MAIN_TREE_FLAGS),
  };
}

function parseTree(bytes: Buffer, flags: number): Tree {
  if (bytes.readUInt16LE(4) !== flags) throw damaged("one of its trees is of another kind");
  const root = bytes.readBigUInt64LE(40);
  return {
    depth: bytes.readUInt16LE(6),
    branchPages: Number(bytes.readBigUInt64LE(8)),
    leafPages: Number(bytes.readBigUInt64LE(16)),
    overflowPages: Number(bytes.readBigUInt64LE(24)),
    entries: Number(bytes.readBigUInt64LE(32)),
    root: root === NO_PAGE ? undefined : Number(root),
  };
}

function damaged(detail: string): PosternError {
  return new PosternError("store_damaged", { detail });
}
