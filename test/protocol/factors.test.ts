import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { otp } from "./by-the-page.js";
import { PageClient, type Result } from "./page-client.js";
import {
  addAuthenticator,
  answerToCode,
  authenticatorOf,
  codeNow,
  login,
  nextCode,
  provePassword,
  type Registered,
  register,
} from "./page-person.js";
import { startTestServer, type TestServer } from "./test-server.js";

/** Sections "Authenticators" and "One-time codes", by a client made of the page alone. */

let server: TestServer;
let person: Registered;
/** With a fresh session of the person, who is another one in each test. */
let client: PageClient;
let session: Result;
let people = 0;

beforeAll(async () => {
  server = await startTestServer();
});
afterAll(() => server.close());

beforeEach(async () => {
  client = await PageClient.open(server);
  people += 1;
  person = await register(client, server, { name: `person${people}`, password: "purple monkey dishwasher" });
  session = await login(client, server, person);
  person = { ...person, device: session.new_device };
  return () => client.close();
});

/** A connection on which the password is proved, and what the server said to it. */
async function proved() {
  const other = await PageClient.open(server);
  return { other, said: await provePassword(other, person) };
}

/** What a code is answered in a login: nothing, or why not. */
const answerTo = (params: object) => answerToCode(server, person, params);

describe("a second authenticator", () => {
  it("can be TOTP with SHA-256, 8 digits and a minute, and logs in as the first one does", async () => {
    const wish = { kind: "totp", label: "Zoe\u0308's phone", algorithm: "SHA256", digits: 8, period: 60 };
    const { authenticator, offer, facts } = await addAuthenticator(client, server, wish);
    const { secret, uri, ...shown } = offer;
    expect(shown).toEqual({ label: "Zoë's phone", algorithm: "SHA256", digits: 8, period: 60, expires_in: 600 });
    expect(authenticator.secret).toHaveLength(32);
    const query = `issuer=Postern&secret=${secret}&algorithm=SHA256&digits=8&period=60`;
    expect(uri).toBe(`otpauth://totp/Postern:${person.name}?${query}`);
    const times = { created_at: server.time, last_used_at: server.time };
    expect(facts).toMatchObject({ ...wish, ...times, label: "Zoë's phone" });
    expect((await client.call("factor.list", {})).factors).toEqual([expect.anything(), facts]);

    const { other, said } = await proved();
    expect(said.factors).toEqual(["totp", "recovery"]);
    expect(said).not.toHaveProperty("period");
    expect(await other.refusal("login.code", { code: codeNow(authenticator, server) })).toBe("code_refused");
    server.time += 60;
    expect(await other.call("login.code", { code: codeNow(authenticator, server) })).toHaveProperty("secret");
    other.close();
  });

  it("is asked for with the time step, where all have the same", async () => {
    await addAuthenticator(client, server, { kind: "totp", period: 30 });
    expect((await proved()).said.period).toBe(30);
  });

  it("has a label of its own, and the default ones are counted", async () => {
    const { offer } = await addAuthenticator(client, server, { kind: "totp" });
    expect(offer.label).toBe("authenticator 2");
    const { offer: third } = await addAuthenticator(client, server, { kind: "totp", label: "authenticator 4" });
    expect(third.label).toBe("authenticator 4");
    expect((await client.call("factor.add", { kind: "hotp" })).label).toBe("authenticator 3");
  });

  it.each([
    ["32 characters", "a".repeat(32), true],
    ["33 characters", "a".repeat(33), false],
    ["a space first", " a", false],
    ["a dash last", "a-", false],
    ["all signs", "1._-'( )", true],
    ["a letter with a mark, of any script", "क्षि", true],
    ["a right-to-left override", "a\u202eb", false],
    ["a slash", "a/b", false],
  ])("takes a label or not as the page says: %s", async (_what, label, taken) => {
    const reply = await client.ask("factor.add", { kind: "totp", label });
    expect("error" in reply ? reply.error.data.code : "taken").toBe(taken ? "taken" : "label_invalid");
  });

  it("takes no other call before its first code, and is dropped with its connection", async () => {
    await client.call("factor.add", { kind: "totp" });
    expect(await client.refusal("session.whoami", {})).toBe("out_of_order");
    const other = await PageClient.open(server);
    await other.resume(session.secret);
    expect((await other.call("factor.list", {})).factors).toHaveLength(1);
    other.close();
  });

  it("can take the place of the first, whose codes are wrong from then on", async () => {
    const { facts, authenticator } = await addAuthenticator(client, server, { kind: "totp" });
    const [first] = (await client.call("factor.list", {})).factors;
    await client.call("factor.remove", { factor: first?.factor });
    expect(await client.refusal("factor.remove", { factor: first?.factor })).toBe("id_unknown");
    expect(await client.refusal("factor.remove", { factor: facts.factor })).toBe("last_factor");
    expect(await answerTo({ code: nextCode(person, server) })).toMatchObject({ code: "code_refused" });
    expect(await answerTo({ code: codeNow(authenticator, server) })).toBeUndefined();
  });
});

describe("a HOTP authenticator", () => {
  it("is accepted up to five codes ahead, and found again by two in a row within fifty", async () => {
    const { authenticator, offer } = await addAuthenticator(client, server, {
      kind: "hotp",
      algorithm: "SHA512",
      digits: 8,
    });
    expect(offer).not.toHaveProperty("period");
    const query = `issuer=Postern&secret=${offer.secret}&algorithm=SHA512&digits=8&counter=0`;
    expect(offer.uri).toBe(`otpauth://hotp/Postern:${person.name}?${query}`);
    const { other, said } = await proved();
    expect(said.factors).toEqual(["totp", "hotp", "recovery"]);
    expect(said).not.toHaveProperty("period");
    other.close();

    const code = (counter: number) => otp(authenticator, counter);
    const refused = expect.objectContaining({ code: "code_refused" });
    expect(await answerTo({ code: code(0) })).toEqual(refused);
    expect(await answerTo({ code: code(1 + 6) })).toEqual(refused);
    expect(await answerTo({ code: code(1 + 5) })).toBeUndefined();
    expect(await answerTo({ code: code(2) })).toEqual(refused);
    expect(await answerTo({ code: code(7 + 51), second_code: code(7 + 52) })).toEqual(refused);
    expect(await answerTo({ code: code(7 + 49), second_code: code(7 + 51) })).toEqual(refused);
    expect(await answerTo({ code: code(7 + 50), second_code: code(7 + 51) })).toBeUndefined();
    expect(await answerTo({ code: code(7 + 51) })).toEqual(refused);
    expect(await answerTo({ code: code(7 + 52) })).toBeUndefined();
  });

  it("may begin with one of the five codes behind its first", async () => {
    const offer = await client.call("factor.add", { kind: "hotp", period: 60 });
    const authenticator = authenticatorOf(offer);
    expect(await client.refusal("factor.confirm", { code: otp(authenticator, 6) })).toBe("code_refused");
    await client.call("factor.confirm", { code: otp(authenticator, 5) });
    expect(await answerTo({ code: otp(authenticator, 6) })).toBeUndefined();
  });

  it("alone has a second code: with one, neither TOTP nor a recovery code is accepted", async () => {
    const [recovery] = person.recoveryCodes;
    for (const code of [nextCode(person, server), recovery]) {
      expect(await answerTo({ code, second_code: "123456" })).toMatchObject({ code: "code_refused" });
      expect(await answerTo({ code })).toBeUndefined();
    }
  });
});

describe("clock_behind", () => {
  const behind = async (steps: number) => {
    const { other } = await proved();
    const { error } = await other.refused("login.code", { code: codeNow(person.authenticator, server, -steps) });
    other.close();
    expect(error.data.code).toBe("code_refused");
    return error.data.clock_behind;
  };

  it("says how old a code is that came too late, up to twenty steps", async () => {
    server.time += 30 * 30;
    expect(await behind(2)).toBe(60);
    expect(await behind(20)).toBe(600);
    expect(await behind(21)).toBeUndefined();
  });

  it("is silent on codes to come, and on codes that were used or passed over", async () => {
    expect(await behind(-2)).toBeUndefined();
    server.time += 5 * 30;
    expect(await behind(5)).toBeUndefined();
    expect(await behind(6)).toBeUndefined();
    expect(await behind(4)).toBe(120);
  });

  it("is said of first codes too", async () => {
    const offer = authenticatorOf(await client.call("factor.add", { kind: "totp" }));
    const { error } = await client.refused("factor.confirm", { code: codeNow(offer, server, -3) });
    expect(error.data.clock_behind).toBe(90);
  });
});
