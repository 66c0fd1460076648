import { PosternError } from "@postern/shared/errors";
import { LineSplitter } from "@postern/shared/frames/line-splitter";
import { isAnchorSigned } from "../records/audit-anchor.js";
import { type ChainStart, ChainVerifier, chainBegin, parseEntry } from "../records/audit-chain.js";
import { type Checkpoint, isCheckpointSigned, parseCheckpoint, savedHeads } from "../records/audit-checkpoint.js";
import {
  anchorOf,
  chainNameOf,
  type ExportedChain,
  type ExportHeader,
  MAX_LINE_BYTES,
  parseHeader,
  parseRow,
} from "../records/audit-export.js";
import type { AuditPublicKey } from "../records/audit-signature.js";
import { fieldsMatch } from "../records/audit-stored.js";
import { addedNode, begunNode } from "./nodes.js";

/**
 * Judges an export without a store: by its bytes and a public key that came by another way. Who wrote the file is not
 * trusted with anything; a line at a time is held, of bounded length.
 */
export interface ExportedTrail {
  readonly ok: true;
  readonly entries: number;
  /** Of so many entries a personal field was erased, from the store or from the file: the chain cannot tell which. */
  readonly erased: number;
  readonly checkpoint: Checkpoint;
}

/** Where it fails first: the line, counted from 1, and the index of the entry where it is one. */
export interface BadExport {
  readonly ok: false;
  readonly line: number;
  readonly entry?: number;
  /** Of several chains the one: the node's name, where the entries before told it, else its id. */
  readonly node?: string;
  readonly why: string;
}

export interface OfflineOptions {
  readonly publicKey: AuditPublicKey;
  /** An older checkpoint, kept elsewhere: nothing that it names may be gone or changed. */
  readonly checkpoint?: Checkpoint | undefined;
}

/**
 * @throws PosternError `audit_damaged` when the older checkpoint is of another store or key, or not signed; `usage`
 *   when it is older than all that is kept
 */
export async function verifyExport(
  chunks: AsyncIterable<Buffer>,
  options: OfflineOptions,
): Promise<ExportedTrail | BadExport> {
  const splitter = new LineSplitter(MAX_LINE_BYTES);
  const verifier = new ExportVerifier(options);
  try {
    for await (const chunk of chunks) {
      for (const line of splitter.push(chunk)) {
        const bad = verifier.next(line);
        if (bad !== undefined) return bad;
      }
    }
  } catch (thrown) {
    if (thrown instanceof PosternError && thrown.code === "line_too_long") return verifier.bad("is too long");
    throw thrown;
  }
  return verifier.end(splitter.pending);
}

interface Walk {
  readonly chain: ExportedChain;
  readonly verifier: ChainVerifier;
}

type Claim = Checkpoint["chains"][number];

/** Takes an export line by line. */
class ExportVerifier {
  readonly #options: OfflineOptions;
  /** Lines that were taken. */
  #line = 0;
  #header: ExportHeader | undefined;
  #walks: readonly Walk[] = [];
  /** The chain whose entries are awaited, and the index of the next one. */
  #at = 0;
  #index = 0;
  /** The names that entries have given to chains. */
  readonly #names = new Map<string, string>();
  #entries = 0;
  #erased = 0;
  #checkpoint: Checkpoint | undefined;

  constructor(options: OfflineOptions) {
    this.#options = options;
  }

  /** What is wrong with the next line; the walk ends there. */
  next(line: Buffer): BadExport | undefined {
    const bad = this.#take(line);
    this.#line += 1;
    return bad;
  }

  /** Closes the walk; `pending` is how many bytes stand behind the last line end. */
  end(pending: number): ExportedTrail | BadExport {
    const walk = this.#walks[this.#at];
    if (pending > 0) return this.bad("has no end: the file was cut off");
    if (walk !== undefined) return this.#badEntry(walk, this.#index, "missing: the file was cut off");
    if (this.#checkpoint === undefined) return this.bad("is missing: the file was cut off");
    return { ok: true, entries: this.#entries, erased: this.#erased, checkpoint: this.#checkpoint };
  }

  /** A complaint about the line that is next. */
  bad(why: string): BadExport {
    return { ok: false, line: this.#line + 1, why };
  }

  #take(line: Buffer): BadExport | undefined {
    if (this.#header === undefined) return this.#takeHeader(line);
    const walk = this.#walks[this.#at];
    if (walk !== undefined) return this.#takeEntry(line, walk);
    return this.#checkpoint === undefined ? this.#takeCheckpoint(line) : this.bad("stands behind the end");
  }

  #takeHeader(line: Buffer): BadExport | undefined {
    const header = parseHeader(line);
    const { publicKey, checkpoint } = this.#options;
    if (header === undefined) return this.bad("is not the header of an audit export");
    if (header.key !== publicKey) return this.bad("names another key than the given one");
    const saved = checkpoint && savedHeads(checkpoint, { store: header.store, key: publicKey });
    const walks: Walk[] = [];
    for (const chain of header.chains) {
      const start = startOf(header, chain);
      if (start === undefined) return this.bad("has an anchor that is not signed by the given key");
      walks.push({ chain, verifier: new ChainVerifier(start, saved?.get(chain.node)) });
    }
    if (saved !== undefined && ![...saved.keys()].every((node) => walks.some(({ chain }) => chain.node === node))) {
      return this.bad("lacks a chain that the checkpoint names");
    }
    this.#header = header;
    this.#walks = walks;
    this.#begin(0);
    return undefined;
  }

  /** Goes on with the first chain, from `at` on, of which there are entries. */
  #begin(at: number): void {
    const more = this.#walks.slice(at).findIndex(({ chain }) => chain.first < chain.length);
    this.#at = more === -1 ? this.#walks.length : at + more;
    this.#index = this.#walks[this.#at]?.chain.first ?? 0;
  }

  #takeEntry(line: Buffer, walk: Walk): BadExport | undefined {
    const row = parseRow(line);
    const entry = row && parseEntry(row.text);
    const index = this.#index++;
    const verdict = walk.verifier.next(row?.text ?? "", entry);
    if (verdict !== undefined) return this.#badEntry(walk, verdict.firstBad, verdict.why);
    if (row === undefined || entry === undefined || !fieldsMatch(row.fields, entry)) {
      return this.#badEntry(walk, index, "not what it committed to");
    }
    this.#entries += 1;
    const named = addedNode(entry) ?? begunNode(walk.chain.node, entry);
    if (named !== undefined) this.#names.set(named.node, named.name);
    if (Object.keys(entry.commitments).length > Object.keys(row.fields).length) this.#erased += 1;
    if (this.#index === walk.chain.length) this.#begin(this.#at + 1);
    return undefined;
  }

  #takeCheckpoint(line: Buffer): BadExport | undefined {
    const checkpoint = parseCheckpoint(line.toString("latin1"));
    const header = this.#header;
    if (checkpoint === undefined || header === undefined) return this.bad("is not the checkpoint that was to come");
    if (checkpoint.key !== header.key || !isCheckpointSigned(checkpoint)) return this.bad("has a wrong signature");
    if (checkpoint.store !== header.store) return this.bad("is the checkpoint of another store");
    if (checkpoint.time !== header.time) return this.bad("is the checkpoint of another time than the header's");
    const missing = [...this.#names].find(([node]) => !this.#walks.some(({ chain }) => chain.node === node));
    if (missing !== undefined) return this.bad(`stands where the chain of ${missing[1]} was to come`);
    if (checkpoint.chains.length !== this.#walks.length) return this.bad("is the checkpoint of other chains");
    for (const [at, claim] of checkpoint.chains.entries()) {
      const bad = this.#againstClaim(this.#walks[at], claim, checkpoint);
      if (bad !== undefined) return bad;
    }
    this.#checkpoint = checkpoint;
    return undefined;
  }

  #againstClaim(walk: Walk | undefined, claim: Claim, { version, time }: Checkpoint): BadExport | undefined {
    if (walk?.chain.node !== claim.node) return this.bad("is the checkpoint of other chains");
    const { first, prev, anchor } = walk.chain;
    // With the anchor of a later time, its first entries could be cut off unseen: the end would be the same.
    const begins = version === 1 ? (anchor?.time ?? 0) <= time : claim.first === first && claim.prev === prev;
    if (!begins) return this.bad("is the checkpoint of a log that began elsewhere");
    const verdict = walk.verifier.end(claim);
    return verdict.ok ? undefined : this.#badEntry(walk, verdict.firstBad, verdict.why);
  }

  #badEntry({ chain }: Walk, entry: number, why: string): BadExport {
    return {
      ...this.bad(why),
      entry,
      ...(this.#walks.length > 1 && { node: this.#names.get(chain.node) ?? chain.node }),
    };
  }
}

/** Where a chain begins, by its origin or by an anchor that is signed; undefined where it is neither. */
function startOf(header: ExportHeader, chain: ExportedChain): ChainStart | undefined {
  const anchor = anchorOf(chain);
  if (anchor === undefined) {
    const begin = chainBegin(chain.node);
    return chain.first === begin.first && chain.prev === begin.prev ? begin : undefined;
  }
  return isAnchorSigned(header.key, chainNameOf(header, chain), anchor) ? anchor : undefined;
}
