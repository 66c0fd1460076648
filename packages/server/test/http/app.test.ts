import type { AddressInfo } from "node:net";
import { PassThrough } from "node:stream";
import { connect } from "node:tls";
import { beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { z } from "zod";
import { CapturedLog } from "../../../../test/support/in-process.js";
import { type App, type Credentials, createApp } from "../../src/http/app.js";
import { addProblems, early } from "../../src/http/problems.js";
import { createIdentity } from "../../src/identity/identity-key.js";
import { issueLeaf, tlsCredentials } from "../../src/identity/leaf-certificate.js";

/** What comes in at the HTTPS port, before any rule of the API hears of it. */

let app: App;
let credentials: Credentials;
const log = new CapturedLog();

beforeAll(async () => {
  const now = Date.now();
  const identity = await createIdentity({ now });
  const leaf = await issueLeaf(identity, { hosts: ["localhost"], now });
  credentials = tlsCredentials(identity, leaf);
  ({ app } = createApp(credentials));
  addProblems(app, log);
  const body = z.strictObject({ text: z.string().max(8), count: z.number().int().optional() });
  const params = z.strictObject({ id: z.string().regex(/^[0-9]+$/) });
  app.post("/echo", { schema: { body, response: { 200: body } } }, async (request) => request.body);
  app.post("/things/:id", { schema: { params } }, async () => ({}));
  app.get("/list", { schema: { querystring: z.strictObject({ limit: z.string().optional() }) } }, async () => ({}));
  app.get("/fails", async () => {
    throw new Error("a secret reason");
  });
  return () => app.close();
});

const json = "application/json";

async function post(payload: string | Buffer, type: string | undefined = json, url = "/echo") {
  const headers = type === undefined ? {} : { "content-type": type };
  const reply = await app.inject({ method: "POST", url, payload, headers });
  return { status: reply.statusCode, type: reply.headers["content-type"], body: reply.json() };
}

describe("a body is JSON that no two parsers read differently", () => {
  it("may be of several lines", async () => {
    expect(await post('{\r\n  "text": "abc",\n\t"count": 1\n}\n')).toMatchObject({
      status: 200,
      body: { text: "abc", count: 1 },
    });
  });

  it.each([
    ["a member twice", '{"text":"a","text":"b"}'],
    ["__proto__", '{"__proto__":{"text":"a"}}'],
    ["half of a surrogate pair", '{"text":"\\ud800"}'],
    ["a depth of twenty thousand", `{"text":${"[".repeat(20_000)}`],
    ["a number beyond the safe ones", '{"text":"a","count":9007199254740993}'],
    ["1e400", '{"text":"a","count":1e400}'],
    ["bytes that are not UTF-8", Buffer.from([0x7b, 0xff, 0x7d])],
    ["a byte order mark", `\ufeff{"text":"a"}`],
    ["an array at the top", '["text"]'],
    ["more than one value", '{"text":"a"}{"text":"b"}'],
  ])("refuses %s", async (_what, payload) => {
    const refused = await post(payload);
    expect(refused).toMatchObject({ status: 400, body: { code: "bad_request", status: 400 } });
    expect(refused.body.hint).toContain("one JSON object");
  });

  it.each([
    "text/plain",
    "application/x-www-form-urlencoded",
    "application/json; charset=utf-16",
    "application/json; charset=utf-8; charset=utf-16",
    "application/json, text/plain",
    "application/jsonp",
    "multipart/form-data; boundary=json",
  ])("refuses the type %s (attack 64)", async (type) => {
    expect(await post('{"text":"a"}', type)).toMatchObject({ status: 415, body: { code: "media_type" } });
  });

  it.each(["application/x-www-form-urlencoded", "text/plain"])(
    "looks at no type where there is no body: %s",
    async (type) => {
      expect(await post("", type, "/things/1")).toMatchObject({ status: 200 });
      expect(await post(" ", type, "/things/1")).toMatchObject({ status: 415 });
    },
  );

  it.each(["application/json", "Application/JSON;charset=UTF-8", 'application/json; charset="utf-8"'])(
    "takes the type %s",
    async (type) => {
      expect(await post('{"text":"a"}', type)).toMatchObject({ status: 200 });
    },
  );

  it("refuses a body of more than 64 KiB, without reading it (attack 64)", async () => {
    const text = "a".repeat(64 * 1024);
    expect(await post(`{"text":"${text}"}`)).toMatchObject({ status: 413, body: { code: "line_too_long" } });
  });
});

describe("every refusal is a problem", () => {
  it("which says where a body does not have its form, and repeats nothing of it", async () => {
    const reply = await post('{"text":"hunter2hunter2","hunter3":1}');
    expect(reply).toMatchObject({ status: 422, type: "application/problem+json", body: { code: "invalid_input" } });
    expect(reply.body.errors).toEqual([
      { pointer: "/text", message: expect.stringContaining("8") },
      { pointer: "", message: "it has a member that is not known" },
    ]);
    expect(JSON.stringify(reply.body)).not.toContain("hunter");
  });

  it("with no body at all, too", async () => {
    expect(await post("", undefined)).toMatchObject({ status: 422, body: { code: "invalid_input" } });
    expect(await post("")).toMatchObject({ status: 422, body: { code: "invalid_input" } });
  });

  it.each([
    ["HPE_HEADER_OVERFLOW", 413, "line_too_long"],
    ["ERR_HTTP_REQUEST_TIMEOUT", 408, "step_timeout"],
    ["HPE_INVALID_METHOD", 400, "bad_request"],
  ])("and what is no request that is read to its end: %s", (code, status, named) => {
    const socket = new PassThrough();
    early.clientErrorHandler?.call(app, Object.assign(new Error(code), { code }) as never, socket as never);
    const said = String(socket.read());
    expect(said).toMatch(new RegExp(`^HTTP/1.1 ${status} `));
    expect(JSON.parse(said.slice(said.indexOf("{")))).toMatchObject({ status, code: named });
  });

  it("and a parameter given twice (attack 64)", async () => {
    const reply = await app.inject("/list?limit=1&limit=2");
    expect(reply.json()).toMatchObject({ status: 422, errors: [{ pointer: "/querystring/limit" }] });
    expect((await app.inject("/list?other=1")).statusCode).toBe(422);
  });

  it.each(["/nothing", "/echo/", "/ECHO", "/things/abc"])("and nothing is at %s", async (url) => {
    expect(await post('{"text":"a"}', json, url)).toMatchObject({ status: 404, body: { code: "not_found" } });
  });

  it("and a failure tells nothing of its reason, which the log has", async () => {
    const reply = await app.inject("/fails");
    expect(reply.json()).toEqual({
      title: "the server failed",
      status: 500,
      code: "internal",
      hint: expect.any(String),
    });
    expect(log.errors).toHaveLength(1);
  });

  it("and a path that cannot be decoded", async () => {
    expect((await app.inject("/things/%ff")).json()).toMatchObject({ status: 400, code: "bad_request" });
  });

  it("and an id that is longer than any", async () => {
    expect((await app.inject(`/things/${"a".repeat(300)}`)).json()).toMatchObject({ status: 404, code: "not_found" });
  });
});

it("says of every reply that it is no page, and nothing to guess the type of", async () => {
  for (const url of ["/nothing", "/list"]) {
    expect((await app.inject(url)).headers).toMatchObject({
      "x-content-type-options": "nosniff",
      "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
    });
  }
});

describe("a request that does not come to its end", () => {
  it.each([
    ["headers", "GET /echo HTTP/1.1\r\nhost: postern.test\r\nx-more: "],
    [
      "a body",
      "POST /echo HTTP/1.1\r\nhost: postern.test\r\ncontent-type: application/json\r\ncontent-length: 9\r\n\r\n{",
    ],
    [
      "pieces",
      "POST /echo HTTP/1.1\r\nhost: postern.test\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n1\r\n \r\n",
    ],
  ])("is ended when its time is over, in the middle of %s", async (_what, begun) => {
    const { app: hasty } = createApp(credentials, {}, { requestMs: 50, checkMs: 10 });
    onTestFinished(() => hasty.close());
    addProblems(hasty, log);
    hasty.post("/echo", async () => ({}));
    await hasty.listen({ host: "127.0.0.1", port: 0 });
    const { port } = hasty.server.address() as AddressInfo;
    const socket = connect({ host: "127.0.0.1", port, rejectUnauthorized: false }, () => socket.write(begun));
    socket.on("error", () => {});
    let said = "";
    socket.on("data", (bytes: Buffer) => {
      said += bytes.toString("latin1");
    });
    await new Promise((resolve) => socket.once("close", resolve));
    expect(said).toMatch(/^HTTP\/1\.1 408 [\s\S]*"step_timeout"/);
  });
});
