import { parseOtpauthUri } from "@postern/shared/otp/uri";
import { describe, expect, it } from "vitest";
import type { Deliver } from "../../packages/server/src/services/applications/delivery.js";
import { ApiClient, resultOf } from "../support/api-client.js";
import { newHotp, newOtp, newTotp, wrongCode } from "../support/api-credentials.js";
import { SECOND, type ServerOptions, startInProcess } from "../support/in-process.js";

async function shop(options: ServerOptions = {}) {
  const server = await startInProcess(undefined, { http: true, ...options });
  return { server, client: await ApiClient.of(server) };
}

const named = { issuer: "Shop", account: "ann@example.org" };

describe("one-time codes over HTTPS", () => {
  it("are issued, shown without the code, judged, listed and deleted", async () => {
    const { server, client } = await shop();
    const issued = await client.post("/v1/otp", { subject: "ann" });
    const expires = new Date(server.clock.now() + 300 * SECOND).toISOString();
    const { code, ...shown } = issued.body;
    expect([issued.status, code]).toEqual([201, expect.stringMatching(/^[0-9]{6}$/)]);
    expect(shown).toMatchObject({ subject: "ann", digits: 6, expires_at: expires, attempts_left: 5, version: 1 });
    const path = `/v1/otp/${shown["id"]}`;
    expect(issued.headers).toMatchObject({ etag: '"1"', location: path, "cache-control": "no-store" });
    expect((await client.get(path)).body).toEqual(shown);
    expect((await client.post(`${path}/verify`, { code: wrongCode(String(code)) })).body).toEqual({
      result: "invalid",
      attempts_left: 4,
    });
    expect((await client.post(`${path}/verify`, { code })).body).toEqual({ result: "valid" });
    expect((await client.get("/v1/otp")).body).toMatchObject({ items: [{ id: shown["id"], version: 3 }], damaged: [] });
    const deleted = await client.delete(path);
    expect([deleted.status, deleted.text]).toEqual([204, ""]);
    expect(await client.get(path)).toMatchObject({ status: 404, body: { code: "credential_unknown" } });
  });

  it("say when their time is over, and what they are asked for out of bounds", async () => {
    const { server, client } = await shop();
    const otp = await newOtp(client, { digits: 10, expires_in: 10, attempts: 1 });
    server.clock.advance(10 * SECOND);
    expect((await otp.verify(otp.code)).body).toEqual({ result: "invalid", expired: true });
    for (const [member, value] of [
      ["digits", 3],
      ["digits", 11],
      ["expires_in", 9],
      ["expires_in", 3601],
      ["attempts", 0],
      ["attempts", 11],
      ["digits", "6"],
    ] as const) {
      const reply = await client.post("/v1/otp", { subject: "ann", [member]: value });
      expect(reply).toMatchObject({
        status: 422,
        body: { code: "invalid_input", errors: [{ pointer: `/${member}` }] },
      });
    }
    for (const subject of ["", "a\nb", "x".repeat(129), "\u202e"]) {
      expect((await client.post("/v1/otp", { subject })).status).toBe(422);
    }
  });

  it("go by mail where the server has one, and never into the reply", async () => {
    const sent: Parameters<Deliver>[0][] = [];
    let fails = false;
    const deliver: Deliver = async (mail) => {
      sent.push(mail);
      if (fails) throw new Error("a reason with ann@example.org in it");
    };
    const { client } = await shop({ deliver });
    const body = { subject: "ann", delivery: { mail: "ann@example.org", purpose: "log in" } };
    const issued = await client.post("/v1/otp", body, { "idempotency-key": "m1" });
    expect(issued.body).toMatchObject({ mailed: true });
    expect(issued.body["code"]).toBeUndefined();
    expect(sent).toMatchObject([{ to: "ann@example.org", purpose: "log in", application: "shop" }]);
    const path = `/v1/otp/${issued.body["id"]}`;
    expect(resultOf(await client.post(`${path}/verify`, { code: sent[0]?.code }))).toBe("valid");
    expect((await client.post("/v1/otp", body, { "idempotency-key": "m1" })).status).toBe(201);
    expect(sent).toHaveLength(1);

    fails = true;
    const failed = await client.post("/v1/otp", body, { "idempotency-key": "m2" });
    expect(failed).toMatchObject({ status: 502, body: { code: "mail_failed" } });
    expect(failed.text).not.toContain("ann@");
    expect(await client.get(path)).toMatchObject({ status: 404 });
    fails = false;
    const again = await client.post("/v1/otp", body, { "idempotency-key": "m2" });
    expect([again.status, again.headers["idempotent-replayed"]]).toEqual([201, undefined]);
    for (let mail = 0; mail < 2; mail++) await client.post("/v1/otp", body);
    const limited = await client.post("/v1/otp", body);
    expect(limited).toMatchObject({ status: 429, body: { code: "rate_limited", retry_after: 3600 } });
    expect(limited.headers["retry-after"]).toBe("3600");
  });

  it("do not go by mail where the server has none, nor to what is no address", async () => {
    const { client } = await shop();
    const ask = (mail: string) => client.post("/v1/otp", { subject: "ann", delivery: { mail } });
    expect(await ask("ann@example.org")).toMatchObject({ status: 422, body: { code: "mail_unavailable" } });
    for (const address of ["ann", "a@b\r\nBcc: c@d.example", "Ann <ann@example.org>", "a@b, c@d"]) {
      expect((await ask(address)).status).toBe(422);
    }
    expect((await client.get("/v1/otp")).body["items"]).toEqual([]);
  });
});

describe("authenticators over HTTPS", () => {
  it("are made with secret, URI and QR code, which are shown this one time", async () => {
    const { server, client } = await shop();
    const totp = await newTotp(client, server.clock, { algorithm: "SHA512", digits: 8, period: 60 });
    const { secret, uri, qr_svg: svg, qr_png: png, ...shown } = totp.made;
    expect(parseOtpauthUri(String(uri))).toMatchObject({ ...named, type: "totp", algorithm: "SHA512", period: 60 });
    expect(svg).toMatch(/^<svg /);
    expect(Buffer.from(String(png), "base64").toString("latin1", 1, 4)).toBe("PNG");
    expect((await totp.show()).body).toEqual(shown);
    expect(String(uri)).toContain(String(secret));
    const again = await client.post("/v1/totp", { subject: "ann", ...named });
    expect(again).toMatchObject({ status: 409, body: { code: "credential_exists" } });
    const hotp = await newHotp(client, { counter: 3, look_ahead: 10 });
    expect(hotp.made).toMatchObject({ counter: 3, look_ahead: 10, resync_needed: false });
    expect(String(hotp.made["uri"])).toContain("counter=3");
    expect(resultOf(await hotp.verify(hotp.code(13)))).toBe("valid");
    expect((await hotp.show()).body).toMatchObject({ counter: 14, version: 2, last_used_at: expect.any(String) });
  });

  it("are refused out of bounds, with what is wrong and where, and without a value repeated", async () => {
    const { client } = await shop();
    for (const [kind, member, value] of [
      ["totp", "digits", 5],
      ["totp", "digits", 9],
      ["totp", "period", 29],
      ["totp", "period", 61],
      ["totp", "algorithm", "MD5"],
      ["totp", "issuer", "a:b"],
      ["totp", "account", "a\u0007b"],
      ["hotp", "counter", -1],
      ["hotp", "counter", 2 ** 48 - 1],
      ["hotp", "look_ahead", 0],
      ["hotp", "look_ahead", 11],
    ] as const) {
      const reply = await client.post(`/v1/${kind}`, { subject: "ann", ...named, [member]: value });
      expect(reply).toMatchObject({
        status: 422,
        body: { code: "invalid_input", errors: [{ pointer: `/${member}` }] },
      });
    }
    const secret = "GEZDGNBVGY3TQOJQ";
    const weak = await client.post("/v1/totp", { subject: "ann", ...named, secret });
    expect(weak).toMatchObject({ status: 422, body: { code: "secret_invalid" } });
    expect(weak.text).not.toContain(secret);
  });

  it("are deleted at a version that the application knows, and listed a page at a time", async () => {
    const { server, client } = await shop();
    const made: Awaited<ReturnType<typeof newTotp>>[] = [];
    for (let n = 0; n < 5; n++) made.push(await newTotp(client, server.clock, { subject: `person ${n}` }));
    const seen: unknown[] = [];
    let query = "?limit=2";
    for (let page = 0; page < 3; page++) {
      const { body } = await client.get(`/v1/totp${query}`);
      seen.push(...(body["items"] as { subject: string }[]).map(({ subject }) => subject));
      query = `?limit=2&cursor=${body["next_cursor"]}`;
    }
    expect(query).toBe("?limit=2&cursor=undefined");
    expect(seen.sort()).toEqual(made.map((totp) => totp.made["subject"]));
    const [totp] = made;
    if (totp === undefined) throw new Error("nothing was made");
    await totp.verify(totp.code());
    expect((await totp.show()).headers["etag"]).toBe('"2"');
    for (const tag of ['"1"', 'W/"2"', "2", "nonsense"]) {
      const refused = await client.delete(totp.path, { "if-match": tag });
      expect(refused).toMatchObject({ status: 412, body: { code: "version_mismatch" } });
    }
    expect((await client.delete(totp.path, { "if-match": '"1", "2"' })).status).toBe(204);
    expect((await client.delete(made[1]?.path ?? "", { "if-match": "*" })).status).toBe(204);
    for (const limit of ["0", "101", "x", "1&limit=2"]) {
      expect((await client.get(`/v1/totp?limit=${limit}`)).status).toBe(422);
    }
  });
});

describe("an Idempotency-Key", () => {
  it.each([
    ["otp", { subject: "ann" }, ["code"]],
    ["totp", { subject: "ann", ...named }, ["secret", "uri", "qr_svg", "qr_png"]],
    ["hotp", { subject: "ann", ...named }, ["secret", "uri", "qr_svg", "qr_png"]],
  ] as const)("has a repeat of /v1/%s make nothing, and show nothing that is shown once", async (kind, body, once) => {
    const { client } = await shop();
    const key = { "idempotency-key": "a-key" };
    const first = await client.post(`/v1/${kind}`, body, key);
    const again = await client.post(`/v1/${kind}`, { ...body, digits: 6 }, key);
    expect([again.status, again.headers["idempotent-replayed"]]).toEqual([201, "true"]);
    for (const member of once) expect([member in first.body, member in again.body]).toEqual([true, false]);
    const rest = Object.fromEntries(Object.entries(first.body).filter(([name]) => !once.includes(name as never)));
    expect(again.body).toEqual(rest);
    expect(first.headers["idempotent-replayed"]).toBeUndefined();
    const other = await client.post(`/v1/${kind}`, { ...body, subject: "bob" }, key);
    expect(other).toMatchObject({ status: 422, body: { code: "idempotency_mismatch" } });
    for (const odd of ["", "a b", "x".repeat(65)]) {
      expect((await client.post(`/v1/${kind}`, body, { "idempotency-key": odd })).status).toBe(422);
    }
  });
});
