import { type ErrorCode, errors, isErrorCode, PosternError, recoverable } from "../errors.js";
import { encodeLine } from "./encode.js";
import { type JsonObject, type JsonValue, parseStrictJson } from "./strict-json.js";

/** JSON-RPC 2.0 envelopes. Requests are read strictly, replies leniently: a newer server may say more. */
const VERSION = "2.0";

/** `id` is a non-negative safe integer, chosen by the client; there are no notifications and no batches. */
export interface RpcRequest {
  readonly id: number;
  readonly method: string;
  readonly params: JsonObject;
}

export interface RpcResult {
  readonly id: number;
  readonly result: JsonObject;
}

/** `id` is null when the server could not read the request's. */
export interface RpcFailure {
  readonly id: number | null;
  readonly error: RpcError;
}

export type RpcReply = RpcResult | RpcFailure;

/** `data.code` is what programs match on; `retry_after` and `clock_behind` in seconds. */
export interface RpcError {
  readonly code: number;
  readonly message: string;
  readonly data?: RpcErrorData;
}

export interface RpcErrorData {
  readonly code: string;
  readonly hint?: string;
  readonly retry_after?: number;
  readonly clock_behind?: number;
}

/** None of them may be left out, so that a message with more members has an unknown one. */
const REQUEST_MEMBERS = 4;

/** Reads a request with exactly the members `jsonrpc`, `id`, `method` and `params`. Throws `bad_request`. */
export function parseRequest(line: Uint8Array): RpcRequest {
  const message = parseStrictJson(line);
  const { jsonrpc, id, method, params } = message;
  if (jsonrpc !== VERSION || !isCount(id) || typeof method !== "string" || !isObject(params)) throw malformed();
  if (Object.keys(message).length > REQUEST_MEMBERS) throw malformed();
  return { id, method, params };
}

/**
 * Reads a reply: either `result`, an object, or `error`. Unknown members are ignored. Throws `server_failed`, with
 * what was wrong as its cause.
 */
export function parseReply(line: Uint8Array): RpcReply {
  try {
    return readReply(parseStrictJson(line));
  } catch (thrown) {
    throw new PosternError("server_failed", { cause: thrown });
  }
}

function readReply({ jsonrpc, id, result, error }: JsonObject): RpcReply {
  if (jsonrpc !== VERSION) throw malformed();
  if (error === undefined && isCount(id) && isObject(result)) return { id, result };
  if (result === undefined && (isCount(id) || id === null)) return { id, error: readError(error) };
  throw malformed();
}

function readError(error: JsonValue | undefined): RpcError {
  if (!isObject(error)) throw malformed();
  const { code, message, data } = error;
  if (typeof code !== "number" || typeof message !== "string") throw malformed();
  return data === undefined ? { code, message } : { code, message, data: readErrorData(data) };
}

function readErrorData(data: JsonValue): RpcErrorData {
  if (!isObject(data)) throw malformed();
  const { code, hint, retry_after, clock_behind } = data;
  if (typeof code !== "string") throw malformed();
  if (hint !== undefined && typeof hint !== "string") throw malformed();
  if (retry_after !== undefined && !isCount(retry_after)) throw malformed();
  if (clock_behind !== undefined && !isCount(clock_behind)) throw malformed();
  return {
    code,
    ...(hint !== undefined && { hint }),
    ...(retry_after !== undefined && { retry_after }),
    ...(clock_behind !== undefined && { clock_behind }),
  };
}

export function encodeRequest(id: number, method: string, params: object): Buffer {
  return encodeLine({ jsonrpc: VERSION, id, method, params });
}

export function encodeResult(id: number, result: object): Buffer {
  return encodeLine({ jsonrpc: VERSION, id, result });
}

/** Only what the table says of the code, and its seconds: an error's detail and cause stay on this machine. */
export function encodeError(id: number | null, { code, hint, retryAfter, clockBehind }: PosternError): Buffer {
  const { rpc, message } = errors[code];
  const data = { code, hint, retry_after: wholeSeconds(retryAfter), clock_behind: wholeSeconds(clockBehind) };
  return encodeLine({ jsonrpc: VERSION, id, error: { code: rpc, message, data } });
}

function wholeSeconds(seconds: number | undefined): number | undefined {
  return seconds === undefined ? undefined : Math.max(0, Math.ceil(seconds));
}

/**
 * What a server can have to say. Every other code of the table is about this machine, and a false server must not be
 * able to say it: "remove the file of known servers", "forget the server", "cancelled".
 */
const serverCodes: ReadonlySet<ErrorCode> = new Set([
  ...recoverable,
  "bad_request",
  "line_too_long",
  "out_of_order",
  "step_timeout",
  "shutting_down",
  "internal",
  "ephemeral_invalid",
]);

/** No wait that a server asks for is longer, and no clock that it can judge is further behind; in seconds. */
const LONGEST_WAIT = 3600;

/**
 * The error that a server reported, in this program's own words: no text of a peer reaches the terminal. A code that
 * this version does not know becomes `server_failed`.
 */
export function errorOfReply({ data }: RpcError): PosternError {
  if (!isErrorCode(data?.code) || !serverCodes.has(data.code)) return new PosternError("server_failed");
  const { code, retry_after: wait, clock_behind: behind } = data;
  return new PosternError(code, {
    ...(wait !== undefined && { retryAfter: Math.min(wait, LONGEST_WAIT) }),
    ...(behind !== undefined && { clockBehind: Math.min(behind, LONGEST_WAIT) }),
  });
}

function isCount(value: JsonValue | undefined): value is number {
  return typeof value === "number" && value >= 0;
}

function isObject(value: JsonValue | undefined): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function malformed(): PosternError {
  return new PosternError("bad_request", { detail: "not a JSON-RPC 2.0 message of this protocol" });
}
