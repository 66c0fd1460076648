import { PosternError } from "@postern/shared/errors";
import { type ApplicationId, type CallbackId, newId } from "@postern/shared/ids";
import type { Barrier } from "../../barrier/barrier.js";
import { findApplication } from "../../records/applications/application.js";
import {
  allCallbacks,
  type Callback,
  callbacksOf,
  deleteCallbackRecord,
  putCallback,
} from "../../records/challenges/callback.js";
import { callbackRange, shelfOf, shelves } from "../../records/challenges/outbox.js";
import { type AuditContext, audit, type ServiceContext } from "../context.js";
import { fillTemplate, type Placeholder, parseCallbackUrl, placeholdersOf } from "./callback-url.js";
import { secretText } from "./webhook.js";

export type { Callback } from "../../records/challenges/callback.js";

/** An operator makes each: more is a mistake. */
const CALLBACKS_MAX = 32;

const SECRET_BYTES = 32;

export interface CallbackWish {
  readonly application: ApplicationId;
  readonly name: string;
  readonly target:
    | { readonly kind: "webhook"; readonly url: string }
    | {
        readonly kind: "template";
        readonly url: string;
        readonly method: "GET" | "POST";
        readonly token?: string | undefined;
      };
}

/**
 * Makes a callback. The secret of a webhook is in what is returned, and shown nowhere else.
 * @throws PosternError `callback_url_invalid`, `application_unknown`, `callback_exists`, `too_many_callbacks`
 */
export function createCallback(
  context: AuditContext,
  { application, name, target: wanted }: CallbackWish,
): Promise<{ callback: Callback; secret: string | undefined }> {
  const target = targetOf(wanted);
  return context.barrier.transact(async (tx) => {
    if ((await findApplication(tx, application)) === undefined) throw new PosternError("application_unknown");
    const others = await callbacksOf(tx, application);
    if (others.some((other) => other.name === name)) throw new PosternError("callback_exists");
    if (others.length >= CALLBACKS_MAX) throw new PosternError("too_many_callbacks");
    const id = newId("callback", context.random);
    const secret = target.kind === "webhook" ? context.random(SECRET_BYTES) : undefined;
    const callback: Callback = {
      id,
      application,
      name,
      createdAt: context.now(),
      target: target.kind === "webhook" ? { ...target, secret: secret ?? Buffer.alloc(0) } : target,
    };
    await putCallback(tx, callback);
    await audit(context, tx, undefined, { event: "callback.create", outcome: "done", application, reason: id });
    return { callback, secret: secret && secretText(secret) };
  });
}

function targetOf(wanted: CallbackWish["target"]) {
  if (wanted.kind === "webhook") return { kind: wanted.kind, url: parseCallbackUrl(wanted.url, []) };
  const { kind, method, token } = wanted;
  const url = parseCallbackUrl(wanted.url);
  if (placeholdersOf(url).includes("token") && token === undefined) {
    throw new PosternError("callback_url_invalid", { detail: "its {token} needs --token-file" });
  }
  return { kind, url, method, ...(token !== undefined && { token }) };
}

/** The values that come with a challenge, for the URLs of templates. */
const ofChallenges = ["client_id", "flow"] as const satisfies readonly Placeholder[];

/**
 * Whether a challenge that comes with these values can be told by this callback, before it is made.
 * @throws PosternError `callback_value_invalid`
 */
export function checkCallbackValues(
  { target }: Callback,
  { clientId, flow }: { readonly clientId?: string | undefined; readonly flow?: string | undefined },
): void {
  if (target.kind === "webhook") return;
  const values = { ...(clientId !== undefined && { client_id: clientId }), ...(flow !== undefined && { flow }) };
  const others = { result: "expired", validated: "false", challenge_id: "chl_0", token: target.token ?? "x" };
  if (ofChallenges.some((name) => target.url.includes(`{${name}}`))) fillTemplate(target.url, { ...others, ...values });
}

/** A callback, how many messages wait for it, and how many are among its dead letters. */
export interface CallbackState {
  readonly callback: Callback;
  readonly waiting: number;
  readonly dead: number;
}

/** Every callback, the one made last first. */
export function listCallbacks({ barrier }: Pick<ServiceContext, "barrier">): Promise<CallbackState[]> {
  return barrier.read(async (tx) => {
    const states: CallbackState[] = [];
    for (const callback of await allCallbacks(tx)) {
      const keys = await tx.keys(callbackRange(callback.id));
      const dead = keys.filter((key) => shelfOf(key).shelf === shelves.dead).length;
      states.push({ callback, waiting: keys.length - dead, dead });
    }
    return states.sort((a, b) => b.callback.createdAt - a.callback.createdAt);
  });
}

/**
 * Deletes a callback, and all that waits for it or is dead. Returns how many messages that were.
 * @throws PosternError `callback_unknown`
 */
export async function deleteCallback(context: AuditContext, callback: Callback): Promise<number> {
  const { id, application } = callback;
  await context.barrier.transact(async (tx) => {
    const known = (await callbacksOf(tx, application)).some((other) => other.id === id);
    if (!known) throw new PosternError("callback_unknown");
    await deleteCallbackRecord(tx, callback);
    await audit(context, tx, undefined, { event: "callback.delete", outcome: "done", application, reason: id });
  });
  return dropMessagesOf(context.barrier, id);
}

const PAGE = 256;

/** Deletes all messages of a callback that is no more, a page a transaction. */
export async function dropMessagesOf(barrier: Barrier, callback: CallbackId): Promise<number> {
  let dropped = 0;
  for (;;) {
    const page = await barrier.transact(async (tx) => {
      const keys = await tx.keys({ ...callbackRange(callback), limit: PAGE });
      for (const key of keys) await tx.delete(key);
      return keys.length;
    });
    dropped += page;
    if (page < PAGE) return dropped;
  }
}
