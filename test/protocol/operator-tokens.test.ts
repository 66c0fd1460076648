import { randomBytes } from "node:crypto";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { ResetKind } from "../../packages/server/src/records/reset-token.js";
import type { AuditContext } from "../../packages/server/src/services/context.js";
import { createInvite } from "../../packages/server/src/services/invites.js";
import { issueResetToken } from "../../packages/server/src/services/reset-tokens.js";
import { readSettings } from "../../packages/server/src/services/store.js";
import { hash, resetMac } from "./by-the-page.js";
import { fencedBlocks, section } from "./page.js";
import { PageClient } from "./page-client.js";
import { authenticatorOf, codeNow, login, provePassword, type Registered, register, verifier } from "./page-person.js";
import { startTestServer, type TestServer } from "./test-server.js";

const HOUR = 3_600_000;
const alice = { name: "alice", password: "purple monkey dishwasher" };
const newPassword = "another fine long phrase";

let server: TestServer;
let context: AuditContext;
let registered: Registered;
beforeAll(async () => {
  server = await startTestServer({ registration: "invite" });
  const { barrier } = server;
  const { node } = await readSettings(barrier);
  context = { barrier, node, now: () => server.time * 1000, random: randomBytes };
});
afterAll(() => server.close());

/** Section "Operator tokens", by its table. */
function parsed(token: string) {
  const text = token.replaceAll(/\s/g, "");
  expect(text).toMatch(/^ptk_[A-Za-z0-9_-]{72}$/);
  const bytes = Buffer.from(text.slice(4), "base64url");
  expect(bytes).toHaveLength(54);
  const body = bytes.subarray(0, 50);
  expect(bytes.subarray(50)).toEqual(hash(Buffer.from("postern/1 token\0", "latin1"), body).subarray(0, 4));
  expect(body[0]).toBe(1);
  const fingerprint = `SHA256:${body.subarray(2, 34).toString("base64").slice(0, 43)}`;
  return { kind: body[1], fingerprint, secret: body.subarray(34).toString("hex") };
}

async function reset(resets: ResetKind) {
  return parsed((await issueResetToken(context, { name: "alice" }, { resets, lifetime: HOUR })).token);
}

describe("an operator token of the page", () => {
  it("is the example that it gives", () => {
    const [example = ""] = fencedBlocks(section("## Operator tokens"));
    const counting = (from: number, count: number) => Buffer.from(Array.from({ length: count }, (_, i) => from + i));
    expect(parsed(example)).toEqual({
      kind: 1,
      fingerprint: `SHA256:${counting(0, 32).toString("base64").slice(0, 43)}`,
      secret: counting(0xa0, 16).toString("hex"),
    });
  });

  it("says of which kind it is, and which server it is for", async () => {
    const { token } = await createInvite(context, { lifetime: HOUR, uses: 1 });
    expect(parsed(token)).toMatchObject({ kind: 1, fingerprint: server.fingerprint });
  });

  it("registers, where it is an invite", async () => {
    const { token } = await createInvite(context, { lifetime: HOUR, uses: 1 });
    const { fingerprint, secret: invite } = parsed(token);
    const client = await PageClient.open({ port: server.port, time: server.time, fingerprint });
    registered = await register(client, server, alice, { invite });
    expect(registered.recoveryCodes).toHaveLength(10);
    expect(await client.refusal("register.start", { name: "bob", invite })).toBe("token_invalid");
  });

  it("sets a new password, with a code", async () => {
    const { kind, fingerprint, secret: token } = await reset("password");
    expect({ kind, fingerprint }).toEqual({ kind: 2, fingerprint: server.fingerprint });
    const client = await PageClient.open(server);
    const mac = resetMac("client", token, client.exporter).toString("hex");
    const start = await client.call("reset.start", { name: "ALICE", mac });
    expect(start["mac"]).toBe(resetMac("server", token, client.exporter).toString("hex"));
    expect(start).toMatchObject({ identity: "alice", factors: ["totp", "recovery"], period: 30 });
    const new_verifier = { generation: start.stretch.generation, verifier: verifier(start, newPassword) };
    const [code] = registered.recoveryCodes;
    expect(await client.refusal("reset.password", { code: "no code", new_verifier })).toBe("code_refused");
    const low = { ...new_verifier, verifier: `${"0".repeat(511)}1` };
    expect(await client.refusal("reset.password", { code, new_verifier: low })).toBe("verifier_invalid");
    const done = await client.call("reset.password", { code, new_verifier });
    expect(done).toEqual({ account: expect.stringMatching(/^acc_/), name: "alice" });
    expect(await client.refusal("reset.start", { name: "alice", mac })).toBe("token_invalid");
    registered = { ...registered, password: newPassword };
    expect(await login(client, server, registered)).toHaveProperty("secret");
  });

  it("replaces the authenticator, behind the password", async () => {
    const { kind, secret: token } = await reset("factors");
    expect(kind).toBe(3);
    const client = await PageClient.open(server);
    await provePassword(client, registered);
    const offered = await client.call("reset.factors", { token });
    expect(offered["expires_in"]).toBe(600);
    const authenticator = authenticatorOf(offered);
    expect(await client.refusal("reset.confirm", { code: "no code" })).toBe("code_refused");
    const done = await client.call("reset.confirm", { code: codeNow(authenticator, server) });
    expect(done).toMatchObject({ name: "alice", recovery_codes: { length: 10 } });
    await provePassword(client, registered);
    expect(await client.refusal("reset.factors", { token })).toBe("token_invalid");
    expect(await login(client, server, { ...registered, authenticator })).toHaveProperty("secret");
  });
});
