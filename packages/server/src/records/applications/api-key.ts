import type { ApiKeyId, ApplicationId } from "@postern/shared/ids";
import type { SealedReadTransaction, SealedWriteTransaction } from "../../barrier/barrier.js";
import { recordCodec } from "../codec.js";
import { getIntact, scanIntact } from "../intact.js";
import { idBytes, recordKey, recordRange } from "../keys.js";
import { bytes, instant, list, text, type ValueOf, words } from "../kinds.js";
import { optional, record } from "../record-kind.js";

/** What a key can be for: each is the first segment of paths of the API. */
export const scopes = ["otp", "totp", "hotp", "challenge", "session", "admin"] as const;
export type Scope = (typeof scopes)[number];

/** An API key as the store keeps it: of its secret only a hash. */
const schema = record({
  id: text<ApiKeyId>(),
  application: text<ApplicationId>(),
  /** That of the application's record, so that one read tells who calls; nothing changes it. */
  applicationName: text(),
  name: text(),
  /** SHA-256 of the key's secret. */
  hash: bytes(32),
  scopes: list(words(...scopes)),
  createdAt: instant,
  /** From then on it is worth nothing; without it, never. */
  expiresAt: optional(instant),
  /** The key that takes its place, at the latest when this one expires. */
  successor: optional(text<ApiKeyId>()),
  revokedAt: optional(instant),
  /** To the minute: a use is noted no more often. */
  lastUsedAt: optional(instant),
});
export type ApiKey = ValueOf<typeof schema>;

const codec = recordCodec(schema, { format: 1 });

export const apiKeyKey = (id: ApiKeyId) => recordKey("apiKey", idBytes(id));

/** A damaged record is no key. */
export function findApiKey(tx: SealedReadTransaction, id: ApiKeyId): Promise<ApiKey | undefined> {
  return getIntact(tx, apiKeyKey(id), codec.decode);
}

export async function putApiKey(tx: SealedWriteTransaction, key: ApiKey): Promise<void> {
  await tx.put(apiKeyKey(key.id), codec.encode(key));
}

/** One page of them in the order of their ids, with the keys of the damaged ones, and the key to go on from. */
export async function scanApiKeys(
  tx: SealedReadTransaction,
  after: Buffer | undefined,
  limit?: number,
): Promise<{ keys: ApiKey[]; damaged: readonly Buffer[]; next: Buffer | undefined }> {
  const range = recordRange("apiKey");
  const scanned = { ...range, from: after ?? range.from, ...(limit !== undefined && { limit }) };
  const { records, ...rest } = await scanIntact(tx, scanned, codec.decode);
  return { keys: records.map(({ value }) => value), ...rest };
}
