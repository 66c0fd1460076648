import { lineLimits } from "@postern/shared/messages";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { startInProcess, type TestServer } from "../support/in-process.js";
import { logIn, provePassword, registered } from "../support/person.js";
import { codeOf, hello, requestLine, WireClient } from "../support/wire-client.js";

const helloLine = requestLine("hello", hello);

/** The whole of a conversation that begins with these bytes: the codes of its replies, and that the server closed. */
async function conversation(server: TestServer, bytes: string | Uint8Array): Promise<string[]> {
  const client = await WireClient.connect(server);
  client.send(bytes);
  const codes: string[] = [];
  for (let reply = await client.reply(); reply !== undefined; reply = await client.reply()) codes.push(codeOf(reply));
  return codes;
}

async function stillServes(server: TestServer): Promise<void> {
  const client = await WireClient.open(server);
  expect(await client.outcome("login.start", { name: "alice", A: "2".repeat(512) })).toBe("ok");
}

describe("attack 1: a line that is too long, or never ends", () => {
  it("is read up to its cap and closed one byte later", async () => {
    const server = await startInProcess();
    const longest = Buffer.alloc(lineLimits.unauthenticated, "x");
    expect(await conversation(server, Buffer.concat([longest, Buffer.from("\n")]))).toEqual(["bad_request"]);
    expect(await conversation(server, Buffer.concat([longest, Buffer.from("xx\n")]))).toEqual(["line_too_long"]);
    expect(await conversation(server, Buffer.concat([longest, Buffer.from("x")]))).toEqual(["line_too_long"]);
    expect(server.log.errors).toEqual([]);
  });

  it("costs the server no more than the cap, however much is sent", async () => {
    const server = await startInProcess();
    const client = await WireClient.connect(server);
    const flood = Buffer.alloc(1024 * 1024, "x");
    for (let sent = 0; sent < 32; sent++) client.send(flood);
    expect(codeOf(await client.reply())).toBe("line_too_long");
    await client.closed;
    await stillServes(server);
  });

  it("may have 64 KiB in a session, and not a byte more", async () => {
    const server = await startInProcess();
    const alice = await registered(server);
    const client = await WireClient.open(server);
    await logIn(client, alice, alice.code(server.clock));
    const whoami = requestLine("session.whoami", {}, 9);
    expect(codeOf(await client.exchange(whoami.padEnd(lineLimits.authenticated, " ")))).toBe("ok");
    expect(codeOf(await client.exchange(whoami.padEnd(lineLimits.authenticated + 1, " ")))).toBe("line_too_long");
    expect(await client.reply()).toBeUndefined();
  });

  it("falls back to 4 KiB after a logout", async () => {
    const server = await startInProcess();
    const alice = await registered(server);
    const client = await WireClient.open(server);
    await logIn(client, alice, alice.code(server.clock));
    await client.ok("session.logout", {});
    expect(codeOf(await client.exchange("x".repeat(lineLimits.unauthenticated + 1)))).toBe("line_too_long");
  });
});

describe("attack 2: requests cut and joined", () => {
  it("one byte at a time is a request like any other", async () => {
    const server = await startInProcess();
    const client = await WireClient.connect(server);
    for (const byte of Buffer.from(`${helloLine}\n`)) client.send(Buffer.of(byte));
    expect(codeOf(await client.reply())).toBe("ok");
  });

  it.each([
    ["two requests in one packet", `${helloLine}\n${helloLine}\n`],
    ["a request and the beginning of the next", `${helloLine}\n{`],
    ["a hundred requests in one packet", `${helloLine}\n`.repeat(100)],
  ])("%s end the connection with out_of_order", async (_name, bytes) => {
    const server = await startInProcess();
    expect(await conversation(server, bytes)).toEqual(["out_of_order"]);
  });

  it("a second login.code behind the first, before its reply, does not get a second try", async () => {
    const server = await startInProcess();
    const alice = await registered(server);
    const client = await WireClient.open(server);

    await provePassword(client, alice);
    const guess = { code: alice.wrongCode(server.clock) };
    client.send(`${requestLine("login.code", guess, 7)}\n${requestLine("login.code", guess, 8)}\n`);
    expect(codeOf(await client.reply())).toBe("out_of_order");
    expect(await client.reply()).toBeUndefined();
    const codes = (await server.audit()).filter(({ event }) => event === "login.code");
    expect(codes.filter(({ reason }) => reason === "wrong_code").length).toBeLessThanOrEqual(1);
  });
});

describe("attack 4: a method, version, field or envelope that is not known", () => {
  it("has one uniform answer, and the connection is closed", async () => {
    const server = await startInProcess();
    const strange = [
      requestLine("hullo", hello),
      requestLine("", hello),
      requestLine("toString", {}),
      requestLine("constructor", {}),
      requestLine("__proto__", {}),
      requestLine("hello", { ...hello, extra: 1 }),
      requestLine("hello", { client: "x", version: "1" }),
      requestLine("hello", { ...hello, client: "" }),
      requestLine("hello", { ...hello, client: "x".repeat(65) }),
      requestLine("hello", { ...hello, features: Array(33).fill("f") }),
      JSON.stringify({ jsonrpc: "1.0", id: 1, method: "hello", params: hello }),
      JSON.stringify({ id: 1, method: "hello", params: hello }),
      JSON.stringify({ jsonrpc: "2.0", id: 1, method: "hello" }),
      JSON.stringify({ jsonrpc: "2.0", id: 1, method: "hello", params: [hello] }),
      JSON.stringify({ jsonrpc: "2.0", method: "hello", params: hello }),
      JSON.stringify({ jsonrpc: "2.0", id: null, method: "hello", params: hello }),
      JSON.stringify({ jsonrpc: "2.0", id: "1", method: "hello", params: hello }),
      JSON.stringify({ jsonrpc: "2.0", id: -1, method: "hello", params: hello }),
      JSON.stringify({ jsonrpc: "2.0", id: 1, method: "hello", params: hello, more: 1 }),
      JSON.stringify([{ jsonrpc: "2.0", id: 1, method: "hello", params: hello }]),
    ];
    const answers = new Set<string>();
    for (const line of strange) {
      const client = await WireClient.connect(server);
      const reply = await client.exchange(line);
      answers.add(JSON.stringify(reply?.error));
      expect(await client.reply(), line).toBeUndefined();
    }
    expect([...answers]).toHaveLength(1);
    expect([...answers][0]).toContain('"bad_request"');
  });
});

describe("attack 5: JSON that parsers disagree about, or choke on", () => {
  const around = (client: string) =>
    `{"jsonrpc":"2.0","id":1,"method":"hello","params":{"client":${client},"version":"0","features":[]}}`;

  it.each<[string, string | Uint8Array]>([
    ["4,000 arrays deep", `${"[".repeat(4000)}`],
    ["an object with 1,500 arrays deep in it", around(`${"[".repeat(1500)}${"]".repeat(1500)}`)],
    ["1e400", around("1e400")],
    ["2^53+1 as an id", helloLine.replace('"id":1', '"id":9007199254740993')],
    ["1.0 as an id", helloLine.replace('"id":1', '"id":1.0')],
    ["-0 as an id", helloLine.replace('"id":1', '"id":-0')],
    ["a member twice", helloLine.replace('"id":1', '"id":1,"id":2')],
    ["a member twice, once escaped", helloLine.replace('"id":1', '"id":1,"\\u0069d":2')],
    ["a lone surrogate", around('"\\ud800"')],
    ["surrogates in the wrong order", around('"\\udc00\\ud800"')],
    ["invalid UTF-8", Buffer.from(around('"\xff\xfe"'), "latin1")],
    ["overlong UTF-8", Buffer.from(around('"\xc0\xaf"'), "latin1")],
    ["a surrogate in UTF-8", Buffer.from(around('"\xed\xa0\x80"'), "latin1")],
    ["a byte order mark", `\ufeff${helloLine}`],
    ["__proto__", around('"x","__proto__":{"polluted":true}')],
    ["__proto__, escaped", around('"x","\\u005f_proto__":{"polluted":true}')],
    ["a carriage return at the end", `${helloLine}\r`],
    ["a comment", `${helloLine} // x`],
    ["a NUL in a string", around('"\0"')],
    ["nothing", ""],
    ["a string", '"hello"'],
    ["NaN", around("NaN")],
    ["a trailing comma", helloLine.replace(/}$/, ",}")],
  ])("%s is refused, nothing is polluted, the server serves on", async (_name, line) => {
    const server = await startInProcess();
    expect(await conversation(server, Buffer.concat([Buffer.from(line), Buffer.from("\n")]))).toEqual(["bad_request"]);
    expect(({} as Record<string, unknown>)["polluted"]).toBeUndefined();
    expect(server.log.errors).toEqual([]);
    await stillServes(server);
  });

  it("constructor and prototype as names of members are unknown members, no more", async () => {
    const server = await startInProcess();
    for (const name of ["constructor", "prototype", "toString", "hasOwnProperty"]) {
      const line = around(`"x","${name}":{"prototype":{"polluted":true}}`);
      expect(await conversation(server, `${line}\n`)).toEqual(["bad_request"]);
    }
    expect(({} as Record<string, unknown>)["polluted"]).toBeUndefined();
  });

  it("whatever bytes a stranger sends, the server answers in the table's words and serves the next one", async () => {
    const server = await startInProcess();
    const known = ["bad_request", "out_of_order", "line_too_long"];
    const mutated = fc
      .tuple(fc.nat(helloLine.length - 1), fc.uint8Array({ maxLength: 40 }), fc.nat(20))
      .map(([at, bytes, cut]) =>
        Buffer.concat([
          Buffer.from(helloLine.slice(0, at)),
          Buffer.from(bytes),
          Buffer.from(helloLine.slice(at + cut)),
          Buffer.from("\nx"),
        ]),
      );
    await fc.assert(
      fc.asyncProperty(mutated, async (bytes) => {
        const codes = await conversation(server, bytes);
        expect(known).toContain(codes.at(-1));
      }),
      { numRuns: 100 },
    );
    expect(server.log.errors).toEqual([]);
    await stillServes(server);
  });
});

describe("attack 6: values of the wrong type", () => {
  const wrong: unknown[] = [["123456"], 123456, null, {}, true, { toString: "123456" }, [], [["alice"]]];

  it.each(wrong.map((value) => [JSON.stringify(value), value]))("a name that is %s is refused", async (_text, name) => {
    const server = await startInProcess();
    await registered(server, "alice");
    for (const [method, more] of [
      ["register.start", {}],
      ["login.start", { A: "2".repeat(512) }],
    ] as const) {
      const client = await WireClient.open(server);
      expect(codeOf(await client.call(method, { name, ...more }))).toBe("bad_request");
      expect(await client.reply()).toBeUndefined();
    }
  });

  it("a code that is not a string is refused before it could be compared, and the code is still good", async () => {
    const server = await startInProcess();
    const alice = await registered(server);

    const code = alice.code(server.clock);
    for (const value of [[code], Number(code), { code }, null, true, [[code]]]) {
      const client = await WireClient.open(server);
      await provePassword(client, alice);
      expect(codeOf(await client.call("login.code", { code: value }))).toBe("bad_request");
      expect(await client.reply()).toBeUndefined();
    }
    await logIn(await WireClient.open(server), alice, code);
  });
});
