import type { NodeId } from "@postern/shared/ids";
import type { AuditRow, DamagedRow } from "../records/audit-log.js";
import type { Span } from "../records/audit-stored.js";
import { AUDIT_PAGE } from "./audit-pages.js";
import type { NamedChain } from "./nodes.js";

/**
 * The chains of all nodes as one log, by time. Each chain keeps its own order, whatever its node's clock did: nothing is
 * left out, and entry 6 never stands before entry 5. Of one and the same time the chain that is in front comes first.
 */
export type Row = AuditRow | DamagedRow;

export interface SizedChain extends NamedChain {
  readonly length: number;
}

/** Reads some entries of a chain; what retention has removed is left out. */
export type ReadRows = (node: NodeId, span: Span) => Promise<Row[]>;

/** Entries of one chain that stand together in the log. */
export interface Run extends Span {
  readonly chain: SizedChain;
}

/**
 * Where the last `limit` entries that pass are, the last run first. The log is walked from its end, a page of each chain at
 * a time, and only places are kept.
 */
export async function lastRuns(
  read: ReadRows,
  chains: readonly SizedChain[],
  { limit, passes }: { readonly limit: number; readonly passes: (row: Row) => boolean },
): Promise<Run[]> {
  const tails = chains.map((chain) => new Tail(read, chain));
  const runs: { chain: SizedChain; from: number; to: number }[] = [];
  for (let found = 0; found < limit; ) {
    const tail = await latest(tails);
    const row = tail?.take();
    if (tail === undefined || row === undefined) break;
    if (!passes(row)) continue;
    found += 1;
    const run = runs.at(-1);
    if (run?.chain === tail.chain && run.from === row.index + 1) run.from = row.index;
    else runs.push({ chain: tail.chain, from: row.index, to: row.index + 1 });
  }
  return runs;
}

/** The chain whose last entry is the latest; undefined when all are at their beginning. */
async function latest(tails: readonly Tail[]): Promise<Tail | undefined> {
  let last: { readonly tail: Tail; readonly time: number } | undefined;
  for (const tail of tails) {
    const time = await tail.time();
    if (time !== undefined && time >= (last?.time ?? 0)) last = { tail, time };
  }
  return last?.tail;
}

/** A chain that is read from its end on. */
class Tail {
  readonly chain: SizedChain;
  readonly #read: ReadRows;
  /** Read and not taken, in the order of the chain; what is in front of `#from` is not read. */
  #rows: Row[] = [];
  #from: number;
  /** Of the entry that was taken last. */
  #time = Number.MAX_SAFE_INTEGER;

  constructor(read: ReadRows, chain: SizedChain) {
    this.chain = chain;
    this.#read = read;
    this.#from = chain.length;
  }

  /** Of the last entry; undefined when there is none. One that does not open is as old as the one behind it. */
  async time(): Promise<number | undefined> {
    while (this.#rows.length === 0 && this.#from > 0) {
      const from = Math.max(0, this.#from - AUDIT_PAGE);
      this.#rows = await this.#read(this.chain.node, { from, to: this.#from });
      // Retention has removed all that there was from here on.
      this.#from = this.#rows.length === 0 ? 0 : from;
    }
    const row = this.#rows.at(-1);
    return row === undefined || !("damaged" in row) ? row?.time : this.#time;
  }

  take(): Row | undefined {
    const row = this.#rows.pop();
    if (row !== undefined && !("damaged" in row)) this.#time = row.time;
    return row;
  }
}

/**
 * A chain that is read from its beginning on. Where nodes write by turns, the entries of one stand alone in the log: a
 * page is read once for all of them.
 */
export class Forward {
  readonly #read: ReadRows;
  readonly #chain: SizedChain;
  #rows: readonly Row[] = [];
  /** Behind what was read. */
  #end = 0;

  constructor(read: ReadRows, chain: SizedChain) {
    this.#read = read;
    this.#chain = chain;
  }

  /** The rows of a span, a page at a time; each span stands behind the one before. */
  async *rows({ from, to }: Span): AsyncGenerator<Row[]> {
    for (let at = from; at < to; ) {
      if (at >= this.#end) {
        this.#end = Math.min(at + AUDIT_PAGE, this.#chain.length);
        this.#rows = await this.#read(this.#chain.node, { from: at, to: this.#end });
      }
      const span = { from: at, to: Math.min(to, this.#end) };
      yield this.#rows.filter(({ index }) => index >= span.from && index < span.to);
      at = span.to;
    }
  }
}
