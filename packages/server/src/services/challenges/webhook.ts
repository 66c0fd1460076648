import { createHmac } from "node:crypto";
import type { PostRequest } from "../../post.js";
import type { Callback, Target } from "../../records/challenges/callback.js";
import type { OutboxMessage } from "../../records/challenges/outbox.js";
import { fillTemplate, placeholdersOf, type Values } from "./callback-url.js";

/** What a receiver knows its secret by (Standard Webhooks 1.0.0, "Signature scheme"). */
const SECRET_PREFIX = "whsec_";

export function secretText(secret: Buffer): string {
  return `${SECRET_PREFIX}${secret.toString("base64")}`;
}

export interface Signed {
  readonly id: string;
  /** Seconds since 1970. */
  readonly timestamp: number;
  readonly body: string;
}

/** `v1,` and the base64 of HMAC-SHA256(secret, id "." timestamp "." body). */
export function signatureOf(secret: Buffer, { id, timestamp, body }: Signed): string {
  return `v1,${createHmac("sha256", secret).update(`${id}.${timestamp}.${body}`, "utf8").digest("base64")}`;
}

/**
 * The request of one try, at `now` (ms). All that it says but the time of the try, and with that the signature, is the
 * same at each.
 * @throws PosternError `callback_value_invalid`
 */
export function requestOf({ target }: Callback, message: OutboxMessage, now: number): PostRequest {
  const { challenge, event, occurredAt, subject, result, clientId, flow } = message;
  if (target.kind === "template") return filledRequest(target, valuesOf(message), challenge);
  const data = { challenge_id: challenge, subject, result, client_id: clientId, flow };
  return signedRequest(target, { id: challenge, type: event, occurredAt, data }, now);
}

/** One that tells of nothing, to try a callback by; of a template, with words in the places of its values. */
export function testRequestOf({ target }: Callback, id: string, now: number): PostRequest {
  if (target.kind === "webhook") {
    return signedRequest(target, { id, type: "callback.test", occurredAt: now, data: {} }, now);
  }
  const values = { client_id: "test", flow: "test", result: "expired", validated: "false", challenge_id: id };
  return filledRequest(target, values, id);
}

type Webhook = Extract<Target, { kind: "webhook" }>;
type Template = Extract<Target, { kind: "template" }>;

interface Event {
  readonly id: string;
  readonly type: string;
  readonly occurredAt: number;
  readonly data: object;
}

function signedRequest({ url, secret }: Webhook, { id, type, occurredAt, data }: Event, now: number): PostRequest {
  const timestamp = Math.floor(now / 1000);
  const body = JSON.stringify({ type, timestamp: new Date(occurredAt).toISOString(), data });
  const headers = {
    "content-type": "application/json",
    "webhook-id": id,
    "webhook-timestamp": String(timestamp),
    "webhook-signature": signatureOf(secret, { id, timestamp, body }),
  };
  return { method: "POST", url, headers, body };
}

function filledRequest({ url, method, token }: Template, values: Values, id: string): PostRequest {
  const bearer = token !== undefined && !placeholdersOf(url).includes("token") && { authorization: `Bearer ${token}` };
  const filled = fillTemplate(url, { ...values, ...(token !== undefined && { token }) });
  return { method, url: filled, headers: { "webhook-id": id, ...bearer } };
}

function valuesOf({ clientId, flow, result, challenge }: OutboxMessage): Values {
  return {
    ...(clientId !== undefined && { client_id: clientId }),
    ...(flow !== undefined && { flow }),
    result,
    validated: String(result === "right"),
    challenge_id: challenge,
  };
}
