import { createHmac } from "node:crypto";
import type { PostRequest } from "../../post.js";
import type { Callback } from "../../records/challenges/callback.js";
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
  const id = message.challenge;
  if (target.kind === "template") {
    const { url, method, token } = target;
    const bearer = token !== undefined &&
      !placeholdersOf(url).includes("token") && { authorization: `Bearer ${token}` };
    return { method, url: fillTemplate(url, valuesOf(message, token)), headers: { "webhook-id": id, ...bearer } };
  }
  const timestamp = Math.floor(now / 1000);
  const body = bodyOf(message);
  const headers = {
    "content-type": "application/json",
    "webhook-id": id,
    "webhook-timestamp": String(timestamp),
    "webhook-signature": signatureOf(target.secret, { id, timestamp, body }),
  };
  return { method: "POST", url: target.url, headers, body };
}

function bodyOf({ event, occurredAt, challenge, subject, result, clientId, flow }: OutboxMessage): string {
  const data = { challenge_id: challenge, subject, result, client_id: clientId, flow };
  return JSON.stringify({ type: event, timestamp: new Date(occurredAt).toISOString(), data });
}

function valuesOf({ clientId, flow, result, challenge }: OutboxMessage, token: string | undefined): Values {
  return {
    ...(clientId !== undefined && { client_id: clientId }),
    ...(flow !== undefined && { flow }),
    result,
    validated: String(result === "right"),
    challenge_id: challenge,
    ...(token !== undefined && { token }),
  };
}
