import type { AccountId, DeviceId, SessionId } from "@postern/shared/ids";
import { z } from "zod";
import type { SealedReadTransaction, SealedWriteTransaction } from "../barrier/barrier.js";
import { bytes, instant, recordCodec } from "./codec.js";
import { getIntact, scanAndTidy, scanIntact } from "./intact.js";
import { idBytes, recordKey, recordRange } from "./keys.js";

/** A session as the server keeps it. The secret itself is only with the client; here stands its hash. */
const schema = z.strictObject({
  id: z.custom<SessionId>((value) => typeof value === "string"),
  account: z.custom<AccountId>((value) => typeof value === "string"),
  identity: z.string(),
  secretHash: bytes(32),
  authenticatedAt: instant,
  /** When a code was last given for it: what needs fresh authentication goes by this. */
  verifiedAt: instant,
  lastSeenAt: instant,
  expiresAt: instant,
  /** RFC 8176 authentication method references: how the person proved who they are. */
  amr: z.array(z.string()),
  address: z.string(),
  client: z.string(),
  /** The known device that it was made on. */
  device: z.custom<DeviceId>((value) => typeof value === "string").optional(),
});
export type Session = z.infer<typeof schema>;

const codec = recordCodec(schema, { format: 2, upgrade: fromFormat1 });

/** Format 1 knew no step-up. */
function fromFormat1(fields: unknown): unknown {
  const known = schema.omit({ verifiedAt: true, device: true }).safeParse(fields);
  return known.success ? { ...known.data, verifiedAt: known.data.authenticatedAt } : undefined;
}

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
