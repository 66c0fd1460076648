import { createHmac } from "node:crypto";
import type { Result } from "@postern/shared/messages";
import { describe, expect, it } from "vitest";
import { type TokenExpectations, verifyToken } from "../../packages/server/test/support/verify-token.js";
import { ask } from "../support/https.js";
import { MINUTE, newStore, reopened, SECOND, startInProcess, type TestServer } from "../support/in-process.js";
import { logIn, Person, provePassword, register, registered, tryCode } from "../support/person.js";
import { WireClient } from "../support/wire-client.js";

type KeySet = Parameters<typeof verifyToken>[1];

async function keySet(server: TestServer): Promise<KeySet> {
  return JSON.parse((await ask(server, "/.well-known/jwks.json")).text);
}

interface Issued {
  readonly server: TestServer;
  readonly client: WireClient;
  readonly alice: Person;
  readonly token: string;
  readonly keys: KeySet;
  readonly expected: TokenExpectations;
}

/** A person with a token, and what a service that takes it knows. */
async function issued(): Promise<Issued> {
  const server = await startInProcess(await newStore(), { http: true });
  const alice = await registered(server);
  const client = await WireClient.open(server);
  await logIn(client, alice, alice.code(server.clock));
  const { token } = await client.ok("session.token", { audience: "wiki" });
  const issuer = `https://${server.running.http?.key}`;
  const expected = { issuer, audience: "wiki", now: server.clock.now() };
  return { server, client, alice, token, keys: await keySet(server), expected };
}

const encode = (value: object) => Buffer.from(JSON.stringify(value)).toString("base64url");

function partsOf(token: string): { header: string; payload: string; signature: string } {
  const [header = "", payload = "", signature = ""] = token.split(".");
  return { header, payload, signature };
}

describe("attack 33: a token that was tampered with", () => {
  it("verifies as it was issued, and only for its audience, issuer and five minutes", async () => {
    const { token, keys, expected, alice } = await issued();
    const claims = await verifyToken(token, keys, expected);
    expect(claims).toMatchObject({ sub: alice.account, aud: "wiki", amr: ["pwd", "otp", "mfa"] });
    expect(claims["preferred_username"]).toBe("alice");
    await expect(verifyToken(token, keys, { ...expected, audience: "mail" })).rejects.toThrow();
    await expect(verifyToken(token, keys, { ...expected, issuer: "https://other" })).rejects.toThrow();
    await expect(verifyToken(token, keys, { ...expected, now: expected.now + 299 * SECOND })).resolves.toBeDefined();
    await expect(verifyToken(token, keys, { ...expected, now: expected.now + 301 * SECOND })).rejects.toThrow();
  });

  it("alg none, an HMAC keyed with the public key, and a key that the token brings along are refused", async () => {
    const { token, keys, expected } = await issued();
    const { payload, signature } = partsOf(token);
    const [key] = keys.keys;
    const kid = key?.["kid"];
    const unsigned = `${encode({ alg: "none", typ: "JWT", kid })}.${payload}`;
    const symmetric = `${encode({ alg: "HS256", typ: "JWT", kid })}.${payload}`;
    const hmac = createHmac("sha256", Buffer.from(String(key?.["x"]), "base64url")).update(symmetric);
    const forged = [
      `${unsigned}.`,
      `${unsigned}.${signature}`,
      `${encode({ alg: "None", kid })}.${payload}.`,
      `${symmetric}.${hmac.digest("base64url")}`,
      `${encode({ alg: "EdDSA", typ: "JWT", jwk: key })}.${payload}.${signature}`,
      `${encode({ alg: "EdDSA", typ: "JWT" })}.${payload}.${signature}`,
    ];
    for (const attempt of forged) await expect(verifyToken(attempt, keys, expected), attempt).rejects.toThrow();
  });

  it("any byte changed, and it is refused", async () => {
    const { token, keys, expected } = await issued();
    const { header, payload, signature } = partsOf(token);
    const signed = `${header}.${payload}`;
    const forged = Array.from(signed, (character, at) => {
      const other = character === "A" ? "B" : "A";
      return `${signed.slice(0, at)}${other}${signed.slice(at + 1)}.${signature}`;
    });
    const bytes = Buffer.from(signature, "base64url");
    for (let at = 0; at < bytes.length; at++) {
      const flipped = Buffer.from(bytes);
      flipped.writeUInt8(flipped.readUInt8(at) ^ 1, at);
      forged.push(`${signed}.${flipped.toString("base64url")}`);
    }
    const verdicts = await Promise.allSettled(forged.map((attempt) => verifyToken(attempt, keys, expected)));
    expect(verdicts.filter(({ status }) => status === "fulfilled")).toEqual([]);
  });

  it("another server's key, also one that goes by the same name, does not verify", async () => {
    const { token, keys, expected } = await issued();
    const other = await issued();
    await expect(verifyToken(token, other.keys, expected)).rejects.toThrow();
    const renamed = { keys: other.keys.keys.map((key) => ({ ...key, kid: keys.keys[0]?.["kid"] as string })) };
    await expect(verifyToken(token, renamed, expected)).rejects.toThrow();
  });

  it("the published keys have no private part", async () => {
    const { keys } = await issued();
    expect(keys.keys).toHaveLength(1);
    expect(Object.keys(keys.keys[0] ?? {}).sort()).toEqual(["alg", "crv", "kid", "kty", "use", "x"]);
  });
});

describe("attack 29, 30: recovery codes as the second factor", () => {
  it("a recovery code works once, in whatever form it is typed, and there is one less", async () => {
    const server = await startInProcess();
    const alice = await registered(server);
    const [code = ""] = alice.recoveryCodes;
    const client = await WireClient.open(server);
    await provePassword(client, alice);
    const typed = code.toUpperCase().replaceAll("-", " ");
    expect(await client.ok("login.code", { code: typed })).toMatchObject({
      recovery_codes_left: 9,
    });
    for (const form of [code, typed, code.replaceAll("-", "")]) {
      expect(await tryCode(server, alice, form)).toBe("code_refused");
    }
  });

  it("every one of the ten works once, and then none does", async () => {
    const server = await startInProcess();
    const alice = await registered(server);
    expect(new Set(alice.recoveryCodes).size).toBe(10);
    for (const code of alice.recoveryCodes) expect(await tryCode(server, alice, code)).toBe("ok");
    const [code = ""] = alice.recoveryCodes;
    expect(await tryCode(server, alice, code)).toBe("code_refused");
  });

  it("another person's recovery code is refused, and stays that person's", async () => {
    const server = await startInProcess();
    const [alice, bob] = [await registered(server, "alice"), await registered(server, "bob")];
    const [code = ""] = bob.recoveryCodes;
    expect(await tryCode(server, alice, code)).toBe("code_refused");
    expect(await tryCode(server, bob, code)).toBe("ok");
  });
});

describe("attack 34: logout", () => {
  it("is at once the end on every connection: those that resumed the session before, and those that would now", async () => {
    const server = await startInProcess();
    const alice = await registered(server);
    const first = await WireClient.open(server);
    const { secret } = await logIn(first, alice, alice.code(server.clock));
    const others = await Promise.all(Array.from({ length: 3 }, () => WireClient.open(server)));
    for (const other of others) await other.resume(secret);
    await first.ok("session.logout", {});
    const [one, two, three] = others;
    expect(await one?.outcome("session.whoami", {})).toBe("session_invalid");
    expect(await two?.outcome("session.token", {})).toBe("session_invalid");
    expect(await three?.outcome("session.logout", {})).toBe("ok");
    expect(await first.resumed(secret)).toBe("session_invalid");
    expect(await (await WireClient.open(server)).resumed(secret)).toBe("session_invalid");
  });

  it("also after a restart, and leaves the person's other sessions", async () => {
    const store = await newStore();
    const before = await startInProcess(store);
    const alice = await registered(before);
    const [one, two] = [await WireClient.open(before), await WireClient.open(before)];
    const ended = await logIn(one, alice, alice.code(before.clock));
    const kept = await logIn(two, alice, alice.code(before.clock, 1));
    await one.ok("session.logout", {});
    await before.close();
    const after = await startInProcess(await reopened(store));
    const client = await WireClient.open(after);
    expect(await client.resumed(ended.secret)).toBe("session_invalid");
    await client.resume(kept.secret);
  });
});

describe("a session secret", () => {
  it("with any digit changed, or put together from two, opens nothing", async () => {
    const server = await startInProcess();
    const [alice, bob] = [await registered(server, "alice"), await registered(server, "bob")];
    const { secret } = await logIn(await WireClient.open(server), alice, alice.code(server.clock));
    const other = await logIn(await WireClient.open(server), bob, bob.code(server.clock));
    const [, ids = "", key = ""] = secret.split("_");
    const [, otherIds = "", otherKey = ""] = other.secret.split("_");
    const client = await WireClient.open(server);
    const forged = [`pss_${ids}_${otherKey}`, `pss_${otherIds}_${key}`, `pss_${ids}_${"0".repeat(64)}`];
    forged.push(`pss_${otherIds.slice(0, 32)}${ids.slice(32)}_${key}`);
    for (let at = 4; at < secret.length; at += 5) {
      if (secret[at] === "_") continue;
      forged.push(`${secret.slice(0, at)}${secret[at] === "0" ? "1" : "0"}${secret.slice(at + 1)}`);
    }
    for (const attempt of forged) {
      expect(await client.resumed(attempt)).toBe("session_invalid");
    }
    await client.resume(secret);
  });

  it("never goes over the wire after its login, and what shows it on one connection opens nothing on another", async () => {
    const server = await startInProcess();
    const alice = await registered(server);
    const { secret } = await logIn(await WireClient.open(server), alice, alice.code(server.clock));
    const victim = await WireClient.open(server);
    const shown = victim.holding(secret);
    expect(JSON.stringify(shown)).not.toContain(secret.slice(-64));
    const thief = await WireClient.open(server);
    expect(await thief.outcome("session.resume", shown)).toBe("session_invalid");
    expect(await victim.outcome("session.resume", shown)).toBe("ok");
  });
});

describe("attack 35: the limits of a session", () => {
  async function loggedIn() {
    const server = await startInProcess();
    const alice = await registered(server);
    const client = await WireClient.open(server);
    const { secret } = await logIn(client, alice, alice.code(server.clock));
    const resume = async () => (await WireClient.open(server)).resumed(secret);
    return { server, alice, client, secret, resume };
  }

  it("it ends after 30 minutes without use, on the connection that has it too", async () => {
    const { server, client, resume } = await loggedIn();
    server.clock.advance(30 * MINUTE - 1);
    expect(await resume()).toBe("ok");
    server.clock.advance(30 * MINUTE);
    expect(await resume()).toBe("session_invalid");
    expect(await client.outcome("session.token", {})).toBe("session_invalid");
  });

  it("it ends 12 hours after the login, however much it is used", async () => {
    const { server, resume } = await loggedIn();
    for (let quarters = 1; quarters < 48; quarters++) {
      server.clock.advance(15 * MINUTE);
      expect(await resume()).toBe("ok");
    }
    server.clock.advance(15 * MINUTE - 1);
    expect(await resume()).toBe("ok");
    server.clock.advance(1);
    expect(await resume()).toBe("session_invalid");
  });

  it("use on an open connection is use: it does not end under the hands of who works with it", async () => {
    const { server, client } = await loggedIn();
    for (let calls = 0; calls < 8; calls++) {
      server.clock.advance(8 * MINUTE);
      await client.ok(calls % 2 === 0 ? "session.whoami" : "session.token", {});
    }
  });

  it("a clock that is set back does not make it last longer", async () => {
    const { server, resume } = await loggedIn();
    server.clock.advance(-4 * MINUTE);
    expect(await resume()).toBe("ok");
    server.clock.advance(34 * MINUTE);
    expect(await resume()).toBe("session_invalid");
  });

  it("nor does one that is set back under a session in use: after three hours, by two", async () => {
    const { server, resume } = await loggedIn();
    for (let uses = 0; uses < 9; uses++) {
      server.clock.advance(20 * MINUTE);
      expect(await resume()).toBe("ok");
    }
    server.clock.advance(-5 * MINUTE);
    expect(await resume()).toBe("ok");
    server.clock.advance(-115 * MINUTE);
    expect(await resume()).toBe("session_invalid");
  });

  it("a person has ten at most: an eleventh login ends the one that was longest unused, and the log says so", async () => {
    const server = await startInProcess();
    const alice = await register(await WireClient.open(server), new Person("alice"), server);
    const logins: Result<"login.code">[] = [];
    while (logins.length < 11) {
      server.clock.advance(MINUTE);
      logins.push(await logIn(await WireClient.open(server), alice, alice.code(server.clock)));
    }
    const client = async (secret: string) => (await WireClient.open(server)).resumed(secret);
    const outcomes = await Promise.all(logins.map(({ secret }) => client(secret)));
    expect(outcomes).toEqual(["session_invalid", ...Array(10).fill("ok")]);
    const told = (await server.audit()).slice(-3);
    const personal = { name: "alice", address: "127.0.0.1" };
    expect(told).toMatchObject([
      { event: "device.forget", reason: `${logins[0]?.device} limit`, account: alice.account, personal },
      { event: "session.revoke", reason: "limit", session: logins[0]?.session, account: alice.account, personal },
      { event: "login", session: logins[10]?.session },
    ]);
  });
});
