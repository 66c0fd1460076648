import { encodeSecret } from "@postern/shared/otp/secret";
import { describe, expect, it } from "vitest";
import { ApiClient, resultOf } from "../support/api-client.js";
import { newHotp, newOtp, newTotp, wrongCode } from "../support/api-credentials.js";
import {
  Clock,
  HOUR,
  newLmdbStore,
  newStore,
  reopened,
  SECOND,
  startInProcess,
  type TestServer,
  temporaryDirectory,
} from "../support/in-process.js";
import { awaitingCode, failCodes, registered, tryCode } from "../support/person.js";

const STEP = 30 * SECOND;

async function shop(): Promise<{ server: TestServer; client: ApiClient }> {
  const server = await startInProcess(undefined, { http: true });
  return { server, client: await ApiClient.of(server) };
}

/** Two servers on one file, by a barrier each, and one application at both. */
async function twoServers() {
  const store = await newLmdbStore(await temporaryDirectory());
  const first = await startInProcess(store, { http: true });
  const second = await startInProcess(await reopened(store), { http: true });
  const client = await ApiClient.of(first);
  return { servers: [first, second] as const, clients: [client, client.at(second)] as const };
}

const rfcSecret = (bytes: number) => encodeSecret(Buffer.from("1234567890".repeat(7)).subarray(0, bytes));

describe("codes of authenticators", () => {
  it("attack 18: RFC 4226 appendix D, every row", async () => {
    const { client } = await shop();
    const hotp = await newHotp(client, { secret: rfcSecret(20) });
    const rows = "755224 287082 359152 969429 338314 254676 287922 162583 399871 520489".split(" ");
    for (const code of rows) expect(resultOf(await hotp.verify(code))).toBe("valid");
  });

  it("attack 18: RFC 6238 appendix B, every row", async () => {
    const rows = [
      [59, "94287082", "46119246", "90693936"],
      [1_111_111_109, "07081804", "68084774", "25091201"],
      [1_111_111_111, "14050471", "67062674", "99943326"],
      [1_234_567_890, "89005924", "91819424", "93441116"],
      [2_000_000_000, "69279037", "90698825", "38618901"],
      [20_000_000_000, "65353130", "77737706", "47863826"],
    ] as const;
    const clock = new Clock();
    const server = await startInProcess(await newStore({ clock }), { http: true });
    const client = await ApiClient.of(server);
    clock.advance(-clock.now());
    const [one, two, three] = await Promise.all(
      (["SHA1", "SHA256", "SHA512"] as const).map((algorithm, index) =>
        newTotp(client, clock, {
          subject: algorithm,
          algorithm,
          digits: 8,
          secret: rfcSecret([20, 32, 64][index] ?? 20),
        }),
      ),
    );
    for (const [time, ...codes] of rows) {
      clock.advance(time * SECOND - clock.now());
      for (const [index, totp] of [one, two, three].entries()) {
        expect(resultOf((await totp?.verify(codes[index] ?? "")) as never), `${time}`).toBe("valid");
      }
    }
  });

  it("attack 19: one code twice, on another connection and at another server, is one success", async () => {
    const { servers, clients } = await twoServers();
    const [first, second] = clients;
    const [otp, totp, hotp] = [await newOtp(first), await newTotp(first, servers[0].clock), await newHotp(first)];
    const tries = [() => otp.code, () => totp.code(), () => hotp.code(0)];
    for (const [index, credential] of [otp, totp, hotp].entries()) {
      const code = tries[index]?.() ?? "";
      expect(resultOf(await credential.verify(code))).toBe("valid");
      expect(resultOf(await credential.verify(code, second))).toBe("replayed");
      expect(resultOf(await credential.verify(code, first.at(servers[1])))).toBe("replayed");
    }
  });

  it("attack 20: 200 parallel uses of one code, over two servers on one file, are exactly one success", async () => {
    const { servers, clients } = await twoServers();
    const [client] = clients;
    const otp = await newOtp(client);
    const totp = await newTotp(client, servers[0].clock);
    for (const { verify, code } of [
      { ...otp, code: otp.code },
      { ...totp, code: totp.code() },
    ]) {
      const uses = Array.from({ length: 100 }, (_, index) => verify(code, clients[index % 2]));
      const results = (await Promise.all(uses)).map(resultOf);
      expect(results.filter((result) => result === "valid")).toHaveLength(1);
      expect(results.filter((result) => result === "replayed")).toHaveLength(5);
      expect(results.filter((result) => result === "throttled")).toHaveLength(94);
    }
  });

  it("attacks 21 and 23: the window is one step each way, and no step comes back, not with the clock either", async () => {
    const { server, client } = await shop();
    const totp = await newTotp(client, server.clock);
    const { verify, code } = totp;
    expect(resultOf(await verify(code(2)))).toBe("invalid");
    expect((await verify(code(-2))).body).toEqual({ result: "invalid", clock_behind: 60 });
    expect(resultOf(await verify(code(-1)))).toBe("valid");
    expect(resultOf(await verify(code(1)))).toBe("valid");
    server.clock.advance(-STEP);
    for (const used of [code(), code(1), code(1)]) expect(resultOf(await verify(used))).toBe("replayed");
    expect(resultOf(await verify(code(2)))).toBe("invalid");
  });

  it("attack 24: an HOTP counter beyond the look-ahead is refused, and two codes in a row find it, forwards alone", async () => {
    const { client } = await shop();
    const { verify, resync, code, show } = await newHotp(client);
    expect(resultOf(await verify(code(6)))).toBe("invalid");
    expect(resultOf(await resync(52, 53))).toBe("invalid");
    expect(resultOf(await resync(40, 41))).toBe("valid");
    expect(resultOf(await resync(10, 11))).toBe("invalid");
    expect((await show()).body).toMatchObject({ counter: 42 });
    expect(resultOf(await verify(code(42)))).toBe("valid");
  });

  it("attack 28: what is no code of the credential is refused, and counts for nothing", async () => {
    const { server, client } = await shop();
    const totp = await newTotp(client, server.clock);
    const hotp = await newHotp(client);
    const right = totp.code();
    const fullWidth = right.replace(/[0-9]/g, (digit) => String.fromCharCode(digit.charCodeAt(0) + 0xfee0));
    const strange = ["", null, 123456, [right], { code: right }, true, `${right}0`, ` ${right}`, fullWidth, "+12345"];
    for (const code of strange) {
      const reply = await client.post(`${totp.path}/verify`, { code });
      expect([reply.status, JSON.stringify(code)]).toEqual([422, JSON.stringify(code)]);
      expect(reply.text).not.toContain(right);
    }
    for (const body of [{}, { code: right, also: 1 }, { codes: [right] }]) {
      expect((await client.post(`${totp.path}/verify`, body)).status).toBe(422);
    }
    for (const codes of [[], [right], [right, right, right], [right, null], right]) {
      expect((await client.post(`${hotp.path}/resync`, { codes })).status).toBe(422);
    }
    expect((await totp.show()).body).toMatchObject({ failures: 0, version: 1 });
    expect(resultOf(await totp.verify(right === "000000" ? "000001" : "000000"))).toBe("invalid");
    expect(resultOf(await totp.verify(right))).toBe("valid");
  });

  it("attack 28b: a code that is right for a future step is answered like any wrong one", async () => {
    const { server, client } = await shop();
    const totp = await newTotp(client, server.clock);
    const replies = new Set<string>();
    for (const code of [totp.code(2), totp.code(20), wrongCode(totp.code())])
      replies.add((await totp.verify(code)).text);
    expect(replies).toEqual(new Set(['{"result":"invalid"}']));
  });
});

describe("guesses at codes of applications", () => {
  it("attack 25: are counted on over connections, a restart and another server", async () => {
    const { servers, clients } = await twoServers();
    const [first, second] = servers;
    const totp = await newTotp(clients[0], first.clock);
    const wrong = wrongCode(totp.code());
    for (const client of [clients[0], clients[1], clients[0].at(first)]) {
      expect(resultOf(await totp.verify(wrong, client))).toBe("invalid");
    }
    await first.close();
    const again = await startInProcess(await reopened(first), { http: true });
    for (const server of [again, second])
      expect(resultOf(await totp.verify(wrong, clients[0].at(server)))).toBe("invalid");
    for (const server of [again, second]) {
      const reply = await totp.verify(totp.code(), clients[0].at(server));
      expect(reply).toMatchObject({ status: 200, body: { result: "throttled", retry_after: 30 } });
      expect(reply.headers["retry-after"]).toBe("30");
    }
  });

  it("attack 26: are counted together on every path: verify and resync, and all codes of a subject", async () => {
    const { client } = await shop();
    const hotp = await newHotp(client);
    for (let guess = 0; guess < 3; guess++) expect(resultOf(await hotp.resync(60, 61))).toBe("invalid");
    for (let guess = 0; guess < 2; guess++) expect(resultOf(await hotp.verify(hotp.code(60)))).toBe("invalid");
    expect(resultOf(await hotp.verify(hotp.code(0)))).toBe("throttled");
    expect(resultOf(await hotp.resync(0, 1))).toBe("throttled");
    for (let guess = 0; guess < 5; guess++) {
      const { verify, code, path } = await newOtp(client);
      expect((await verify(wrongCode(code))).body).toEqual({ result: "invalid", attempts_left: 4 });
      if (guess % 2 === 0) expect((await client.delete(path)).status).toBe(204);
    }
    const otp = await newOtp(client);
    expect(resultOf(await otp.verify(otp.code))).toBe("throttled");
  });

  it("attack 27: a key for one part, and another application, reach nothing of it", async () => {
    const { server, client } = await shop();
    const totp = await newTotp(client, server.clock);
    const [otherPart, otherShop] = [await ApiClient.of(server, ["otp", "hotp"]), await ApiClient.of(server)];
    for (const [method, path, body] of [
      ["POST", `${totp.path}/verify`, { code: totp.code() }],
      ["POST", `${totp.path}/unlock`, undefined],
      ["GET", totp.path, undefined],
      ["DELETE", totp.path, undefined],
    ] as const) {
      expect((await otherPart.send(method, path, { body })).body).toMatchObject({ status: 403, code: "scope_missing" });
      expect((await otherShop.send(method, path, { body })).body).toMatchObject({ code: "credential_unknown" });
    }
    expect((await otherShop.get("/v1/totp")).body).toEqual({ items: [], damaged: [] });
    expect(resultOf(await totp.verify(totp.code()))).toBe("valid");
  });

  it("attack 28a: hundreds of parallel tries, over two servers, are no more guesses than one after another", async () => {
    const { clients } = await twoServers();
    const otp = await newOtp(clients[0], { attempts: 10 });
    const wrong = wrongCode(otp.code);
    const tries = Array.from({ length: 300 }, (_, index) =>
      otp.verify(index % 10 === 9 ? otp.code : wrong, clients[index % 2]),
    );
    const results = (await Promise.all(tries)).map(resultOf);
    expect(results.filter((result) => result !== "throttled").length).toBeLessThanOrEqual(6);
    expect(results.filter((result) => result === "throttled").length).toBeGreaterThanOrEqual(294);
  });

  it("attack 55: a hundred in a row lock it for good, until the application unlocks it", async () => {
    const { server, client } = await shop();
    const totp = await newTotp(client, server.clock);
    for (let guess = 0; guess < 100; guess++) {
      server.clock.advance(HOUR);
      expect(resultOf(await totp.verify(wrongCode(totp.code())))).toBe("invalid");
    }
    server.clock.advance(400 * 24 * HOUR);
    const locked = await totp.verify(totp.code());
    expect(locked.body).toEqual({ result: "throttled", locked: true });
    expect(locked.headers["retry-after"]).toBeUndefined();
    expect((await totp.show()).body).toMatchObject({ failures: 100, locked: true });
    expect((await client.post(`${totp.path}/unlock`)).body).toMatchObject({ failures: 0, locked: false });
    expect(resultOf(await totp.verify(totp.code()))).toBe("valid");
    const events = (await server.audit()).filter(({ event }) => event.startsWith("totp.")).slice(-3);
    expect(events).toMatchObject([
      { event: "totp.verify", outcome: "refused", reason: "locked", personal: { subject: "ann" } },
      { event: "totp.unlock", outcome: "done" },
      { event: "totp.verify", outcome: "granted" },
    ]);
  });
});

/** What broke the REST OTP, HOTP and TOTP server, each as a case of its own. */
describe("what broke the second predecessor does not break Postern", () => {
  it("only the last code remembered: now, previous, now again are not all accepted", async () => {
    const { server, client } = await shop();
    const { verify, code } = await newTotp(client, server.clock);
    const results: unknown[] = [];
    for (const at of [0, -1, 0]) results.push(resultOf(await verify(code(at))));
    expect(results).toEqual(["valid", "replayed", "replayed"]);
  });

  it("full-width digits do not replay a used code", async () => {
    const { server, client } = await shop();
    const totp = await newTotp(client, server.clock);
    const otp = await newOtp(client);
    for (const [credential, code] of [
      [totp, totp.code()],
      [otp, otp.code],
    ] as const) {
      expect(resultOf(await credential.verify(code))).toBe("valid");
      const folded = code.replace(/[0-9]/g, (digit) => String.fromCharCode(digit.charCodeAt(0) + 0xfee0));
      expect((await credential.verify(folded)).status).toBe(422);
    }
  });

  it("8 parallel verifies of one code are one success, twenty times of twenty", async () => {
    const { client } = await shop();
    for (let time = 0; time < 20; time++) {
      const { verify, code } = await newOtp(client, { subject: `person ${time}` });
      const results = (await Promise.all(Array.from({ length: 8 }, () => verify(code)))).map(resultOf);
      expect(results.filter((result) => result === "valid")).toHaveLength(1);
    }
  });

  it("an HOTP code is not accepted twice, nor once more, after a resync", async () => {
    const { client } = await shop();
    const { verify, resync, code } = await newHotp(client);
    expect(resultOf(await resync(20, 21))).toBe("valid");
    for (const counter of [20, 21, 21]) expect(resultOf(await verify(code(counter)))).toBe("replayed");
    expect(resultOf(await verify(code(22)))).toBe("valid");
    expect(resultOf(await verify(code(22)))).toBe("replayed");
  });

  it("HOTP is not guessed in 75,850 tries: after the fifth none is judged", async () => {
    const { client } = await shop();
    const { verify, code } = await newHotp(client, { look_ahead: 10 });
    const rights = new Set(Array.from({ length: 11 }, (_, counter) => code(counter)));
    const guesses = Array.from({ length: 60 }, (_, n) => String(n * 7919).padStart(6, "0")).filter(
      (n) => !rights.has(n),
    );
    const results: unknown[] = [];
    for (const guess of guesses) results.push(resultOf(await verify(guess)));
    expect(results.filter((result) => result === "invalid")).toHaveLength(5);
    expect(resultOf(await verify(code(0)))).toBe("throttled");
  });

  it("GET and HEAD change no state, wherever they are sent", async () => {
    const { server, client } = await shop();
    const totp = await newTotp(client, server.clock);
    const otp = await newOtp(client);
    const before = [(await totp.show()).text, (await otp.show()).text, (await server.audit()).length];
    for (const { path } of [totp, otp]) {
      for (const method of ["GET", "HEAD"]) {
        for (const suffix of ["", "/verify", "/unlock", "/resync"]) {
          expect([200, 404]).toContain((await client.send(method, path + suffix)).status);
        }
        for (const list of ["/v1/otp", "/v1/totp", "/v1/hotp"]) {
          expect((await client.send(method, list)).status).toBe(200);
        }
      }
    }
    expect([(await totp.show()).text, (await otp.show()).text, (await server.audit()).length]).toEqual(before);
  });

  it("a code or subject in a query string is refused, and no code or secret reaches the log or the audit", async () => {
    const { server, client } = await shop();
    const totp = await newTotp(client, server.clock, { digits: 8 });
    const otp = await newOtp(client, { digits: 10 });
    const code = totp.code();
    for (const path of [`${totp.path}/verify?code=${code}`, `${otp.path}/verify?code=${otp.code}`]) {
      expect((await client.post(path, { code })).status).toBe(422);
      expect((await client.get(path)).status).toBe(404);
    }
    expect((await client.post("/v1/otp?subject=ann", { subject: "ann" })).status).toBe(422);
    expect((await client.get("/v1/otp?subject=ann")).status).toBe(422);
    expect(resultOf(await totp.verify(code))).toBe("valid");
    expect(resultOf(await otp.verify(wrongCode(otp.code)))).toBe("invalid");
    const told = JSON.stringify([server.log.entries, await server.audit()]);
    for (const secret of [code, otp.code, wrongCode(otp.code), String(totp.made["secret"])]) {
      expect(told).not.toContain(secret);
    }
  });

  it("no code stands in clear in the store, nor beside its secret in any reply but the first", async () => {
    const { client, server } = await shop();
    const totp = await newTotp(client, server.clock, { digits: 8 });
    const otp = await newOtp(client, { digits: 10 });
    const later = [await totp.show(), await otp.show(), await client.get("/v1/totp"), await client.get("/v1/otp")];
    const stolen = await server.storage.read((tx) => tx.scan({ from: Buffer.alloc(0), to: Buffer.alloc(512, 0xff) }));
    const all = Buffer.concat([
      ...later.map(({ text }) => Buffer.from(text)),
      ...stolen.flatMap(({ key, value }) => [key, value]),
    ]);
    for (const secret of [otp.code, String(totp.made["secret"]), totp.code()]) expect(all.includes(secret)).toBe(false);
  });
});

describe("a person of the wire and a subject of an application who have one and the same secret", () => {
  /** Alice, and an application that knows its user "alice" by the very authenticator that she logs in with here. */
  async function both() {
    const { server, client } = await shop();
    const person = await registered(server, "alice");
    server.clock.advance(STEP);
    const totp = await newTotp(client, server.clock, { subject: "alice", secret: encodeSecret(person.secret) });
    return { server, person, totp };
  }

  it("attacks 20 and 26: are two: of a hundred uses of one code, mixed over wire and HTTPS, each takes exactly one", async () => {
    const { server, person, totp } = await both();
    const code = totp.code();
    const clients = await awaitingCode(server, person, 4);
    const [overWire, overHttps] = await Promise.all([
      Promise.all(clients.map((client) => client.outcome("login.code", { code }))),
      Promise.all(Array.from({ length: 96 }, async () => resultOf(await totp.verify(code)))),
    ]);
    expect(overWire.filter((outcome) => outcome === "ok")).toHaveLength(1);
    expect(overHttps.filter((result) => result === "valid")).toHaveLength(1);
    for (const client of clients) await client.close();
  });

  it("attacks 25 and 26: neither's wrong codes count for the other, and both counts hold while they are mixed", async () => {
    const { server, person, totp } = await both();
    const wrong = person.wrongCode(server.clock);
    for (let guess = 0; guess < 5; guess += 1) expect(resultOf(await totp.verify(wrong))).toBe("invalid");
    expect(resultOf(await totp.verify(totp.code()))).toBe("throttled");
    expect(await tryCode(server, person, wrong)).toBe("code_refused");
    expect(await tryCode(server, person, totp.code())).toBe("ok");
    server.clock.advance(STEP);
    await failCodes(server, person, 5);
    expect(await tryCode(server, person, totp.code())).toBe("throttled");
    expect(resultOf(await totp.verify(totp.code()))).toBe("valid");
  });
});
