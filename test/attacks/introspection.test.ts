import { createHmac } from "node:crypto";
import type { AccountId, SessionId } from "@postern/shared/ids";
import { describe, expect, it } from "vitest";
import { endAnySession } from "../../packages/server/src/services/all-sessions.js";
import { introspectToken } from "../../packages/server/src/services/introspection.js";
import { sessionLimits } from "../../packages/server/src/services/live-session.js";
import { deletePerson, disablePerson, enablePerson } from "../../packages/server/src/services/people-care.js";
import { replaceSigningKeys } from "../../packages/server/src/services/signing-keys.js";
import { publicKeySet } from "../../packages/server/src/services/tokens.js";
import { type Answer, apiKey, type Call, call } from "../support/api.js";
import { type Entered, entered } from "../support/entered.js";
import { MINUTE, newStore, reopened, startInProcess, type TestServer, type TestStore } from "../support/in-process.js";
import { Person, renewPassword } from "../support/person.js";
import { codeOf, WireClient } from "../support/wire-client.js";

const form = (fields: Record<string, string>) => new URLSearchParams(fields).toString();
const formType = { "content-type": "application/x-www-form-urlencoded" };

/** A person with a token for `wiki`, and a service that asks about it. */
interface Asked extends Entered {
  readonly token: string;
  readonly key: string;
  introspect(token: string, more?: Record<string, string>, at?: TestServer): Promise<Answer>;
  /** What a proxy in front of the wiki asks. */
  session(token: string, audience?: string, at?: TestServer): Promise<Answer>;
}

/** Two processes that serve one public address sign and take the same tokens. */
const publicUrl = "https://auth.example.org";

async function asked(store?: TestStore): Promise<Asked> {
  const server = await startInProcess(store ?? (await newStore()), { http: true, publicUrl });
  const person = await entered({ at: server });
  const { token } = await person.client.ok("session.token", { audience: "wiki" });
  const { text: key } = await apiKey(server.context, ["session"]);
  return {
    ...person,
    token,
    key,
    introspect: (text, more = {}, at = server) => {
      const body = form({ token: text, ...more });
      return call(at, "/oauth2/introspect", { method: "POST", key, headers: formType, body });
    },
    session: (text, audience = "wiki", at = server) =>
      call(at, `/v1/session?${form({ audience })}`, { key, headers: { "postern-token": text } }),
  };
}

const inactive = { status: 200, body: { active: false } };
const unauthorized = { status: 401, body: { code: "access_token_invalid", status: 401 } };

/** Dead by either question, at whichever server it is asked. */
async function expectDead({ introspect, session, server }: Asked, token: string, at = server): Promise<void> {
  const [introspection, proxied] = await Promise.all([introspect(token, {}, at), session(token, "wiki", at)]);
  expect(introspection).toMatchObject(inactive);
  expect(introspection.body).toEqual(inactive.body);
  expect(proxied).toMatchObject(unauthorized);
  expect(Object.keys(proxied.headers).filter((name) => name.startsWith("postern-"))).toEqual([]);
}

async function expectLive({ introspect, session, server }: Asked, token: string, at = server): Promise<void> {
  const [introspection, proxied] = await Promise.all([introspect(token, {}, at), session(token, "wiki", at)]);
  expect([introspection.body["active"], proxied.status]).toEqual([true, 200]);
}

describe("a token that is good", () => {
  it("is told of to who introspects it, by RFC 7662, and to a proxy in headers; neither is kept by a cache", async () => {
    const { token, alice, introspect, session, server } = await asked();
    const now = server.clock.now() / 1000;
    const { status, headers, body } = await introspect(token, { token_type_hint: "access_token", audience: "wiki" });
    expect([status, headers["content-type"], headers["cache-control"]]).toEqual([
      200,
      "application/json; charset=utf-8",
      "no-store",
    ]);
    expect(body).toEqual({
      active: true,
      token_type: "Bearer",
      sub: alice.account,
      sid: expect.stringMatching(/^ses_[0-9a-f]{32}$/),
      iss: publicUrl,
      aud: "wiki",
      iat: now,
      exp: now + 300,
      auth_time: now - 60,
      amr: ["pwd", "otp", "mfa"],
      username: "alice",
      preferred_username: "alice",
    });
    const proxied = await session(token);
    expect(proxied.status).toBe(200);
    expect(proxied.headers).toMatchObject({
      "postern-user": "alice",
      "postern-subject": alice.account,
      "postern-session": body["sid"],
      "postern-amr": "pwd,otp,mfa",
      "cache-control": "no-store",
    });
    expect(proxied.body).toEqual({
      user: "alice",
      subject: alice.account,
      session: body["sid"],
      amr: ["pwd", "otp", "mfa"],
      authenticated_at: new Date((now - 60) * 1000).toISOString(),
      expires_at: new Date((now + 300) * 1000).toISOString(),
    });
  });

  it("may stand behind its scheme, as a browser's or program's header has it", async () => {
    const { token, session } = await asked();
    for (const text of [`Bearer ${token}`, `bearer  ${token}`]) expect((await session(text)).status, text).toBe(200);
  });

  it("of somebody whose name is not ASCII is told of in one that is, with one way back", async () => {
    const server = await startInProcess(await newStore(), { http: true });
    const { client } = await entered({ at: server, name: "žofie+é@x" });
    const { token } = await client.ok("session.token", {});
    const { text: key } = await apiKey(server.context, ["session"]);
    const { headers, body } = await call(server, "/v1/session", { key, headers: { "postern-token": token } });
    expect(headers["postern-user"]).toBe("%C5%BEofie+%C3%A9@x");
    expect(decodeURIComponent(String(headers["postern-user"]))).toBe(body["user"]);
  });
});

describe("attack 33: a token that was tampered with, at the server itself", () => {
  it("with any of its characters another one, or missing, is not active", async () => {
    const { token, server } = await asked();
    const context = { ...server.context, issuer: () => publicUrl };
    expect(await introspectToken(context, token)).toBeDefined();
    const forged = Array.from(token, (character, at) => [
      `${token.slice(0, at)}${character === "A" ? "B" : "A"}${token.slice(at + 1)}`,
      `${token.slice(0, at)}${token.slice(at + 1)}`,
    ]).flat();
    const verdicts = await Promise.all(forged.map((text) => introspectToken(context, text)));
    expect(verdicts.filter((verdict) => verdict !== undefined)).toEqual([]);
  });

  it("with alg none, an HMAC keyed with the public key, or a key that it brings along, is not active", async () => {
    const scene = await asked();
    const [, payload = "", signature = ""] = scene.token.split(".");
    const [jwk] = (await publicKeySet(scene.server.context)).keys;
    const encode = (value: object) => Buffer.from(JSON.stringify(value)).toString("base64url");
    const kid = jwk?.kid;
    const symmetric = `${encode({ alg: "HS256", typ: "JWT", kid })}.${payload}`;
    const hmac = createHmac("sha256", Buffer.from(String(jwk?.x), "base64url")).update(symmetric);
    const forged = [
      `${encode({ alg: "none", typ: "JWT", kid })}.${payload}.`,
      `${encode({ alg: "none", typ: "JWT", kid })}.${payload}.${signature}`,
      `${symmetric}.${hmac.digest("base64url")}`,
      `${encode({ alg: "EdDSA", typ: "JWT", kid, jwk })}.${payload}.${signature}`,
      `${encode({ alg: "EdDSA", typ: "JWT" })}.${payload}.${signature}`,
    ];
    for (const text of forged) await expectDead(scene, text);
  });

  it("another server's token, or one whose keys were all replaced, is not active", async () => {
    const scene = await asked();
    const other = await asked();
    await expectDead(scene, other.token);
    const seen = (await publicKeySet(scene.server.context)).keys.map(({ kid }) => kid as `key_${string}`);
    await replaceSigningKeys(scene.server.context, seen);
    await expectDead(scene, scene.token);
    await expectLive(scene, (await scene.client.ok("session.token", { audience: "wiki" })).token);
  });

  it("for another service it lets nobody in, and its audience is told to who did not name their own", async () => {
    const { token, introspect, session, server, key } = await asked();
    expect(await session(token, "mail")).toMatchObject(unauthorized);
    expect(await introspect(token, { audience: "mail" })).toMatchObject(inactive);
    expect((await introspect(token)).body).toMatchObject({ active: true, aud: "wiki" });
    const unnamed = await call(server, "/v1/session", { key, headers: { "postern-token": token } });
    expect(unnamed).toMatchObject(unauthorized);
  });

  it("that is no token at all is answered and not thrown at, whatever it is", async () => {
    const scene = await asked();
    const texts = ["x", "..", "a.b.c", "null", "__proto__", "%00", "é", `${scene.token}, ${scene.token}`, scene.secret];
    for (const text of texts) expect((await scene.introspect(text)).body, text).toEqual({ active: false });
    expect((await scene.introspect("x".repeat(60_000))).body).toEqual({ active: false });
    for (const text of ["", " ", "Bearer", "Bearer ", "x", scene.secret]) {
      expect(await scene.session(text), text).toMatchObject(unauthorized);
    }
    expect(scene.server.log.errors).toEqual([]);
  });

  it("nothing of it, and nothing of a person's session, reaches log or audit", async () => {
    const scene = await asked();
    await expectLive(scene, scene.token);
    await expectDead(scene, `${scene.token}x`);
    const [, payload = ""] = scene.token.split(".");
    const told = JSON.stringify([scene.server.log.entries, await scene.server.audit()]);
    expect(told).not.toContain(payload);
    expect(told).not.toContain(scene.key.slice(-43));
  });
});

describe("attack 34: a token is dead at once, at every server on the store,", () => {
  const ends: [string, (scene: Asked) => Promise<unknown>][] = [
    ["after a logout", ({ client }) => client.ok("session.logout", {})],
    ["once the person is disabled", ({ server }) => disablePerson(server.context, { name: "alice" })],
    ["once the person is deleted", ({ server }) => deletePerson(server.context, { name: "alice" })],
    [
      "once the operator ended the session",
      async ({ server, introspect, token }) => {
        const { sub, sid } = (await introspect(token)).body;
        await endAnySession(server.context, { account: sub as AccountId, id: sid as SessionId });
      },
    ],
    [
      "once the password was changed elsewhere",
      async ({ server, alice }) => {
        const there = await WireClient.open(server);
        const code = alice.code(server.clock);
        const answer = await renewPassword(there, alice, { to: new Person("alice", "another dishwasher sings"), code });
        expect(codeOf(answer)).toBe("ok");
      },
    ],
  ];

  it.each(ends)("%s", async (_when, end) => {
    const store = await newStore();
    const scene = await asked(store);
    const second = await startInProcess(await reopened(store), { http: true, publicUrl });
    await expectLive(scene, scene.token);
    await expectLive(scene, scene.token, second);
    await end(scene);
    await expectDead(scene, scene.token);
    await expectDead(scene, scene.token, second);
  });

  it("and a person who is enabled again has no token of before", async () => {
    const scene = await asked();
    await disablePerson(scene.server.context, { name: "alice" });
    await enablePerson(scene.server.context, { name: "alice" });
    await expectDead(scene, scene.token);
  });
});

describe("attack 35: a session's limits hold for its tokens", () => {
  it("the absolute one ends a token that is a minute old", async () => {
    const scene = await asked();
    const { server, client } = scene;
    const steps = sessionLimits.absoluteMs / (20 * MINUTE) - 1;
    for (let step = 0; step < steps; step++) {
      server.clock.advance(20 * MINUTE);
      await client.ok("session.whoami", {});
    }
    server.clock.advance(17 * MINUTE);
    const { token } = await client.ok("session.token", { audience: "wiki" });
    await expectLive(scene, token);
    const told = (await scene.introspect(token)).body;
    server.clock.advance(2 * MINUTE);
    await expectDead(scene, token);
    expect(Number(told["exp"]) * 1000).toBeLessThanOrEqual(server.clock.now());
  });

  it("asking about a token is no use of its session: who only browses is out when the token is, and then the session", async () => {
    const scene = await asked();
    const { server, client, token } = scene;
    for (let minute = 0; minute < 4; minute++) {
      server.clock.advance(MINUTE);
      await expectLive(scene, token);
    }
    server.clock.advance(MINUTE);
    await expectDead(scene, token);
    server.clock.advance(sessionLimits.idleMs - 5 * MINUTE);
    expect(await client.outcome("session.whoami", {})).toBe("session_invalid");
  });
});

describe("attack 64: what is asked in another form than the API has", () => {
  const tricks: [string, number, string, (scene: Asked) => [string, Call]][] = [
    ["a token as JSON", 415, "media_type", ({ token }) => ["/oauth2/introspect", { body: { token } }]],
    ["a form in two charsets", 415, "media_type", ({ token }) => as(`${form({ token })}`, "; charset=utf-7")],
    ["a token twice", 400, "bad_request", ({ token }) => as(`${form({ token })}&token=x`)],
    ["a token twice, written in two ways", 400, "bad_request", ({ token }) => as(`${form({ token })}&%74oken=x`)],
    ["an audience twice", 400, "bad_request", ({ token }) => as(`${form({ token })}&audience=wiki&audience=mail`)],
    ["bytes that are no UTF-8", 400, "bad_request", () => as("token=%ff%fe")],
    ["a percent sign and no digits", 400, "bad_request", () => as("token=%zz")],
    ["no token", 422, "invalid_input", () => as("token_type_hint=access_token")],
    ["a token without a value", 422, "invalid_input", () => as("token=")],
    ["no body", 422, "invalid_input", () => as("")],
    ["a token in the address", 422, "invalid_input", ({ token }) => as(form({ token }), "", `?${form({ token })}`)],
    ["more than 64 KiB", 413, "line_too_long", () => as(`token=${"x".repeat(65 * 1024)}`)],
  ];
  const as = (body: string, parameters = "", query = ""): [string, Call] => [
    `/oauth2/introspect${query}`,
    { body, headers: { "content-type": `application/x-www-form-urlencoded${parameters}` } },
  ];

  it.each(tricks)("%s is refused with %i %s", async (_what, status, code, trick) => {
    const scene = await asked();
    const [path, options] = trick(scene);
    const answer = await call(scene.server, path, { method: "POST", key: scene.key, ...options });
    expect(answer).toMatchObject({ status, body: { status, code } });
    expect(JSON.stringify(answer.body)).not.toContain(scene.token.slice(-40));
  });

  it("what a form has that is not known is ignored, as OAuth has it", async () => {
    const { introspect, token } = await asked();
    expect((await introspect(token, { resource: "x", constructor: "y" })).body["active"]).toBe(true);
  });

  it("without a key, with one for something else, or with one in the wrong place, nothing is told", async () => {
    const { server, token } = await asked();
    const { text: other } = await apiKey(server.context, ["otp", "totp", "hotp", "challenge", "admin"]);
    const { text: key } = await apiKey(server.context, ["session"]);
    const basic = `Basic ${Buffer.from(`wiki:${key}`).toString("base64")}`;
    const asking: [Call, number, string][] = [
      [{}, 401, "api_key_invalid"],
      [{ key: other }, 403, "scope_missing"],
      [{ key: token }, 401, "api_key_invalid"],
      [{ headers: { authorization: basic } }, 401, "api_key_invalid"],
    ];
    for (const [{ headers, ...more }, status, code] of asking) {
      const posted = { method: "POST", body: form({ token }), ...more, headers: { ...formType, ...headers } } as const;
      expect(await call(server, "/oauth2/introspect", posted)).toMatchObject({ status, body: { code } });
      const got = { ...more, headers: { "postern-token": token, ...headers } };
      expect(await call(server, "/v1/session?audience=wiki", got)).toMatchObject({ status, body: { code } });
    }
    const inQuery = await call(server, `/v1/session?audience=wiki&access_token=${key}`, {
      headers: { "postern-token": token },
    });
    expect(inQuery.status).toBe(401);
  });
});
