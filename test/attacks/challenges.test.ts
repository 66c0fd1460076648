import { describe, expect, it } from "vitest";
import { putCallback } from "../../packages/server/src/records/challenges/callback.js";
import { findChallenge, type OpenChallenge } from "../../packages/server/src/records/challenges/challenge.js";
import { scanShelf } from "../../packages/server/src/records/challenges/outbox.js";
import { recordRange, wholeRange } from "../../packages/server/src/records/keys.js";
import { answerChallenge, viewPage } from "../../packages/server/src/services/challenges/answer.js";
import { parseBirthDate } from "../../packages/server/src/services/challenges/calendar.js";
import { sumOf } from "../../packages/server/src/services/challenges/decoys.js";
import { keyedBytesOf } from "../../packages/server/src/services/challenges/draw.js";
import { prepareQuestion } from "../../packages/server/src/services/challenges/question.js";
import { newId } from "../../packages/shared/src/ids.js";
import { type Answer, apiKey, call } from "../support/api.js";
import { MINUTE, newStore, SECOND, startInProcess, type TestServer } from "../support/in-process.js";

const BIRTH_DATE = "1984-02-29";
const phone = { address: "198.51.100.9", client: "Firefox" };
const gone = { kind: "gone" };

/** A server, an application on it that may ask questions, and a callback of that application's. */
async function bot() {
  const server = await startInProcess(undefined, { http: true });
  const { text, key } = await apiKey(server.context, ["challenge"], { name: "bot" });
  const { application } = key;
  const id = newId("callback");
  const target = { kind: "webhook", url: "https://bot.example/", secret: Buffer.alloc(32, 7) } as const;
  await server.barrier.transact((tx) => putCallback(tx, { id, application, name: "bot", createdAt: 0, target }));
  const create = (body: object, headers = {}) =>
    call(server, "/v1/challenges", { method: "POST", key: text, headers, body: { ...usual, ...body } });
  const callbacks = async () =>
    (await server.barrier.read((tx) => scanShelf(tx, { callback: id, shelf: 0 }, { limit: 100 }))).shelved.map(
      ({ message }) => message,
    );
  return { server, key: text, application, create, callbacks };
}

const usual = {
  subject: "ann",
  question: { kind: "birth_date_choice", birth_date: BIRTH_DATE },
  reply_to: "https://wa.me/15550100",
};

const pageIdOf = ({ body }: Answer) => String(body["url"]).split("/").at(-1) ?? "";
const answer = ({ context }: TestServer, pageId: string, choice: number, more = {}) =>
  answerChallenge(context, phone, { pageId, choice, language: "en", ...more });

async function recordOf({ barrier }: TestServer, application: `app_${string}`, made: Answer) {
  const id = String(made.body["id"]) as `chl_${string}`;
  return (await barrier.read((tx) => findChallenge(tx, application, id))) as OpenChallenge;
}

const events = async (server: TestServer) => (await server.audit()).filter(({ challenge }) => challenge !== undefined);

describe("what broke the predecessor of chat bots does not break Postern", () => {
  it("an unknown page id, with an empty answer or any, validates nobody", async () => {
    const { server, create, callbacks } = await bot();
    const made = await create({ callback: { name: "bot", client_id: "victim" } });
    const right = pageIdOf(made);
    const near = [
      right.replace(/^./, (first) => (first === "A" ? "B" : "A")),
      right.toLowerCase(),
      `${right} `,
      `${right}=`,
    ];
    for (const pageId of [
      "",
      "AAAAAAAAAAAAAAAAAAAAAA",
      String(made.body["id"]),
      ...near.filter((id) => id !== right),
    ]) {
      for (const choice of [0, 1, 2, 3, 4, 5, Number.NaN]) expect(await answer(server, pageId, choice)).toEqual(gone);
    }
    expect(await callbacks()).toEqual([]);
    expect((await events(server)).map(({ event }) => event)).toEqual(["challenge.create"]);
    expect(await viewPage(server.context, right)).toBeDefined();
  });

  it("the client's id is that of the request that made the page, and of no form", async () => {
    const { server, application, create, callbacks } = await bot();
    const made = await create({ callback: { name: "bot", client_id: "client 7", flow: "pay" } });
    const { right } = await recordOf(server, application, made);
    await answer(server, pageIdOf(made), right, { clientId: "victim", client_id: "victim", subject: "victim" });
    expect(await callbacks()).toMatchObject([{ clientId: "client 7", flow: "pay", subject: "ann", result: "right" }]);
  });

  it("a page is answered once, and there are no further tries", async () => {
    const { server, key, application, create, callbacks } = await bot();
    const made = await create({ callback: { name: "bot" } });
    const { right } = await recordOf(server, application, made);
    expect(await answer(server, pageIdOf(made), (right + 1) % 6)).toMatchObject({ kind: "answered" });
    for (let choice = 0; choice < 6; choice++) expect(await answer(server, pageIdOf(made), choice)).toEqual(gone);
    expect(await call(server, `/v1/challenges/${made.body["id"]}`, { key })).toMatchObject({
      status: 200,
      body: { state: "answered", result: "wrong" },
    });
    expect(await callbacks()).toMatchObject([{ result: "wrong" }]);
  });

  it("every option of 298 sum questions is one of a date that is as near as the right one", async () => {
    const { barrier } = await newStore();
    const truth = parseBirthDate(BIRTH_DATE, Date.now());
    const near = new Set(Array.from({ length: 119 }, (_, n) => sumOf(truth - 59 + n)));
    const lay = prepareQuestion(barrier, { kind: "birth_date_sum", birthDay: truth });
    let none = 0;
    for (let n = 0; n < 298; n++) {
      const { page, right } = lay(keyedBytesOf(Buffer.alloc(32), `page ${n}`));
      const sums = page.question === "birth_date_sum" ? page.sums : [];
      expect(new Set(sums).size).toBe(5);
      expect(sums.filter((sum) => !near.has(sum))).toEqual([]);
      expect(sums.indexOf(31)).toBe(right === 5 ? -1 : right);
      none += Number(right === 5);
    }
    // One in six, to five sigmas.
    expect(Math.abs(none / 298 - 1 / 6)).toBeLessThan(5 * Math.sqrt(5 / 36 / 298));
  });

  it("no key, no page: and a key for something else, or of another application, sees none", async () => {
    const { server, create } = await bot();
    const made = await create({});
    const other = (await apiKey(server.context, ["challenge"])).text;
    const otp = (await apiKey(server.context, ["otp", "totp", "hotp", "session", "admin"])).text;
    const paths = [
      ["POST", "/v1/challenges"],
      ["GET", "/v1/challenges"],
      ["GET", `/v1/challenges/${made.body["id"]}`],
      ["POST", `/v1/challenges/${made.body["id"]}/cancel`],
      ["POST", "/v1/challenges/subjects/unlock"],
    ] as const;
    for (const [method, path] of paths) {
      const bodies: Record<string, object> = {
        "POST /v1/challenges": { body: usual },
        "POST /v1/challenges/subjects/unlock": { body: { subject: "ann" } },
      };
      const body = bodies[`${method} ${path}`] ?? {};
      expect(await call(server, path, { method, ...body })).toMatchObject({ status: 401 });
      expect(await call(server, path, { method, key: otp, ...body })).toMatchObject({ status: 403 });
    }
    for (const [method, path] of paths.slice(2, 4)) {
      expect(await call(server, path, { method, key: other })).toMatchObject({ status: 404 });
    }
    expect((await call(server, "/v1/challenges", { key: other })).body).toMatchObject({ items: [] });
    expect(await viewPage(server.context, pageIdOf(made))).toBeDefined();
  });

  it("no date of birth is taken from a URL, and no subject", async () => {
    const { server, key, create } = await bot();
    const made = await create({});
    for (const path of [
      `/v1/challenges?birth_date=${BIRTH_DATE}`,
      "/v1/challenges?subject=ann",
      `/v1/challenges/${made.body["id"]}?subject=ann`,
    ]) {
      expect(await call(server, path, { key })).toMatchObject({ status: 422 });
      const body = { method: "POST", key, body: usual } as const;
      if (path.startsWith("/v1/challenges?")) expect(await call(server, path, body)).toMatchObject({ status: 422 });
    }
  });

  it("page ids are 16 bytes of the system's generator, and the id that is shown tells nothing of them", async () => {
    const { server, create } = await bot();
    const ids = new Set<string>();
    for (let n = 0; n < 30; n++) {
      const made = await create({ subject: `person ${n}` });
      const bytes = Buffer.from(pageIdOf(made), "base64url");
      expect(bytes).toHaveLength(16);
      ids.add(bytes.toString("hex"));
      expect(made.body["id"]).not.toContain(bytes.toString("hex", 0, 4));
    }
    expect(ids.size).toBe(30);
    expect(server.log.errors).toEqual([]);
  });

  it("evidence is what the server saw, of failures too, and not what anybody says", async () => {
    const { server, application, create } = await bot();
    const made = await create({}, { "x-forwarded-for": "203.0.113.5", "user-agent": "bot/1" });
    const { right } = await recordOf(server, application, made);
    await answer(server, pageIdOf(made), (right + 1) % 6);
    expect(await events(server)).toMatchObject([
      {
        event: "challenge.create",
        outcome: "done",
        personal: { subject: "ann", address: "127.0.0.1", client: "bot/1" },
      },
      {
        event: "challenge.answer",
        outcome: "refused",
        reason: "birth_date_choice en",
        application,
        challenge: made.body["id"],
        personal: { subject: "ann", ...phone },
      },
    ]);
  });

  it("impossible dates are refused as what they are", async () => {
    const { server, create } = await bot();
    for (const birth_date of ["1990-02-30", "1900-02-29", "2100-01-01", "1899-12-31", "0000-00-00", "1990-13-01"]) {
      const made = await create({ question: { kind: "birth_date_sum", birth_date } });
      expect(made).toMatchObject({ status: 422, body: { code: "birth_date_impossible" } });
    }
    for (const birth_date of [
      "",
      "31/12/1990",
      19_900_230,
      null,
      ["1990-02-28"],
      "1990-02-28T00:00:00Z",
      "١٩٩٠-٠٢-٢٨",
    ]) {
      const made = await create({ question: { kind: "birth_date_sum", birth_date } });
      expect(made).toMatchObject({ status: 422, body: { code: "invalid_input" } });
    }
    expect(await create({ question: { kind: "birth_date_sum", birth_date: BIRTH_DATE } })).toMatchObject({
      status: 201,
    });
    expect(server.log.errors).toEqual([]);
  });

  it("neither a link nor a value for a callback is made to be something else", async () => {
    const { create } = await bot();
    for (const reply_to of [
      "javascript:alert(1)",
      "data:text/html,x",
      "https://evil.example/",
      "https://wa.me@evil.example/",
    ]) {
      expect(await create({ reply_to })).toMatchObject({ status: 422, body: { code: "reply_to_refused" } });
    }
    for (const client_id of ["a\r\nb", "\u001b]52;", "", "x".repeat(257), "\u202ea", "\u2028"]) {
      const made = await create({ callback: { name: "bot", client_id } });
      expect(made).toMatchObject({ status: 422, body: { code: "invalid_input" } });
    }
    expect(await create({ callback: { name: "bat" } })).toMatchObject({
      status: 422,
      body: { code: "callback_unknown" },
    });
    const url = { name: "bot", url: "http://169.254.169.254/" };
    expect(await create({ callback: url })).toMatchObject({ status: 422, body: { code: "invalid_input" } });
  });

  it("nothing of a page is in memory, and in the store there is one record of each that has ended, for seven days", async () => {
    const { server, create } = await bot();
    const pages = async () => (await server.barrier.read((tx) => tx.keys(recordRange("challengePage")))).length;
    for (let n = 0; n < 12; n++) {
      const answered = await answer(server, pageIdOf(await create({ subject: `person ${n}` })), n % 6);
      expect(answered.kind).toBe("answered");
    }
    expect(await pages()).toBe(0);
  });
});

describe("a challenge over the API", () => {
  it("attack 65: a second answer, one that is late, and one to a guessed id are refused alike, and GET says why", async () => {
    const { server, key, create } = await bot();
    const [answered, cancelled, over] = [
      await create({}),
      await create({ subject: "bob" }),
      await create({ subject: "eve", expires_in: 10 }),
    ];
    await answer(server, pageIdOf(answered), 0);
    const cancel = () => call(server, `/v1/challenges/${cancelled.body["id"]}/cancel`, { method: "POST", key });
    expect(await cancel()).toMatchObject({ status: 200, body: { state: "cancelled" } });
    expect(await cancel()).toMatchObject({ status: 200, body: { state: "cancelled" } });
    server.clock.advance(10 * SECOND);
    for (const made of [answered, cancelled, over]) {
      expect(await viewPage(server.context, pageIdOf(made))).toBeUndefined();
      expect(await answer(server, pageIdOf(made), 1)).toEqual(gone);
    }
    const states = await Promise.all(
      [answered, cancelled, over].map(({ body }) => call(server, `/v1/challenges/${body["id"]}`, { key })),
    );
    expect(states.map(({ body }) => body["state"])).toEqual(["answered", "cancelled", "expired"]);
    for (const { body } of [answered, over]) {
      const late = await call(server, `/v1/challenges/${body["id"]}/cancel`, { method: "POST", key });
      expect(late).toMatchObject({ status: 409, body: { code: "challenge_ended" } });
    }
  });

  it("attack 65: holds the true answer in no reply, log, record of the audit or callback, and the link in one reply", async () => {
    const { server, key, create, callbacks } = await bot();
    const own = { kind: "own", text: "Which was your first pet?", answer: "hunter2", decoys: ["Bella", "Luna"] };
    const callback = { name: "bot", on_expiry: true };
    const made = [
      await create({ question: own, callback }),
      await create({ callback, subject: "bob" }),
      await create({ callback }),
    ];
    const replies: Answer[] = [];
    for (const [n, one] of made.entries()) {
      const path = `/v1/challenges/${one.body["id"]}`;
      replies.push(await call(server, path, { key }));
      if (n < 2) await answer(server, pageIdOf(one), 0);
      replies.push(await call(server, `${path}/cancel`, { method: "POST", key }), await call(server, path, { key }));
    }
    replies.push(await call(server, "/v1/challenges?limit=2", { key }));
    const unfit = { ...own, decoys: ["hunter2"] };
    const refused = [await create({ question: unfit }), await create({ question: { ...own, answer: ["hunter2"] } })];
    const bodies = made.map(({ body: { url: _told, ...rest } }) => rest);
    const seen = JSON.stringify([
      bodies,
      replies,
      refused,
      await server.audit(),
      await callbacks(),
      server.log.entries,
    ]);
    for (const canary of ["hunter2", BIRTH_DATE, ...made.map(pageIdOf), "right_option", '"choice"', "wa.me"]) {
      expect(seen).not.toContain(canary);
    }
    // The same is told of every page, whichever option is the right one.
    expect(bodies.map((body) => Object.keys(body).sort())).toEqual(
      Array(3).fill(["created_at", "expires_at", "id", "question", "state", "subject"]),
    );
  });

  it("promise 4: two wrong answers in a row keep new pages of that subject back, and of no other", async () => {
    const { server, key, application, create } = await bot();
    for (let n = 0; n < 2; n++) {
      const made = await create({});
      const { right } = await recordOf(server, application, made);
      await answer(server, pageIdOf(made), (right + 1) % 6);
    }
    expect(await create({})).toMatchObject({
      status: 429,
      headers: { "retry-after": "86400" },
      body: { code: "rate_limited", retry_after: 86_400 },
    });
    expect(await create({ subject: "bob" })).toMatchObject({ status: 201 });
    const path = "/v1/challenges/subjects/unlock";
    const unlock = (subject: unknown, by = key) => call(server, path, { method: "POST", key: by, body: { subject } });
    const other = (await apiKey(server.context, ["challenge"])).text;
    expect(await unlock("ann", other)).toMatchObject({ status: 200 });
    for (const subject of ["", "ann\n", 7, undefined, "x".repeat(129)]) {
      expect(await unlock(subject)).toMatchObject({ status: 422 });
    }
    expect(await create({})).toMatchObject({ status: 429 });
    for (const subject of ["ann", "nobody"]) {
      expect(await unlock(subject)).toMatchObject({ status: 200, body: { subject, failures: 0 } });
    }
    expect(await create({})).toMatchObject({ status: 201 });
  });

  it("a repeated request makes no second page, and never tells the link again", async () => {
    const { create } = await bot();
    const headers = { "idempotency-key": "order-1" };
    const first = await create({}, headers);
    const again = await create({}, headers);
    expect(again).toMatchObject({ status: 201, headers: { "idempotent-replayed": "true" } });
    const { url, ...rest } = first.body;
    expect(url).toMatch(/^https:\/\/127\.0\.0\.1:[0-9]+\/c\/[A-Za-z0-9_-]{22}$/);
    expect(again.body).toEqual(rest);
    const other = await create({ question: { kind: "birth_date_choice", birth_date: "1984-03-01" } }, headers);
    expect(other).toMatchObject({ status: 422, body: { code: "idempotency_mismatch" } });
  });

  it("asks in a language that the server has, for 10 seconds to a day, in a form without anything unknown", async () => {
    const { create } = await bot();
    expect((await create({ locale: "ES" })).body).toMatchObject({ locale: "es" });
    expect(await create({ locale: "tlh" })).toMatchObject({ status: 422, body: { code: "locale_unknown" } });
    for (const body of [
      { expires_in: 9 },
      { expires_in: 86_401 },
      { expires_in: "60" },
      { question: { kind: "birth_date_choice", birth_date: BIRTH_DATE, answer: "x" } },
      { question: { kind: "own", text: "x", answer: "y" } },
      { question: { kind: "phone_number" } },
      { question: BIRTH_DATE },
      { callback: { name: "bot", url: "https://evil.example/" } },
      { right: 3 },
      { page_id: "AAAAAAAAAAAAAAAAAAAAAA" },
    ]) {
      expect(await create(body)).toMatchObject({ status: 422, body: { code: "invalid_input" } });
    }
    const long = await create({ expires_in: 86_400 });
    const { created_at, expires_at } = long.body;
    expect(Date.parse(String(expires_at)) - Date.parse(String(created_at))).toBe(24 * 60 * MINUTE);
  });

  it("is ended by a running server by itself, within a minute of its time, and at its start", async () => {
    const { server, create } = await bot();
    const made = await create({});
    server.clock.advance(MINUTE);
    await server.close();
    const { barrier, clock, storage } = server;
    const again = await startInProcess({ barrier, clock, storage });
    await again.close();
    const ends = (await events(again)).filter(({ event }) => event === "challenge.expire");
    expect(ends).toMatchObject([{ challenge: made.body["id"], outcome: "done" }]);
    expect((await barrier.read((tx) => tx.keys(wholeRange))).filter(([kind]) => kind === 0x1d)).toEqual([]);
  });
});
