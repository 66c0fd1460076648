import type { AccountId, DeviceId, SessionId } from "@postern/shared/ids";
import type { SealedReadTransaction, SealedWriteTransaction } from "../barrier/barrier.js";
import { recordCodec } from "./codec.js";
import { getIntact, scanAndTidy, scanIntact } from "./intact.js";
import { idBytes, recordKey, recordRange } from "./keys.js";
import { bytes, instant, list, text, type ValueOf } from "./kinds.js";
import { optional, record } from "./record-kind.js";

/** A session as the server keeps it. The secret itself is only with the client; here stands its hash. */
const fields = {
  id: text<SessionId>(),
  account: text<AccountId>(),
  identity: text(),
  secretHash: bytes(32),
  authenticatedAt: instant,
  /** When a code was last given for it: what needs fresh authentication goes by this. */
  verifiedAt: instant,
  lastSeenAt: instant,
  expiresAt: instant,
  /** RFC 8176 authentication method references: how the person proved who they are. */
  amr: list(text()),
  address: text(),
  client: text(),
  /** The known device that it was made on. */
  device: optional(text<DeviceId>()),
};
const schema = record(fields);
export type Session = ValueOf<typeof schema>;

/** Format 1 knew no step-up. */
const { verifiedAt: _stepUp, device: _known, ...formerFields } = fields;
const former = {
  kind: record(formerFields),
  upgrade: (known: Omit<Session, "verifiedAt" | "device">) => ({ ...known, verifiedAt: known.authenticatedAt }),
};

const codec = recordCodec(schema, { format: 2, former });

/** A session's key begins with its account's id, so that one range holds all sessions of a person. */
export const sessionKey = (account: AccountId, id: SessionId) => recordKey("session", idBytes(account), idBytes(id));

/** A damaged record is no session. */
export function findSession(
  tx: SealedReadTransaction,
  account: AccountId,
  id: SessionId,
): Promise<Session | undefined> {
  return getIntact(tx, sessionKey(account, id), codec.decode);
}

export async function putSession(tx: SealedWriteTransaction, session: Session): Promise<void> {
  await tx.put(sessionKey(session.account, session.id), codec.encode(session));
}

export async function deleteSession(
  tx: SealedWriteTransaction,
  { account, id }: Pick<Session, "account" | "id">,
): Promise<void> {
  await tx.delete(sessionKey(account, id));
}

/** One page of all sessions in the order of their keys, with the keys of the damaged ones, and the key to go on from. */
export async function scanSessions(
  tx: SealedReadTransaction,
  after: Buffer | undefined,
  limit: number,
): Promise<{ sessions: Session[]; damaged: readonly Buffer[]; next: Buffer | undefined }> {
  const range = recordRange("session");
  const { records, ...rest } = await scanIntact(tx, { ...range, from: after ?? range.from, limit }, codec.decode);
  return { sessions: records.map(({ value }) => value), ...rest };
}

export async function sessionsOf(tx: SealedReadTransaction, account: AccountId): Promise<Session[]> {
  const { records } = await scanIntact(tx, recordRange("session", idBytes(account)), codec.decode);
  return records.map(({ value }) => value);
}

/** The same, with damaged records deleted. */
export function tidySessionsOf(tx: SealedWriteTransaction, account: AccountId): Promise<Session[]> {
  return scanAndTidy(tx, recordRange("session", idBytes(account)), codec.decode);
}
