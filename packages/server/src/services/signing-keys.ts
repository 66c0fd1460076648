import { generateKeyPairSync } from "node:crypto";
import { isDeepStrictEqual } from "node:util";
import { PosternError } from "@postern/shared/errors";
import { type KeyId, newId } from "@postern/shared/ids";
import type { SealedReadTransaction, SealedWriteTransaction } from "../barrier/barrier.js";
import { appendAudit } from "../records/audit-log.js";
import { getSigningKeys, putSigningKeys, type SigningKeys } from "../records/signing-key.js";
import type { ServiceContext } from "./context.js";
import {
  type FreshKey,
  isDue,
  type KeyView,
  onlyKey,
  publishedOf,
  settledAt,
  viewsOf,
  withNext,
} from "./key-schedule.js";

type Tools = Pick<ServiceContext, "barrier" | "node" | "now" | "random">;

/** Why there is a new key: the last one's age, the operator's wish, or a theft that the operator suspects. */
type Reason = "age" | "operator" | "at_once";

export interface Rotation {
  /** False when there was nothing to do, or somebody else has just done it. */
  readonly rotated: boolean;
  /** What is published now. No private part leaves this room. */
  readonly keys: readonly KeyView[];
}

/** Makes the first signing key, when the store is made. */
export async function createSigningKey(
  tx: SealedWriteTransaction,
  { now, random }: Pick<ServiceContext, "now" | "random">,
): Promise<void> {
  await putSigningKeys(tx, onlyKey(freshKey(random), now()));
}

/**
 * The keys as they are now. Writes nothing: what has ended is left out all the same.
 * @throws PosternError `store_damaged`
 */
export function readSigningKeys({ barrier, now }: Pick<ServiceContext, "barrier" | "now">): Promise<SigningKeys> {
  return barrier.read((tx) => signingKeysIn(tx, now()));
}

/**
 * The same within somebody else's snapshot.
 * @throws PosternError `store_damaged`
 */
export async function signingKeysIn(tx: SealedReadTransaction, now: number): Promise<SigningKeys> {
  return settledAt(await storedKeys(tx), now);
}

/** The published keys, oldest first, as an operator may see them. */
export async function listSigningKeys(tools: Pick<ServiceContext, "barrier" | "now">): Promise<readonly KeyView[]> {
  return viewsOf(await readSigningKeys(tools));
}

/**
 * As a transaction finds them, which stores what the time has changed: so a private part is wiped no later than with
 * the first token that another key signs.
 * @throws PosternError `store_damaged`
 */
export async function settleSigningKeys(tx: SealedWriteTransaction, now: number): Promise<SigningKeys> {
  const stored = await storedKeys(tx);
  const settled = settledAt(stored, now);
  if (!isDeepStrictEqual(settled, stored)) await putSigningKeys(tx, settled);
  return settled;
}

/**
 * The hourly upkeep: wipes and removes what has ended, and publishes the next key when the newest is old enough. One
 * transaction; of two processes that do it at once, the second finds it done.
 */
export function keepSigningKeys(tools: Tools): Promise<Rotation> {
  return tools.barrier.transact(async (tx) => {
    const now = tools.now();
    const keys = await settleSigningKeys(tx, now);
    if (!isDue(keys, now)) return { rotated: false, keys: viewsOf(keys) };
    return replaceBy(tools, tx, withNext(keys, freshKey(tools.random), now), "age");
  });
}

/** Publishes the next key, which signs once every verifier can have it; nothing when one is on its way already. */
export function rotateSigningKeys(tools: Tools): Promise<Rotation> {
  return tools.barrier.transact(async (tx) => {
    const now = tools.now();
    const keys = await settleSigningKeys(tx, now);
    if (keys.ending !== undefined) return { rotated: false, keys: viewsOf(keys) };
    return replaceBy(tools, tx, withNext(keys, freshKey(tools.random), now), "operator");
  });
}

/**
 * Removes every key and signs with a new one, at once: for a suspected theft. `seen` are the keys that are to go; when
 * none of them is there any more, somebody else was first, and nothing is done. A rotation that came in between is
 * no such thing: it keeps the old keys.
 */
export function replaceSigningKeys(tools: Tools, seen: readonly KeyId[]): Promise<Rotation> {
  return tools.barrier.transact(async (tx) => {
    const keys = await storedKeys(tx);
    if (!publishedOf(keys).some(({ id }) => seen.includes(id))) return { rotated: false, keys: viewsOf(keys) };
    return replaceBy(tools, tx, onlyKey(freshKey(tools.random), tools.now()), "at_once");
  });
}

async function replaceBy(
  { node, now, random }: Tools,
  tx: SealedWriteTransaction,
  keys: SigningKeys,
  reason: Reason,
): Promise<Rotation> {
  await putSigningKeys(tx, keys);
  await appendAudit(tx, node, { event: "signing-key.rotate", outcome: "done", reason, time: now() }, random);
  return { rotated: true, keys: viewsOf(keys) };
}

async function storedKeys(tx: SealedReadTransaction): Promise<SigningKeys> {
  const keys = await getSigningKeys(tx);
  if (keys === undefined) throw new PosternError("store_damaged", { detail: "the signing keys are missing" });
  return keys;
}

function freshKey(random: (size: number) => Buffer): FreshKey {
  const { privateKey, publicKey } = generateKeyPairSync("ed25519");
  return {
    id: newId("key", random),
    privateKey: privateKey.export({ format: "der", type: "pkcs8" }),
    publicKey: Buffer.from(String(publicKey.export({ format: "jwk" }).x), "base64url"),
  };
}
