import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type KnownDevice, PageClient } from "./page-client.js";
import {
  deviceProof,
  login,
  newDevice,
  nextCode,
  proof,
  provePassword,
  type Registered,
  register,
} from "./page-person.js";
import { startTestServer, type TestServer } from "./test-server.js";

/** Section "Known devices", by a client made of the page alone. */

const wrongProof = { M1: "ab".repeat(32), mac: "cd".repeat(32) };
const A = "ab".repeat(256);

let server: TestServer;
/** At the device that the first login made known. */
let alice: Registered & { readonly device: KnownDevice };
/** At a device that nobody knows. */
let elsewhere: Registered;

beforeAll(async () => {
  server = await startTestServer();
  const client = await PageClient.open(server);
  elsewhere = await register(client, server, { name: "alice", password: "purple monkey dishwasher" });
  alice = { ...elsewhere, device: newDevice(await login(client, server, elsewhere)) };
  client.close();
});
afterAll(() => server.close());

/** A whole login, on a connection of its own. */
async function loginOf(person: Registered) {
  const client = await PageClient.open(server);
  return { client, entered: await login(client, server, person) };
}

/** Wrong passwords, with or without the device, until one is not judged any more. */
async function failures(client: PageClient, { device }: Pick<Registered, "device">): Promise<readonly string[]> {
  const codes: string[] = [];
  while (codes.at(-1) !== "throttled" && codes.length < 8) {
    const shown = device && { device: deviceProof(device, client.exporter) };
    await client.call("login.start", { name: "alice", A, ...shown });
    codes.push(await client.refusal("login.proof", wrongProof));
  }
  return codes;
}

const fiveThenClosed = [...Array<string>(5).fill("login_failed"), "throttled"];

describe("a known device", () => {
  it("is the same one at its next login, and no new one", async () => {
    const { entered, client } = await loginOf(alice);
    expect(entered).toMatchObject({ device: alice.device.device });
    expect(entered).not.toHaveProperty("new_device");
    client.close();
  });

  it("has an id and a secret of the form that the page says, told to a stranger at the end of the login", async () => {
    const { entered, client } = await loginOf(elsewhere);
    expect(entered.new_device?.device).toMatch(/^dev_[0-9a-f]{32}$/);
    expect(entered.new_device?.secret).toMatch(/^[0-9a-f]{64}$/);
    expect(entered.device).toBe(entered.new_device?.device);
    client.close();
  });

  it("is a stranger with a MAC over another connection's exporter, and hears nothing of it before the end", async () => {
    const [one, other] = [await PageClient.open(server), await PageClient.open(server)];
    const shown = deviceProof(alice.device, other.exporter);
    const answers = [
      await one.call("login.start", { name: "alice", A, device: shown }),
      await other.call("login.start", { name: "alice", A, device: shown }),
    ];
    expect(answers.map((answer) => Object.keys(answer))).toEqual(Array(2).fill(["identity", "salt", "stretch", "B"]));
    for (const client of [one, other]) client.close();

    const guessed = { ...alice, device: { ...alice.device, secret: "ab".repeat(32) } };
    const { client, entered } = await loginOf(guessed);
    expect(entered).toHaveProperty("new_device");
    client.close();
  });

  it("is of one account: with another name it counts for nothing", async () => {
    const client = await PageClient.open(server);
    const bob = await register(client, server, { name: "bob", password: "purple monkey dishwasher" });
    expect(await login(client, server, { ...bob, device: alice.device })).toHaveProperty("new_device");
    client.close();
  });

  it("logs in while strangers have used up the guesses at its name, and opens nothing for them", async () => {
    const attacker = await PageClient.open(server);
    expect(await failures(attacker, {})).toEqual(fiveThenClosed);
    server.time += 30;
    expect(await failures(attacker, {})).toEqual(["login_failed", "throttled"]);
    const { client } = await loginOf(alice);
    expect(await failures(attacker, {})).toEqual(["throttled"]);
    server.time += 3600;
    for (const each of [client, attacker]) each.close();
  });

  it("has guesses of its own for passwords and for codes, and strangers keep theirs", async () => {
    const client = await PageClient.open(server);
    expect(await failures(client, alice)).toEqual(fiveThenClosed);
    const { params } = await proof(client, alice);
    expect(await client.refusal("login.proof", params)).toBe("throttled");
    server.time += 30;
    await provePassword(client, alice);
    for (let tries = 0; tries < 5; tries++) await client.refused("login.code", { code: "no code" });
    const [code] = alice.recoveryCodes;
    expect(await client.refusal("login.code", { code })).toBe("throttled");
    await provePassword(client, elsewhere);
    expect(await client.call("login.code", { code })).toHaveProperty("new_device");
    client.close();
  });
});

describe("a device dies", () => {
  it("when it is forgotten; its session goes on, and its guesses are a stranger's", async () => {
    server.time += 3600;
    const { client, entered } = await loginOf(elsewhere);
    const here = { ...elsewhere, device: entered.new_device };
    const { devices } = await client.call("device.list", {});
    expect(devices.filter(({ current }) => current).map(({ device }) => device)).toEqual([entered.device]);
    await client.call("device.forget", { device: entered.device });
    expect(await client.refusal("device.forget", { device: entered.device })).toBe("id_unknown");
    expect(await client.call("session.verify", { code: nextCode(here, server) })).toHaveProperty("session");
    const again = await loginOf(here);
    expect(again.entered).toHaveProperty("new_device");
    for (const each of [client, again.client]) each.close();
  });

  it("when all others are forgotten, but not the one that says so", async () => {
    const one = await loginOf(elsewhere);
    const two = await loginOf(elsewhere);
    const { devices } = await two.client.call("device.list", {});
    expect(await two.client.call("device.forget_others", {})).toEqual({ forgotten: devices.length - 1 });
    const again = await loginOf({ ...elsewhere, device: two.entered.new_device });
    expect(again.entered).not.toHaveProperty("new_device");
    const forgotten = await loginOf({ ...elsewhere, device: one.entered.new_device });
    expect(forgotten.entered).toHaveProperty("new_device");
    for (const { client } of [one, two, again, forgotten]) client.close();
  });

  it("when ten others were used since, and not before", async () => {
    const first = await loginOf(elsewhere);
    const here = { ...elsewhere, device: first.entered.new_device };
    first.client.close();
    for (const [others, known] of [
      [9, true],
      [10, false],
    ] as const) {
      for (let used = 0; used < others; used++) (await loginOf(elsewhere)).client.close();
      const { client, entered } = await loginOf(here);
      expect(entered.new_device === undefined, `after ${others}`).toBe(known);
      client.close();
    }
  });
});
