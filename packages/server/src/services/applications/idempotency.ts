import { createHash } from "node:crypto";
import { PosternError } from "@postern/shared/errors";
import type { z } from "zod";
import type { SealedWriteTransaction } from "../../barrier/barrier.js";
import {
  deleteIdempotency,
  findIdempotency,
  type Idempotency,
  putIdempotency,
  scanIdempotency,
} from "../../records/applications/idempotency.js";
import type { ServiceContext } from "../context.js";
import { type EndedIn, sweep } from "../sweep.js";
import type { Owner } from "./subject.js";

/**
 * Requests that name a key of their own: a repeat within a day makes nothing, and is answered as the first one was,
 * without what is shown once. All of it is decided in the transaction that makes what was asked for.
 */
const HOUR_MS = 3_600_000;
const LIFETIME_MS = 24 * HOUR_MS;

declare const idempotent: unique symbol;

export type IdempotentRequest = {
  readonly key: string;
  readonly fingerprint: Buffer;
} & { readonly [idempotent]: true };

/** A request by its key and all that it asks for; the order of its members does not count. */
export function idempotentRequest(key: string, operation: string, asked: object): IdempotentRequest {
  const fingerprint = createHash("sha256")
    .update(canonical([operation, asked]), "utf8")
    .digest();
  return { key, fingerprint } as IdempotentRequest;
}

function canonical(value: unknown): string {
  return JSON.stringify(value, (_name, member: unknown) =>
    typeof member === "object" && member !== null && !Array.isArray(member)
      ? Object.fromEntries(Object.entries(member).sort(([a], [b]) => (a < b ? -1 : 1)))
      : member,
  );
}

type Context = Pick<ServiceContext, "barrier" | "now">;

/** One key of an application stands for one request, whatever it asks for. */
const keyIndexOf = ({ barrier }: Context, { application }: Pick<Owner, "application">, { key }: IdempotentRequest) =>
  barrier.nameIndex(`idempotency\0${application}\0${key}`);

/**
 * What the same request has made before; undefined when it is new.
 * @throws PosternError `idempotency_mismatch` when the key stood for another request
 */
export async function recall<S extends z.ZodType>(
  context: Context,
  tx: SealedWriteTransaction,
  owner: Pick<Owner, "application">,
  request: IdempotentRequest | undefined,
  schema: S,
): Promise<z.infer<S> | undefined> {
  if (request === undefined) return undefined;
  const found = await findIdempotency(tx, owner.application, keyIndexOf(context, owner, request));
  if (found === undefined || isOver(found, context.now())) return undefined;
  // Of two digests there is nothing to learn by their times.
  if (!found.fingerprint.equals(request.fingerprint)) throw new PosternError("idempotency_mismatch");
  const created = schema.safeParse(found.created);
  return created.success ? created.data : undefined;
}

/** Keeps what a request has made, in the transaction that makes it. */
export async function remember(
  context: Context,
  tx: SealedWriteTransaction,
  owner: Pick<Owner, "application">,
  request: IdempotentRequest | undefined,
  created: object,
): Promise<void> {
  if (request === undefined) return;
  const { fingerprint } = request;
  const record = { fingerprint, createdAt: context.now(), created };
  await putIdempotency(tx, owner.application, keyIndexOf(context, owner, request), record);
}

/** The same request makes it anew: what it made was taken back. */
export async function forget(
  context: Context,
  tx: SealedWriteTransaction,
  owner: Pick<Owner, "application">,
  request: IdempotentRequest | undefined,
): Promise<void> {
  if (request !== undefined) await deleteIdempotency(tx, owner.application, keyIndexOf(context, owner, request));
}

/** One of more than an hour ahead was made by a clock that ran ahead, and would have no end. */
function isOver({ createdAt }: Idempotency, now: number): boolean {
  return createdAt + LIFETIME_MS <= now || createdAt > now + HOUR_MS;
}

/** Deletes those whose day is over, and what is damaged; run now and then. Returns how many. */
export function sweepIdempotency({ barrier, now }: Context, pageSize?: number): Promise<number> {
  const endedIn: EndedIn = async (tx, after, limit) => {
    const { records, damaged, next } = await scanIdempotency(tx, after, limit);
    const over = records.filter(({ value }) => isOver(value, now()));
    return { keys: [...over.map(({ key }) => key), ...damaged], next };
  };
  return sweep(barrier, endedIn, pageSize);
}
