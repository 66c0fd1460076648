import { once } from "node:events";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { publicKeySet } from "../../packages/server/src/services/tokens.js";
import { fencedBlocks, section } from "./page.js";
import { handshake, PageClient } from "./page-client.js";
import { codeNow, login, proof, provePassword, type Registered, register } from "./page-person.js";
import { startTestServer, type TestServer } from "./test-server.js";

const alice = { name: "Alice", password: "Fu\u0308nf A\u0308pfel fu\u0308r Zoe\u0308" };

let server: TestServer;
let registered: Registered;

beforeAll(async () => {
  server = await startTestServer();
  registered = await register(await PageClient.open(server), server, alice);
});
afterAll(() => server.close());

const members = (json: string) => Object.keys(JSON.parse(json)).toSorted();

describe("a client made of the page alone", () => {
  it("logs in, having typed the password in another composition", async () => {
    const client = await PageClient.open(server);
    await provePassword(client, { name: "ＡLICE", password: alice.password.normalize("NFC") });
    const facts = await client.call("login.code", { code: codeNow(registered.authenticator, server) });
    expect(facts).toMatchObject({ name: "alice", authenticated_at: server.time, idle_timeout: 1800 });
    expect(facts.account).toMatch(/^acc_[0-9a-f]{32}$/);
    expect(facts.session).toMatch(/^ses_[0-9a-f]{32}$/);
    expect(facts.secret).toMatch(/^pss_[0-9a-f]{64}_[0-9a-f]{64}$/);
    client.close();
  });

  it("resumes its session on another connection, gets a token for a service, and logs out", async () => {
    const entered = await login(await PageClient.open(server), server, registered);
    const { secret, recovery_codes_left, new_device, ...facts } = entered;
    const client = await PageClient.open(server);
    expect(await client.resume(secret)).toEqual(facts);
    expect(await client.call("session.whoami", {})).toEqual(facts);
    const { token, expires_in } = await client.call("session.token", { audience: "some-service" });
    expect(expires_in).toBe(300);
    const [header, claims] = String(token)
      .split(".")
      .map((part) => Buffer.from(part, "base64url"));
    const [, headerShown = "", claimsShown = "", keysShown = ""] = fencedBlocks(section("## Tokens"));
    expect(JSON.parse(`${header}`)).toMatchObject({ alg: "EdDSA", typ: "JWT" });
    expect(JSON.parse(`${claims}`)).toMatchObject({
      aud: "some-service",
      sub: facts.account,
      sid: facts.session,
    });
    expect(members(`${header}`)).toEqual(members(headerShown));
    expect(members(`${claims}`)).toEqual(members(claimsShown));
    const { keys } = await publicKeySet({ barrier: server.barrier, now: () => server.time * 1000 });
    expect(keys.map((key) => members(JSON.stringify(key)))).toEqual([
      members(JSON.stringify(JSON.parse(keysShown).keys[0])),
    ]);
    expect(await client.call("session.logout", {})).toEqual({});
    expect(await client.refusal("session.resume", client.holding(secret))).toBe("session_invalid");
    client.close();
  });

  const uses = ["session.whoami", "session.token", "session.verify", "session.list", "device.list", "recovery.status"];
  it.each(uses)("keeps its session in use by %s, for 30 minutes from there", async (use) => {
    const client = await PageClient.open(server);
    const { secret } = await login(client, server, registered);
    const params = () => (use === "session.verify" ? { code: codeNow(registered.authenticator, server) } : {});
    server.time += 29 * 60;
    await client.call(use, params());
    server.time += 29 * 60;
    await (await PageClient.open(server)).resume(secret);
    server.time += 30 * 60;
    expect(await client.refusal(use, params())).toBe("session_invalid");
    client.close();
  });

  it("sees its sessions, and ends one, all others, its own", async () => {
    const clients = [
      await PageClient.open(server),
      await PageClient.open(server),
      await PageClient.open(server),
    ] as const;
    const [one, two, three] = clients;
    const own = await login(one, server, registered);
    const others = [await login(two, server, registered), await login(three, server, registered)];
    const { sessions } = await one.call("session.list", {});
    const listed = sessions.filter(({ session }) => [own, ...others].some((each) => each.session === session));
    const facts = listed.map(({ session, device, current }) => ({ session, device, current }));
    expect(facts).toHaveLength(3);
    for (const { session, device } of [...others, own]) {
      expect(facts).toContainEqual({ session, device, current: session === own.session });
    }
    await one.call("session.revoke", { session: others[0]?.session });
    expect(await two.refusal("session.whoami", {})).toBe("session_invalid");
    expect(await one.refusal("session.revoke", { session: others[0]?.session })).toBe("id_unknown");
    expect(await one.call("session.revoke_others", {})).toEqual({ revoked: sessions.length - 2 });
    expect(await three.refusal("session.whoami", {})).toBe("session_invalid");
    await one.call("session.revoke", { session: own.session });
    expect(await one.refusal("session.resume", one.holding(own.secret))).toBe("session_invalid");
    for (const client of clients) client.close();
  });

  it("is refused when its proof comes over another connection than its exporter", async () => {
    const [one, other] = [await PageClient.open(server), await PageClient.open(server)];
    const { params } = await proof(one, alice, other.exporter);
    const { error } = await one.refused("login.proof", params);
    expect(error.data.code).toBe("login_failed");
    one.close();
    other.close();
  });

  it("types a recovery code as people do", async () => {
    const client = await PageClient.open(server);
    await provePassword(client, alice);
    const typed = registered.recoveryCodes.at(-1)?.toUpperCase().replaceAll("-", " ").replaceAll("1", "l");
    expect(await client.call("login.code", { code: typed })).toMatchObject({ name: "alice" });
    registered = { ...registered, recoveryCodes: registered.recoveryCodes.slice(0, -1) };
    client.close();
  });
});

describe("the connection, as the page says", () => {
  it("is not kept without ALPN, and not made with another protocol or TLS 1.2", async () => {
    const none = await handshake(server, { ALPNProtocols: undefined });
    none.on("error", () => none.destroy());
    await once(none, "close");
    await expect(handshake(server, { ALPNProtocols: ["h2"] })).rejects.toThrow(/no application protocol/);
    const old = { minVersion: "TLSv1.2", maxVersion: "TLSv1.2" } as const;
    await expect(handshake(server, old)).rejects.toThrow(/protocol version/);
  });

  it("is never resumed, whatever tickets were sent", async () => {
    const first = await handshake(server);
    const [session] = await once(first, "session");
    first.destroy();
    const second = await handshake(server, { session });
    expect(second.isSessionReused()).toBe(false);
    second.destroy();
  });

  it("takes a request of 4,096 bytes, one of 65,536 within a session, and no byte more", async () => {
    const client = await PageClient.open(server);
    const padded = (method: string, params: object, size: number) => client.request(method, params).line.padEnd(size);
    client.write(`${padded("login.start", { name: alice.name, A: "ab".repeat(256) }, 4096)}\n`);
    expect(await client.line()).toContain('"result"');
    client.close();

    const inSession = await PageClient.open(server);
    await login(inSession, server, registered);
    inSession.write(`${inSession.request("session.whoami", {}).line.padEnd(65_536)}\n`);
    expect(await inSession.line()).toContain('"result"');
    await inSession.call("session.logout", {});
    inSession.write(inSession.request("session.resume", {}).line.padEnd(4097));
    expect(await inSession.line()).toMatch(/^\{"jsonrpc":"2.0","id":null,.*"line_too_long"/);
    expect(await inSession.line()).toBeUndefined();
  });

  const hello = '{"jsonrpc":"2.0","id":1,"method":"hello","params":{"client":"c","version":"1","features":[]}}';
  it.each([
    ["a second request in one packet", `${hello}\n${hello}\n`, "out_of_order"],
    ["one byte behind a request", `${hello}\n{`, "out_of_order"],
    ["a line that ends with \\r\\n", `${hello}\r\n`, "bad_request"],
    ["an empty line", "\n", "bad_request"],
    ["a batch", `[${hello}]\n`, "bad_request"],
    ["a notification", `${hello.replace('"id":1,', "")}\n`, "bad_request"],
    ["an id of null", `${hello.replace('"id":1', '"id":null')}\n`, "bad_request"],
    ["an id below zero", `${hello.replace('"id":1', '"id":-1')}\n`, "bad_request"],
    ["no params", '{"jsonrpc":"2.0","id":1,"method":"hello"}\n', "bad_request"],
    ["a member too many", `${hello.replace("{", '{"more":1,')}\n`, "bad_request"],
    ["a member twice", `${hello.replace("{", '{"id":1,')}\n`, "bad_request"],
    ["a member __proto__", `${hello.replace('"c"', '{"__proto__":1}')}\n`, "bad_request"],
    ["a number with a fraction", `${hello.replace('"id":1', '"id":1.0')}\n`, "bad_request"],
    ["half of a surrogate pair", `${hello.replace('"c"', '"\\ud83d"')}\n`, "bad_request"],
    ["nine levels", `${hello.replace("[]", "[[[[[[[]]]]]]]")}\n`, "bad_request"],
    ["a byte order mark", `\ufeff${hello}\n`, "bad_request"],
    ["bytes that are not UTF-8", Buffer.from(`${hello.replace('"c"', '"\xff"')}\n`, "latin1"), "bad_request"],
  ])("is closed at %s, with an id of null", async (_what, bytes, code) => {
    const client = await PageClient.silent(server);
    client.write(bytes);
    expect(JSON.parse((await client.line()) ?? "")).toMatchObject({ id: null, error: { data: { code } } });
    expect(await client.line()).toBeUndefined();
  });

  it("takes spaces and tabs between tokens, and characters either way", async () => {
    const client = await PageClient.silent(server);
    const [one, other] = [" \t", '"\\u00fc ü"'];
    client.write(`${one}${hello.replace(":", `${one}:${one}`).replace('"c"', other)}${one}\n`);
    expect(await client.line()).toContain('"posternd"');
    client.close();
  });
});
