import { createHash } from "node:crypto";
import { z } from "zod";

/**
 * The audit chain: entry i holds the SHA-256 of entry i-1, so that an edit, a removal or a reordering breaks a link.
 * What is chained has no personal field, only salted commitments to them; the fields and salts stand apart, so that
 * erasing a person leaves the chain verifiable.
 */

/** The personal fields that an event can carry. */
export const personalFields = ["name", "address", "client"] as const;
export type PersonalField = (typeof personalFields)[number];

const hash = z.string().regex(/^[0-9a-f]{64}$/);

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
  device: z.string().optional(),
  commitments: z.partialRecord(z.enum(personalFields), hash),
});
export type AuditEntry = z.infer<typeof entrySchema>;

/** What the chain's first entry points to: it ties a chain to its node. */
export function chainOrigin(node: string): string {
  return sha256(`postern audit chain 1\n${node}`);
}

/** The entry's text is what is hashed, stored and exported: its members in this order, no white space. */
export function entryText(entry: AuditEntry): string {
  const { index, prev, time, event, outcome, reason, account, session, device, commitments } = entry;
  return JSON.stringify({ index, prev, time, event, outcome, reason, account, session, device, commitments });
}

export function entryHash(text: string): string {
  return sha256(text);
}

/** Commitment = SHA-256(salt | field name | 0 | value): hiding by its 32 random bytes of salt, and binding. */
export function commitment(field: PersonalField, value: string, salt: Buffer): string {
  return createHash("sha256").update(salt).update(`${field}\0`).update(value, "utf8").digest("hex");
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

export type ChainVerdict = { ok: true; length: number } | { ok: false; firstBad: number; why: string };

/**
 * Goes along a chain and says where it first fails to hold. `texts` are the stored entries by index, undefined where
 * one is missing. When a link does not fit, the entry before was edited if the one behind is itself held by the next
 * link; otherwise the one behind was.
 */
export class ChainVerifier {
  #expected: string;
  #index = 0;
  #suspect: number | undefined;

  constructor(node: string) {
    this.#expected = chainOrigin(node);
  }

  /** Takes the next entry's text; a verdict ends the walk. */
  next(text: string | undefined): ChainVerdict | undefined {
    const index = this.#index++;
    const entry = text === undefined ? undefined : parseEntry(text);
    if (this.#suspect !== undefined) {
      const held = entry?.prev === this.#expected;
      return bad(held ? this.#suspect - 1 : this.#suspect, "edited");
    }
    if (text === undefined) return bad(index, "missing");
    if (entry === undefined) return bad(index, "not an audit entry");
    if (entry.index !== index) return bad(index, "out of order");
    if (entry.prev !== this.#expected) {
      if (index === 0) return bad(0, "not of this chain");
      this.#suspect = index;
    }
    this.#expected = entryHash(text as string);
    return undefined;
  }

  /** Closes the walk against the head, which says how long the chain is and what its last entry hashes to. */
  end(head: ChainHead): ChainVerdict {
    const held = this.#expected === head.hash;
    if (this.#suspect !== undefined) return bad(held ? this.#suspect - 1 : this.#suspect, "edited");
    if (this.#index < head.length) return bad(this.#index, "missing");
    if (this.#index > head.length) return bad(head.length, "beyond the chain's end");
    if (!held) return bad(Math.max(0, head.length - 1), "edited");
    return { ok: true, length: head.length };
  }
}

const bad = (firstBad: number, why: string): ChainVerdict => ({ ok: false, firstBad, why });

function sha256(text: string): string {
  return createHash("sha256").update(text, "utf8").digest("hex");
}
