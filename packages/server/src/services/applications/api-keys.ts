import { PosternError } from "@postern/shared/errors";
import { type ApiKeyId, type ApplicationId, newId } from "@postern/shared/ids";
import type { SealedReadTransaction, SealedWriteTransaction } from "../../barrier/barrier.js";
import { type ApiKey, findApiKey, putApiKey, type Scope } from "../../records/applications/api-key.js";
import { type AuditContext, audit, refusedKey } from "../context.js";
import { findOrMakeApplication } from "./applications.js";
import { drawKeyText, isSameHash, type KeyText, parseKeyText } from "./key-text.js";

export type { Scope } from "../../records/applications/api-key.js";

/** Who calls, as the key that was shown tells. It is good for the request that showed it, and no longer. */
export interface Caller {
  readonly application: ApplicationId;
  readonly applicationName: string;
  readonly key: ApiKeyId;
  readonly scopes: ReadonlySet<Scope>;
}

export interface ApiKeyWish {
  /** One line of 1 to 64 characters. */
  readonly name: string;
  readonly scopes: readonly Scope[];
  /** Milliseconds; undefined for a key that does not expire. */
  readonly lifetime: number | undefined;
  /** Whose it is; without it, a new application's, of the key's name. */
  readonly application?: ApplicationId | undefined;
}

/** A key that was made: `text` is in what is returned, and nowhere else. */
export interface NewApiKey {
  readonly key: ApiKey;
  readonly text: string;
}

/** Makes a key. @throws PosternError `application_unknown` */
export function createApiKey(
  context: AuditContext,
  { name, scopes, lifetime, application: wanted }: ApiKeyWish,
): Promise<NewApiKey> {
  return context.barrier.transact(async (tx) => {
    const { id: application, name: applicationName } = await findOrMakeApplication(context, tx, { id: wanted, name });
    const made = await drawKey(context, tx, { application, applicationName, name, scopes, lifetime });
    const { key } = made;
    await audit(context, tx, undefined, { event: "apikey.create", outcome: "done", application, reason: key.id });
    return made;
  });
}

/** A new key, in the transaction that says in the log what it is for. */
export async function drawKey(
  { now, random }: AuditContext,
  tx: SealedWriteTransaction,
  wish: Pick<ApiKey, "application" | "applicationName" | "name"> & Pick<ApiKeyWish, "scopes" | "lifetime">,
): Promise<NewApiKey> {
  const { application, applicationName, name, scopes, lifetime } = wish;
  const { id, hash, text } = drawKeyText(newId("apiKey", random), random);
  const createdAt = now();
  const key: ApiKey = {
    id,
    application,
    applicationName,
    name,
    hash,
    scopes: [...scopes],
    createdAt,
    ...(lifetime !== undefined && { expiresAt: createdAt + lifetime }),
  };
  await putApiKey(tx, key);
  return { key, text };
}

export type ApiKeyState = "open" | "ending" | "rotated" | "expired" | "revoked";

/** What a key is at `now` (ms). Only one that is open, or ending since it has a successor, is worth anything. */
export function apiKeyState({ revokedAt, successor, expiresAt }: ApiKey, now: number): ApiKeyState {
  if (revokedAt !== undefined) return "revoked";
  const expired = expiresAt !== undefined && now >= expiresAt;
  if (successor !== undefined) return expired ? "rotated" : "ending";
  return expired ? "expired" : "open";
}

export function isUsable(key: ApiKey, now: number): boolean {
  const state = apiKeyState(key, now);
  return state === "open" || state === "ending";
}

/** When a key ended, or will end; undefined for one that goes on. */
export function endOf({ revokedAt, expiresAt = Number.POSITIVE_INFINITY }: ApiKey): number | undefined {
  const end = Math.min(revokedAt ?? Number.POSITIVE_INFINITY, expiresAt);
  return Number.isFinite(end) ? end : undefined;
}

/** A use is noted at most once a minute. */
const TOUCH_MS = 60_000;

/**
 * Who has this key. It takes one read, and once a minute a transaction that notes the use. A refusal is counted, and
 * not written to the audit log, which anybody could fill so.
 * @throws PosternError `api_key_invalid`: the same for what is no key, and one that is unknown, has ended or was revoked
 */
export async function authenticateKey(context: AuditContext, text: string): Promise<Caller> {
  const shown = parseKeyText(text);
  if (shown === undefined) throw refusal(context, "malformed");
  const judged = await context.barrier.read((tx) => judge(tx, shown, context.now()));
  if (typeof judged === "string") throw refusal(context, judged);
  return callerOf(await noteUse(context, shown, judged));
}

type Fault = "malformed" | "unknown" | "wrong_secret" | Exclude<ApiKeyState, "open" | "ending">;

/** The secret comes first: whether a key of that id is expired or revoked is told to nobody who does not have it. */
async function judge(tx: SealedReadTransaction, shown: KeyText, now: number): Promise<ApiKey | Fault> {
  const key = await findApiKey(tx, shown.id);
  if (key === undefined) return "unknown";
  if (!isSameHash(key.hash, shown.hash)) return "wrong_secret";
  const state = apiKeyState(key, now);
  return state === "open" || state === "ending" ? key : state;
}

/** Of many uses at once the first is noted; a key that has ended meanwhile is refused. */
async function noteUse(context: AuditContext, shown: KeyText, known: ApiKey): Promise<ApiKey> {
  const { barrier, now } = context;
  const isNoted = ({ lastUsedAt }: ApiKey) => lastUsedAt !== undefined && now() - lastUsedAt < TOUCH_MS;
  if (isNoted(known)) return known;
  const noted = await barrier.transact(async (tx) => {
    const key = await judge(tx, shown, now());
    if (typeof key === "string" || isNoted(key)) return key;
    const used = { ...key, lastUsedAt: Math.max(key.lastUsedAt ?? 0, now()) };
    await putApiKey(tx, used);
    return used;
  });
  if (typeof noted === "string") throw refusal(context, noted);
  return noted;
}

function refusal({ heard }: AuditContext, reason: Fault): PosternError {
  heard?.({ event: refusedKey, outcome: "refused", reason });
  return new PosternError("api_key_invalid");
}

function callerOf({ application, applicationName, id, scopes }: ApiKey): Caller {
  return { application, applicationName, key: id, scopes: new Set(scopes) };
}
