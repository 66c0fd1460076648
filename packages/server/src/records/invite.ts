import type { InviteId } from "@postern/shared/ids";
import type { SealedReadTransaction, SealedWriteTransaction } from "../barrier/barrier.js";
import { recordCodec } from "./codec.js";
import { scanIntact } from "./intact.js";
import { idBytes, recordKey, recordRange } from "./keys.js";
import { bytes, count, flag, instant, ordinal, text, type ValueOf } from "./kinds.js";
import { optional, record } from "./record-kind.js";

/**
 * An invite as the store keeps it: of its token only a hash. Its id is the beginning of that hash, so that it is found
 * without an index; 128 bits of a hash of 128 random bits tell nothing of them.
 */
const schema = record({
  id: text<InviteId>(),
  /** SHA-256 of the token's secret. */
  hash: bytes(32),
  createdAt: instant,
  /** From then on it is worth nothing; a while later its record goes. */
  expiresAt: instant,
  /** How many accounts it may make, and has made. */
  uses: ordinal,
  used: count,
  revoked: flag,
  /** What the operator wants to remember of it. */
  note: optional(text()),
});
export type Invite = ValueOf<typeof schema>;

const codec = recordCodec(schema, { format: 1 });

const ID_BYTES = 16;

/** Which invite it is that has this hash. */
export function inviteIdOf(hash: Buffer): InviteId {
  return `inv_${hash.toString("hex", 0, ID_BYTES)}`;
}

export const inviteKey = (id: InviteId) => recordKey("invite", idBytes(id));

export async function findInvite(tx: SealedReadTransaction, id: InviteId): Promise<Invite | undefined> {
  const stored = await tx.get(inviteKey(id));
  return stored && codec.decode(stored);
}

export async function putInvite(tx: SealedWriteTransaction, invite: Invite): Promise<void> {
  await tx.put(inviteKey(invite.id), codec.encode(invite));
}

/** One page of invites in the order of their keys, with the keys of the damaged ones, and the key to go on from. */
export async function scanInvites(
  tx: SealedReadTransaction,
  after: Buffer | undefined,
  limit: number,
): Promise<{ invites: Invite[]; damaged: readonly Buffer[]; next: Buffer | undefined }> {
  const range = recordRange("invite");
  const { records, ...rest } = await scanIntact(tx, { ...range, from: after ?? range.from, limit }, codec.decode);
  return { invites: records.map(({ value }) => value), ...rest };
}
