import { PosternError } from "@postern/shared/errors";
import type { ApiKeyId } from "@postern/shared/ids";
import type { Barrier, SealedWriteTransaction } from "../../barrier/barrier.js";
import { type ApiKey, apiKeyKey, findApiKey, putApiKey, scanApiKeys } from "../../records/applications/api-key.js";
import { type AuditContext, audit, type ServiceContext } from "../context.js";
import { type EndedIn, sweep } from "../sweep.js";
import { apiKeyState, drawKey, endOf, type NewApiKey } from "./api-keys.js";

/** What an operator does about API keys once they are there. */

/** Every key that is still kept, the one made last first. */
export async function listApiKeys({ barrier }: { readonly barrier: Barrier }): Promise<ApiKey[]> {
  const { keys } = await barrier.read((tx) => scanApiKeys(tx, undefined));
  return keys.sort((a, b) => b.createdAt - a.createdAt);
}

export interface Rotation {
  /** Milliseconds for which the old key still works, unless it expires before; 0 revokes it. */
  readonly overlap: number;
  /** Milliseconds, of the new key; undefined for one that does not expire; left out, that of the old one. */
  readonly lifetime?: number | undefined;
}

/**
 * Makes the successor of an open key: of the same application, name and scopes.
 * @throws PosternError `id_unknown`; `api_key_ended` for one that has ended, or that has a successor
 */
export function rotateApiKey(
  context: AuditContext,
  id: ApiKeyId,
  { overlap, ...wish }: Rotation,
): Promise<NewApiKey & { readonly old: ApiKey & { readonly expiresAt: number } }> {
  return context.barrier.transact(async (tx) => {
    const now = context.now();
    const key = await findApiKey(tx, id);
    if (key === undefined) throw new PosternError("id_unknown");
    if (apiKeyState(key, now) !== "open") throw new PosternError("api_key_ended");
    const lifetime = "lifetime" in wish ? wish.lifetime : lifetimeOf(key);
    const made = await drawKey(context, tx, { ...key, lifetime });
    const expiresAt = Math.min(now + overlap, key.expiresAt ?? Number.POSITIVE_INFINITY);
    // Revoked, it stays so whatever is done to the clock.
    const ended = overlap === 0 ? { revokedAt: now } : {};
    const old = { ...key, expiresAt, successor: made.key.id, ...ended };
    await putApiKey(tx, old);
    const told = { event: "apikey.rotate", outcome: "done", application: key.application } as const;
    await audit(context, tx, undefined, { ...told, reason: `${id} by ${made.key.id}` });
    return { ...made, old };
  });
}

function lifetimeOf({ createdAt, expiresAt }: ApiKey): number | undefined {
  return expiresAt === undefined ? undefined : expiresAt - createdAt;
}

/** Ends a key at once; `changed`: whether it was not revoked before. @throws PosternError `id_unknown` */
export function revokeApiKey(context: AuditContext, id: ApiKeyId): Promise<{ key: ApiKey; changed: boolean }> {
  return context.barrier.transact(async (tx) => {
    const key = await findApiKey(tx, id);
    if (key === undefined) throw new PosternError("id_unknown");
    if (key.revokedAt !== undefined) return { key, changed: false };
    const revoked = { ...key, revokedAt: context.now() };
    await putApiKey(tx, revoked);
    const told = { event: "apikey.revoke", outcome: "done", application: key.application } as const;
    await audit(context, tx, undefined, { ...told, reason: id });
    return { key: revoked, changed: true };
  });
}

/** Keys of a transaction. */
const PAGE = 256;

/** Revokes every key of a store that was restored, a page a transaction; the log's entry of the restore tells of it. */
export async function revokeAllApiKeys({ barrier, now }: Pick<AuditContext, "barrier" | "now">): Promise<void> {
  let after: Buffer | undefined;
  do {
    const from = after;
    after = await barrier.transact((tx) => revokePage(tx, from, now()));
  } while (after !== undefined);
}

async function revokePage(tx: SealedWriteTransaction, from: Buffer | undefined, now: number) {
  const { keys, damaged, next } = await scanApiKeys(tx, from, PAGE);
  for (const key of keys) await putApiKey(tx, { ...key, revokedAt: key.revokedAt ?? now });
  for (const key of damaged) await tx.delete(key);
  return next;
}

/** So long a key is listed once it has ended: who looks for why something stopped, finds it. */
export const LISTED_MS = 30 * 86_400_000;

/** Deletes the keys that ended long ago, and what is damaged. Returns how many. */
export function sweepApiKeys(
  { barrier, now }: Pick<ServiceContext, "barrier" | "now">,
  pageSize?: number,
): Promise<number> {
  const endedIn: EndedIn = async (tx, after, limit) => {
    const { keys, damaged, next } = await scanApiKeys(tx, after, limit);
    const ended = keys.filter((key) => (endOf(key) ?? Number.POSITIVE_INFINITY) + LISTED_MS <= now());
    return { keys: [...ended.map(({ id }) => apiKeyKey(id)), ...damaged], next };
  };
  return sweep(barrier, endedIn, pageSize);
}
