import { isDeepStrictEqual } from "node:util";
import { errors, PosternError } from "@postern/shared/errors";
import { encodeLine } from "@postern/shared/frames/encode";
import { LineSplitter } from "@postern/shared/frames/line-splitter";
import {
  encodeError,
  encodeRequest,
  encodeResult,
  errorOfReply,
  parseReply,
  parseRequest,
} from "@postern/shared/frames/rpc";
import { parseStrictJson } from "@postern/shared/frames/strict-json";
import { must } from "../judge.mjs";

const json = [
  "{",
  "}",
  "[",
  "]",
  ":",
  ",",
  '"',
  '""',
  "{}",
  "[]",
  "true",
  "false",
  "null",
  "\\u0041",
  "\\ud83d\\ude00",
];
const dictionary = [
  ...json,
  "\\ud800",
  "\\udc00",
  '"__proto__"',
  '"constructor"',
  "\\n",
  "\\/",
  "[[[[[[[[",
  '{"a":',
  "\ufeff",
];

const requests = [
  { jsonrpc: "2.0", id: 1, method: "hello", params: { client: "postern", version: "0.1.0", features: [] } },
  { jsonrpc: "2.0", id: 2, method: "login.start", params: { name: "alice", A: "0f" } },
].map((request) => JSON.stringify(request));

const replies = [
  encodeResult(1, { server: "posternd", features: ["x"], nested: { a: [1, true, null] } }),
  encodeError(2, new PosternError("throttled", { retryAfter: 30 })),
  encodeError(null, new PosternError("shutting_down")),
].map((line) => line.subarray(0, -1));

function sameJson(one, other) {
  return JSON.stringify(one) === JSON.stringify(other);
}

const strictJson = {
  name: "strict-json",
  codes: ["bad_request"],
  dictionary,
  seeds: [
    ...requests,
    '{"a":[1,-2,{"b":"\\u00e9\\ud83d\\ude00\\\\\\"\\t"}],"c":true,"d":false,"e":null,"":""}',
    '{"":\t{} , "x" : [ ] }',
  ],
  maxLength: 4096,
  run(input) {
    const value = parseStrictJson(input);
    must(sameJson(value, JSON.parse(input.toString("utf8"))), "JSON.parse reads the same");
    must(Object.getPrototypeOf(value) === null, "what was not sent is absent");
    const again = parseStrictJson(encodeLine(value).subarray(0, -1));
    must(isDeepStrictEqual(again, value), "what is written is read back");
  },
};

const LF = 0x0a;

/** The first byte is the limit, the second how many bytes come at once. */
const lineSplitter = {
  name: "line-splitter",
  codes: ["line_too_long"],
  dictionary: ["\n", "\n\n", "\r\n", "x".repeat(40)],
  seeds: ["\x20\x05one\ntwo\n\nthree", "\x7f\x01a\nb\nc", "\x04\x10too long for it\n", "\x00\x01\n\n\n"],
  maxLength: 2048,
  run(input) {
    const [limit = 0, step = 0] = input;
    const stream = input.subarray(2);
    const splitter = new LineSplitter(limit);
    const lines = [];
    for (let at = 0; at < stream.length; at += step + 1) {
      for (const line of splitter.push(stream.subarray(at, at + step + 1))) lines.push(Buffer.from(line));
      must(splitter.pending <= limit, "no more is held than the limit allows");
    }
    const whole = Buffer.concat(lines.flatMap((line) => [line, Buffer.of(LF)]));
    must(stream.subarray(0, whole.length).equals(whole), "the lines are what came");
    must(stream.length - whole.length === splitter.pending, "the rest is held");
    must(!stream.subarray(whole.length).includes(LF), "no line is held back");
    must(
      lines.every((line) => line.length <= limit && !line.includes(LF)),
      "every line is one, within the limit",
    );
  },
};

const rpcRequest = {
  name: "rpc-request",
  codes: ["bad_request"],
  dictionary: [...dictionary, '"jsonrpc":"2.0"', '"id":1', '"method":"hello"', '"params":{}'],
  seeds: requests,
  maxLength: 4096,
  run(input) {
    const { id, method, params } = parseRequest(input);
    const again = parseRequest(encodeRequest(id, method, params).subarray(0, -1));
    must(isDeepStrictEqual(again, { id, method, params }), "what is written is read back");
  },
};

const rpcReply = {
  name: "rpc-reply",
  codes: ["server_failed"],
  dictionary: [
    ...dictionary,
    '"result":{}',
    '"error":{"code":-1,"message":""}',
    '"data":{"code":"busy"}',
    '"retry_after":9',
    '"hint":"x"',
  ],
  seeds: replies,
  maxLength: 4096,
  run(input) {
    const reply = parseReply(input);
    if (!("error" in reply)) return;
    const { code, message, hint, retryAfter } = errorOfReply(reply.error);
    must(message === errors[code].message && hint === errors[code].hint, "no text of the peer is shown");
    must(retryAfter === undefined || (retryAfter >= 0 && retryAfter <= 3600), "no wait is longer than an hour");
  },
};

export const targets = [strictJson, lineSplitter, rpcRequest, rpcReply];
