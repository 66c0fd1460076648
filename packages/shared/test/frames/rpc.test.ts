import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { errors, PosternError } from "../../src/errors.js";
import { encodeLine } from "../../src/frames/encode.js";
import {
  encodeError,
  encodeRequest,
  encodeResult,
  errorOfReply,
  parseReply,
  parseRequest,
} from "../../src/frames/rpc.js";

const failure = (code: string) => expect.objectContaining({ name: "PosternError", code });
const line = (value: unknown) => Buffer.from(JSON.stringify(value));
const withoutEnd = (bytes: Buffer) => bytes.subarray(0, -1);

const request = { jsonrpc: "2.0", id: 0, method: "hello", params: { name: "a" } };

describe("encodeLine", () => {
  it("ends with the only line end of the line, whatever the strings hold", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), (text) => {
        const bytes = encodeLine({ text: `${text}\n` });
        expect(bytes.indexOf(0x0a)).toBe(bytes.length - 1);
        expect(JSON.parse(bytes.toString("utf8"))).toEqual({ text: `${text}\n` });
      }),
    );
  });
});

describe("requests", () => {
  it("come back as they were sent", () => {
    const bytes = encodeRequest(7, "login.start", { name: "ålice", a: "00" });
    expect(bytes.toString()).toBe(
      '{"jsonrpc":"2.0","id":7,"method":"login.start","params":{"name":"ålice","a":"00"}}\n',
    );
    expect(parseRequest(withoutEnd(bytes))).toEqual({
      id: 7,
      method: "login.start",
      params: { name: "ålice", a: "00" },
    });
  });

  it.each([
    ["attack 4: another version", { ...request, jsonrpc: "1.0" }],
    ["attack 4: the version as a number", { ...request, jsonrpc: 2 }],
    ["attack 4: no version", { ...request, jsonrpc: undefined }],
    ["attack 4: an unknown member", { ...request, extra: 1 }],
    ["attack 4: an unknown member that objects inherit", { ...request, constructor: 1 }],
    ["a notification", { ...request, id: undefined }],
    ["a negative id", { ...request, id: -1 }],
    ["attack 6: the id as a string", { ...request, id: "1" }],
    ["attack 6: the id null", { ...request, id: null }],
    ["attack 6: the method as an array", { ...request, method: ["hello"] }],
    ["attack 6: the method as a number", { ...request, method: 1 }],
    ["attack 6: the method null", { ...request, method: null }],
    ["attack 6: the method as an object", { ...request, method: {} }],
    ["attack 6: params as an array", { ...request, params: ["a"] }],
    ["attack 6: params null", { ...request, params: null }],
    ["attack 6: params as a string", { ...request, params: "a" }],
    ["no params", { ...request, params: undefined }],
    ["a batch", [request]],
    ["a reply", { jsonrpc: "2.0", id: 1, result: {} }],
  ])("are refused: %s", (_, value) => {
    expect(() => parseRequest(line(value))).toThrow(failure("bad_request"));
  });

  it("the template of the refused ones is accepted", () => {
    expect(parseRequest(line(request))).toEqual({ id: 0, method: "hello", params: { name: "a" } });
  });
});

describe("replies", () => {
  it("a result comes back as it was sent", () => {
    expect(parseReply(withoutEnd(encodeResult(3, { session: { id: "s" } })))).toEqual({
      id: 3,
      result: { session: { id: "s" } },
    });
  });

  it("unknown members are ignored at every level of the envelope", () => {
    const data = { code: "busy", hint: "h", retry_after: 3, extra: 1 };
    const error = { code: -32004, message: "m", data, extra: 1 };
    expect(parseReply(line({ jsonrpc: "2.0", id: 3, result: { a: 1 }, extra: 1 }))).toEqual({
      id: 3,
      result: { a: 1 },
    });
    expect(parseReply(line({ jsonrpc: "2.0", id: null, error, extra: 1 }))).toEqual({
      id: null,
      error: { code: -32004, message: "m", data: { code: "busy", hint: "h", retry_after: 3 } },
    });
  });

  it.each([
    ["neither result nor error", { jsonrpc: "2.0", id: 1 }],
    ["both", { jsonrpc: "2.0", id: 1, result: {}, error: { code: 1, message: "" } }],
    ["a result without an id", { jsonrpc: "2.0", id: null, result: {} }],
    ["a result that is an array", { jsonrpc: "2.0", id: 1, result: [] }],
    ["a null result", { jsonrpc: "2.0", id: 1, result: null }],
    ["another version", { jsonrpc: "2.1", id: 1, result: {} }],
    ["an error without a code", { jsonrpc: "2.0", id: 1, error: { message: "" } }],
    ["an error without a message", { jsonrpc: "2.0", id: 1, error: { code: 1 } }],
    ["data without a code", { jsonrpc: "2.0", id: 1, error: { code: 1, message: "", data: {} } }],
    ["data that is a string", { jsonrpc: "2.0", id: 1, error: { code: 1, message: "", data: "busy" } }],
    [
      "a hint that is a number",
      { jsonrpc: "2.0", id: 1, error: { code: 1, message: "", data: { code: "x", hint: 1 } } },
    ],
    [
      "a wait below 0",
      { jsonrpc: "2.0", id: 1, error: { code: 1, message: "", data: { code: "x", retry_after: -1 } } },
    ],
    ["no JSON", "{"],
  ])("what no server should answer is server_failed: %s", (_, value) => {
    expect(() => parseReply(line(value))).toThrow(failure("server_failed"));
  });
});

describe("errors on the wire", () => {
  it("carry the table's number, message, code and hint, and the wait in whole seconds", () => {
    const bytes = encodeError(4, new PosternError("throttled", { retryAfter: 29.2 }));
    const { rpc, message, hint } = errors.throttled;
    expect(JSON.parse(bytes.toString())).toEqual({
      jsonrpc: "2.0",
      id: 4,
      error: { code: rpc, message, data: { code: "throttled", hint, retry_after: 30 } },
    });
  });

  it("promise 14: never carry the detail or the cause", () => {
    const error = new PosternError("internal", { detail: "/secret/path", cause: new Error("canary") });
    const text = encodeError(null, error).toString();
    expect(text).not.toMatch(/secret|canary/);
    expect(parseReply(Buffer.from(text.trimEnd()))).toMatchObject({ id: null, error: { data: { code: "internal" } } });
  });

  it("attack 61: a server's texts never reach the terminal, only this program's own words for the code", () => {
    const data = { code: "throttled", hint: "\u001b]52;c;\u0007", retry_after: 30 };
    const error = errorOfReply({ code: -1, message: "\u001b[2J", data });
    expect(error).toMatchObject({ code: "throttled", hint: errors.throttled.hint, retryAfter: 30 });
    expect(error.message).toBe(errors.throttled.message);
  });

  it.each([["unheard_of"], ["__proto__"], ["toString"]])("an unknown code is server_failed: %s", (code) => {
    expect(errorOfReply({ code: -1, message: "m", data: { code } }).code).toBe("server_failed");
    expect(errorOfReply({ code: -1, message: "m" }).code).toBe("server_failed");
  });
});
