import { PosternError } from "@postern/shared/errors";
import { type ApplicationId, isId } from "@postern/shared/ids";
import type { SealedReadTransaction, SealedWriteTransaction } from "../../barrier/barrier.js";
import { type Callback, callbacksOf } from "../../records/challenges/callback.js";
import { type OutboxMessage, shelve } from "../../records/challenges/outbox.js";
import type { ServiceContext } from "../context.js";

export type { Callback } from "../../records/challenges/callback.js";

/** What an application is told of a challenge that has ended. */
export interface CallbackMessage {
  readonly application: ApplicationId;
  /** The name of one of its callbacks. */
  readonly callback: string;
  /** `chl_…`: what the receiver knows the message by, however often it comes. */
  readonly challenge: string;
  readonly subject: string;
  readonly event: "challenge.answered" | "challenge.expired";
  readonly result: "right" | "wrong" | "expired";
  /** Milliseconds since 1970. */
  readonly occurredAt: number;
  readonly clientId?: string;
  readonly flow?: string;
}

/**
 * Puts a message into the outbox, in the caller's transaction: what has happened and that it will be told stand or fall
 * together. From then on it is delivered at least once, or is among the dead letters. Without the callback, which the
 * operator may have deleted since, there is nobody to tell, and what has happened has happened nevertheless.
 */
export async function enqueueCallback(
  { now, enqueued }: Pick<ServiceContext, "now" | "enqueued">,
  tx: SealedWriteTransaction,
  { callback: name, challenge, clientId, flow, ...told }: CallbackMessage,
): Promise<void> {
  if (!isId("challenge", challenge)) throw new PosternError("bug", { detail: "the id of no challenge" });
  const callback = await findCallback(tx, told.application, name);
  if (callback === undefined) return;
  const message: OutboxMessage = {
    ...told,
    callback: callback.id,
    challenge,
    ...(clientId !== undefined && { clientId }),
    ...(flow !== undefined && { flow }),
    attempts: 0,
    dueAt: now(),
  };
  await shelve(tx, 0, message);
  if (enqueued !== undefined) tx.afterCommit(enqueued);
}

export async function findCallback(
  tx: SealedReadTransaction,
  application: ApplicationId,
  name: string,
): Promise<Callback | undefined> {
  return (await callbacksOf(tx, application)).find((callback) => callback.name === name);
}
