import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { PageClient } from "./page-client.js";
import {
  answerToCode,
  authenticatorOf,
  codeNow,
  login,
  newDevice,
  nextCode,
  provePassword,
  type Registered,
  register,
} from "./page-person.js";
import { startTestServer, type TestServer } from "./test-server.js";

/** Step-up of section "Sessions", and section "Recovery codes", by a client made of the page alone. */

let server: TestServer;
let person: Registered;
/** With a fresh session of the person, who is another one in each test. */
let client: PageClient;
let people = 0;

beforeAll(async () => {
  server = await startTestServer();
});
afterAll(() => server.close());

beforeEach(async () => {
  client = await PageClient.open(server);
  people += 1;
  person = await register(client, server, { name: `person${people}`, password: "purple monkey dishwasher" });
  person = { ...person, device: newDevice(await login(client, server, person)) };
  return () => client.close();
});

/** What a code is answered in a login: nothing, or why not. */
const answerTo = (params: object) => answerToCode(server, person, params);

describe("a fresh session", () => {
  it("is one for five minutes after the login, and again after session.verify", async () => {
    const { fresh_until } = await client.call("session.whoami", {});
    expect(fresh_until).toBe(server.time + 300);
    server.time = fresh_until - 1;
    expect((await client.call("factor.list", {})).factors).toHaveLength(1);
    server.time += 1;
    const refusals: string[] = [];
    const factor = `fac_${"ab".repeat(16)}`;
    const calls = { "factor.list": {}, "factor.add": { kind: "totp" }, "factor.remove": { factor } };
    for (const [method, params] of Object.entries({ ...calls, "recovery.regenerate": {} })) {
      refusals.push(await client.refusal(method, params));
    }
    expect(refusals).toEqual(Array(4).fill("step_up_needed"));
    const stepped = await client.call("session.verify", { code: nextCode(person, server) });
    expect(stepped).toEqual({ ...(await client.call("session.whoami", {})), fresh_until: server.time + 300 });
    expect((await client.call("factor.list", {})).factors).toHaveLength(1);
  });

  it("was enough for factor.add: factor.confirm asks no more", async () => {
    const offer = await client.call("factor.add", { kind: "totp" });
    server.time += 599;
    expect(await client.call("factor.confirm", { code: codeNow(authenticatorOf(offer), server) })).toHaveProperty(
      "factor",
    );
  });
});

describe("recovery codes", () => {
  it("are counted, and made anew: the old ones are dead", async () => {
    const [used, old] = person.recoveryCodes;
    expect(await answerTo({ code: used })).toBeUndefined();
    expect(await client.call("recovery.status", {})).toEqual({ left: 9, total: 10 });
    const { recovery_codes } = await client.call("recovery.regenerate", {});
    expect(recovery_codes).toHaveLength(10);
    expect(await client.call("recovery.status", {})).toEqual({ left: 10, total: 10 });
    expect(await answerTo({ code: old })).toMatchObject({ code: "code_refused" });
    expect(await answerTo({ code: recovery_codes[0] })).toBeUndefined();
  });

  it("alone open a locked budget, and the device's own one only", async () => {
    const stranger = await PageClient.open(server);
    const { device: _known, ...unknown } = person;
    await provePassword(stranger, unknown);
    const said: string[] = [];
    while (said.length < 101) {
      said.push(await stranger.refusal("login.code", { code: "no code" }));
      server.time += 3600;
    }
    expect(said).toEqual([...Array<string>(100).fill("code_refused"), "codes_locked"]);
    expect(await answerTo({ code: nextCode(person, server) })).toBeUndefined();
    await provePassword(stranger, unknown);
    expect(await stranger.refusal("login.code", { code: nextCode(person, server) })).toBe("codes_locked");
    await provePassword(stranger, unknown);
    await stranger.call("login.code", { code: person.recoveryCodes[0] });
    await stranger.call("session.logout", {});
    await provePassword(stranger, unknown);
    expect(await stranger.call("login.code", { code: nextCode(person, server) })).toHaveProperty("secret");
    stranger.close();
  });
});
