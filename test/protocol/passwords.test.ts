import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { PageClient } from "./page-client.js";
import {
  login,
  nextCode,
  type Person,
  proof,
  provePassword,
  type Registered,
  register,
  stretchedVerifier,
} from "./page-person.js";
import { startTestServer, type TestServer } from "./test-server.js";

/** Sections "Stretching", "Another password" and "The account", by a client made of the page alone. */

const A = "ab".repeat(256);

let server: TestServer;
let alice: Registered;
let client: PageClient;

beforeEach(async () => {
  server = await startTestServer();
  client = await PageClient.open(server);
  alice = await register(client, server, { name: "alice", password: "purple monkey dishwasher" });
});
afterEach(async () => {
  client.close();
  await server.close();
});

/** Section "Another password". */
async function changePassword(on: PageClient, person: Registered, password: string) {
  const { restretch, ...start } = await provePassword(on, person);
  const new_verifier = stretchedVerifier(start, password, restretch ?? start.stretch);
  return on.call("password.change", { code: nextCode(person, server), new_verifier });
}

async function isTaken(person: Person): Promise<boolean> {
  const other = await PageClient.open(server);
  const reply = await other.ask("login.proof", (await proof(other, person)).params);
  other.close();
  return "result" in reply;
}

describe("another password", () => {
  it("takes the place of the old one, and ends the sessions and devices that the old one had", async () => {
    const old = await login(client, server, alice);
    const other = await PageClient.open(server);
    const here = { ...alice, device: (await login(other, server, alice)).new_device };
    await other.call("session.logout", {});

    const changed = await changePassword(other, here, "dishwasher purple monkey");
    expect(changed).toMatchObject({ name: "alice", device: here.device?.device, recovery_codes_left: 10 });
    expect(changed).not.toHaveProperty("new_device");
    expect(await client.refusal("session.whoami", {})).toBe("session_invalid");
    expect(await isTaken(alice)).toBe(false);
    const now = { ...here, password: "dishwasher purple monkey" };
    expect(await login(await PageClient.open(server), server, now)).not.toHaveProperty("new_device");
    const before = { ...now, device: old.new_device };
    expect(await login(await PageClient.open(server), server, before)).toHaveProperty("new_device");
    other.close();
  });

  it("makes a new device known, where the client showed none", async () => {
    const { device } = await login(client, server, alice);
    const other = await PageClient.open(server);
    const changed = await changePassword(other, alice, "dishwasher purple monkey");
    expect(changed.new_device?.device).toBe(changed.device);
    const { devices } = await other.call("device.list", {});
    expect(devices.map((each) => each.device)).toEqual([changed.device]);
    expect(changed.device).not.toBe(device);
    other.close();
  });

  it("fails a login that has proved the old one and not given its code yet", async () => {
    const late = await PageClient.open(server);
    await provePassword(late, alice);
    await changePassword(client, alice, "dishwasher purple monkey");
    expect(await late.refusal("login.code", { code: nextCode(alice, server) })).toBe("login_failed");
    late.close();
  });

  it("is not taken at a generation that the server has not asked for, and then leaves the code", async () => {
    const start = await provePassword(client, alice);
    const code = nextCode(alice, server);
    const new_verifier = { ...stretchedVerifier(start, "new", start.stretch), generation: 2 };
    expect(await client.refusal("password.change", { code, new_verifier })).toBe("verifier_invalid");
    expect(await client.call("login.code", { code })).toHaveProperty("secret");
    await client.call("session.logout", {});
  });

  it("is not taken out of range, and then leaves the code", async () => {
    await provePassword(client, alice);
    const code = nextCode(alice, server);
    const new_verifier = { generation: 1, verifier: "ff".repeat(256) };
    expect(await client.refusal("password.change", { code, new_verifier })).toBe("verifier_invalid");
    expect(await client.call("login.code", { code })).toHaveProperty("secret");
  });
});

describe("an operator's raise", () => {
  const generationOf = async (name: string) => {
    const { stretch } = await client.call("login.start", { name, A });
    await client.refused("login.proof", { M1: "ab".repeat(32), mac: "ab".repeat(32) });
    return stretch.generation;
  };

  it("reaches a person at the next login, and does not show who is registered", async () => {
    await server.raise(2);
    expect([await generationOf("alice"), await generationOf("nobody")]).toEqual([1, 1]);
    const { stretch } = await (await PageClient.open(server)).call("register.start", { name: "bob" });
    expect(stretch).toEqual({ generation: 2, memory_kib: 131_072, passes: 3 });

    const first = await login(client, server, alice);
    await client.call("session.logout", {});
    expect([await generationOf("alice"), await generationOf("nobody")]).toEqual([2, 2]);
    const said = await provePassword(client, { ...alice, device: first.new_device });
    expect(said).not.toHaveProperty("restretch");
    expect(await client.call("login.code", { code: nextCode(alice, server) })).not.toHaveProperty("new_device");
  });

  it("is asked for again of a client that has not followed", async () => {
    await server.raise(2);
    const { restretch } = await provePassword(client, alice);
    await client.call("login.code", { code: nextCode(alice, server) });
    await client.call("session.logout", {});
    expect((await provePassword(client, alice)).restretch).toEqual(restretch);
  });

  it.each([1, 3])("drops a verifier of generation %i, which was not asked for", async (generation) => {
    await server.raise(2);
    const { stretch } = await provePassword(client, alice);
    const restretched = { generation, verifier: "ab".repeat(256) };
    await client.call("login.code", { code: nextCode(alice, server), restretched });
    await client.call("session.logout", {});
    const start = await provePassword(client, alice);
    expect(start.stretch).toEqual(stretch);
  });

  it("goes with another password", async () => {
    await server.raise(3);
    await changePassword(client, alice, "dishwasher purple monkey");
    const other = await PageClient.open(server);
    const start = await provePassword(other, { ...alice, password: "dishwasher purple monkey" });
    expect(start.stretch).toEqual({ generation: 3, memory_kib: 262_144, passes: 3 });
    other.close();
  });
});

describe("a deleted account", () => {
  it("takes a code, however fresh the session, and all that it had ends with it", async () => {
    const { secret, account } = await login(client, server, alice);
    const other = await PageClient.open(server);
    await other.resume(secret);
    const late = await PageClient.open(server);
    await provePassword(late, alice);

    expect(await client.refusal("account.delete", { code: "no code" })).toBe("code_refused");
    expect(await client.call("account.delete", { code: nextCode(alice, server) })).toEqual({});
    expect(await client.refusal("session.resume", client.holding(secret))).toBe("session_invalid");
    expect(await other.refusal("session.list", {})).toBe("session_invalid");
    expect(await late.refusal("login.code", { code: nextCode(alice, server) })).toBe("login_failed");
    expect(await isTaken(alice)).toBe(false);
    const again = await register(client, server, alice);
    expect((await login(client, server, again)).account).not.toBe(account);
    for (const each of [other, late]) each.close();
  });
});
