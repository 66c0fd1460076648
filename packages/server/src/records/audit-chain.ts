import { hash as digest } from "node:crypto";
import { PosternError } from "@postern/shared/errors";
import { z } from "zod";

/**
 * The audit chain: entry i holds the SHA-256 of entry i-1, so that an edit, a removal or a reordering breaks a link.
 * What is chained has no personal field, only salted commitments to them; the fields and salts stand apart, so that
 * erasing a person leaves the chain verifiable.
 */

/** The personal fields that an event can carry. */
export const personalFields = ["name", "address", "client", "subject"] as const;
export type PersonalField = (typeof personalFields)[number];

/** SHA-256, in lower-case hex. */
export const hashForm = /^[0-9a-f]{64}$/;
export const hash = z.string().regex(hashForm);

const entrySchema = z.strictObject({
  index: z.number().int().nonnegative(),
  /** SHA-256 of the text of the entry before; for index 0 that of the chain's name. */
  prev: hash,
  /** Milliseconds since 1970. */
  time: z.number().int().nonnegative(),
  event: z.string(),
  outcome: z.enum(["done", "granted", "refused"]),
  reason: z.string().optional(),
  account: z.string().optional(),
  session: z.string().optional(),
  /** The device that the person came from, where it is known by a secret of its own. */
  device: z.string().optional(),
  /** `app_…`, the application that asked for it. */
  application: z.string().optional(),
  /** `chl_…`, the page that it is about. */
  challenge: z.string().optional(),
  commitments: z.partialRecord(z.enum(personalFields), hash),
});
export type AuditEntry = z.infer<typeof entrySchema>;

/** What the chain's first entry points to: it ties a chain to its node. */
export function chainOrigin(node: string): string {
  return sha256(`postern audit chain 1\n${node}`);
}

/** The entry's text is what is hashed, stored and exported: its members in this order, no white space, no absent one. */
export function entryText(entry: AuditEntry): string {
  const { index, prev, time, event, outcome, reason, account, session, device, application, challenge, commitments } =
    entry;
  const own = {
    index,
    prev,
    time,
    event,
    outcome,
    reason,
    account,
    session,
    device,
    application,
    challenge,
    commitments,
  };
  return JSON.stringify(own);
}

export function entryHash(text: string): string {
  return sha256(text);
}

/** Commitment = SHA-256(salt | field name | 0 | value): hiding by its 32 random bytes of salt, and binding. */
export function commitment(field: PersonalField, value: string, salt: Buffer): string {
  const opening = Buffer.concat([salt, Buffer.from(`${field}\0${value}`, "utf8")]);
  const committed = digest("sha256", opening, "hex");
  opening.fill(0);
  return committed;
}

/** The entry of a text, or undefined where it is not one in its only form. */
export function parseEntry(text: string): AuditEntry | undefined {
  try {
    const parsed = entrySchema.safeParse(JSON.parse(text));
    return parsed.success && entryText(parsed.data) === text ? parsed.data : undefined;
  } catch {
    return undefined;
  }
}

export interface ChainHead {
  readonly length: number;
  /** The hash of the last entry, or the chain's origin when there is none. */
  readonly hash: string;
}

/** Where what is kept of a chain begins: its first entry's index, and the hash that this entry points to. */
export interface ChainStart {
  readonly first: number;
  readonly prev: string;
}

/** The start of a chain of which nothing was removed. */
export function chainBegin(node: string): ChainStart {
  return { first: 0, prev: chainOrigin(node) };
}

/** `node` names the chain, where a log has several. */
export type BadEntry = { ok: false; firstBad: number; why: string; node?: string };
export type ChainVerdict = { ok: true; first: number; length: number } | BadEntry;

/**
 * Goes along a chain and says where it first fails to hold. `texts` are the stored entries by index, undefined where
 * one is missing. When a link does not fit, the entry before was edited if the one behind is itself held by the next
 * link; otherwise the one behind was. `saved` is a head that the chain once had, by a checkpoint: it must have grown
 * from there.
 */
export class ChainVerifier {
  readonly #start: ChainStart;
  readonly #saved: ChainHead | undefined;
  #expected: string;
  #index: number;
  #suspect: number | undefined;

  /** @throws PosternError `usage` when `saved` is of entries that were all removed by retention: it tells nothing */
  constructor(start: ChainStart, saved?: ChainHead) {
    if (saved !== undefined && saved.length < start.first) {
      const detail = `the checkpoint is older than the entries that are kept: it ends at ${saved.length}, they begin at ${start.first}`;
      throw new PosternError("usage", { detail });
    }
    this.#start = start;
    this.#saved = saved;
    this.#expected = start.prev;
    this.#index = start.first;
  }

  /** Takes the next entry's text, and what it parses to; a verdict ends the walk. */
  next(text: string | undefined, entry = text === undefined ? undefined : parseEntry(text)): BadEntry | undefined {
    const atStart = this.#index === this.#start.first ? this.#againstSaved() : undefined;
    if (atStart !== undefined) return atStart;
    const index = this.#index++;
    if (this.#suspect !== undefined) {
      const held = entry?.prev === this.#expected;
      return bad(held ? this.#suspect - 1 : this.#suspect, "edited");
    }
    if (text === undefined) return bad(index, "missing");
    if (entry === undefined) return bad(index, "not an audit entry");
    if (entry.index !== index) return bad(index, entry.index > index ? "missing or out of order" : "out of order");
    if (entry.prev !== this.#expected) {
      if (index === this.#start.first) return bad(index, "not of this chain");
      this.#suspect = index;
    }
    this.#expected = entryHash(text);
    return this.#suspect === undefined ? this.#againstSaved() : undefined;
  }

  /** Closes the walk against the head, which says how long the chain is and what its last entry hashes to. */
  end(head: ChainHead): ChainVerdict {
    const held = this.#expected === head.hash;
    if (this.#suspect !== undefined) return bad(held ? this.#suspect - 1 : this.#suspect, "edited");
    if (this.#index < head.length) return bad(this.#index, "missing");
    if (this.#index > head.length) return bad(head.length, "beyond the chain's end");
    if (!held) return bad(Math.max(this.#start.first, head.length - 1), "edited");
    if (this.#saved !== undefined && this.#saved.length > head.length) {
      return bad(head.length, `missing: by the checkpoint there were ${this.#saved.length}`);
    }
    return this.#againstSaved() ?? { ok: true, first: this.#start.first, length: head.length };
  }

  /** What the chain hashes to here, against what it did once. Which entry up to here was changed nobody can tell. */
  #againstSaved(): BadEntry | undefined {
    const saved = this.#saved;
    if (saved === undefined || saved.length !== this.#index || saved.hash === this.#expected) return undefined;
    return bad(Math.max(0, saved.length - 1), "not the one of the checkpoint: it, or one before it, was rewritten");
  }
}

const bad = (firstBad: number, why: string): BadEntry => ({ ok: false, firstBad, why });

/** As it stands behind `audit_damaged`. */
export function badEntryText({ firstBad, why, node }: Omit<BadEntry, "ok">): string {
  return `entry ${firstBad}${node === undefined ? "" : ` of ${node}`} is ${why}`;
}

function sha256(text: string): string {
  return digest("sha256", text, "hex");
}
