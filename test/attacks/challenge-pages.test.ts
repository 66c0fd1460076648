import { describe, expect, it, onTestFinished, vi } from "vitest";
import type { Post, PostRequest } from "../../packages/server/src/post.js";
import { findChallenge, type OpenChallenge } from "../../packages/server/src/records/challenges/challenge.js";
import { createCallback } from "../../packages/server/src/services/challenges/callbacks.js";
import { apiKey, call } from "../support/api.js";
import { SECOND, startInProcess } from "../support/in-process.js";
import { FORM, visit } from "../support/visit.js";

async function bot(post?: Post) {
  const server = await startInProcess(undefined, { http: true, ...(post && { post }) });
  const { text: key, key: made } = await apiKey(server.context, ["challenge"], { name: "bot" });
  const ask = async (body: object = {}) => {
    const question = { kind: "birth_date_choice", birth_date: "1985-03-14" };
    const wish = { subject: "ann", question, reply_to: "https://wa.me/15550100", locale: "en", ...body };
    const { body: created } = await call(server, "/v1/challenges", { method: "POST", key, body: wish });
    const id = String(created["id"]) as `chl_${string}`;
    const path = new URL(String(created["url"])).pathname;
    const record = (await server.barrier.read((tx) => findChallenge(tx, made.application, id))) as OpenChallenge;
    const state = async () => (await call(server, `/v1/challenges/${id}`, { key })).body;
    return { id, path, right: record.right, state };
  };
  return { server, key, application: made.application, ask };
}

describe("a page that cannot be answered (attack 65)", () => {
  it("is the same to the last byte whether it was answered, expired, cancelled, guessed at or never was", async () => {
    const { server, key, ask } = await bot();
    const answered = await ask();
    await visit(server, answered.path, { method: "POST", body: `choice=${answered.right}` });
    const cancelled = await ask();
    await call(server, `/v1/challenges/${cancelled.id}/cancel`, { method: "POST", key });
    const expired = await ask({ expires_in: 10 });
    server.clock.advance(10 * SECOND);
    const open = await ask();
    const guessed = `${open.path.slice(0, -1)}${open.path.endsWith("A") ? "Q" : "A"}`;
    const paths = [
      answered.path,
      cancelled.path,
      expired.path,
      guessed,
      `/c/${"A".repeat(22)}`,
      "/c/x",
      `/c/${open.id}`,
    ];
    const seen = await Promise.all(
      paths.flatMap((path) => [visit(server, path), visit(server, path, { method: "POST", body: "choice=0" })]),
    );
    for (const one of seen) expect(one).toEqual(seen[0]);
    expect(seen[0]).toMatchObject({ status: 404 });
    expect(seen[0]?.body).toContain("Go back to the chat");
    expect(JSON.stringify(seen)).not.toMatch(/wa\.me|15550100|ann|1985/);
    expect(await open.state()).toMatchObject({ state: "open" });
  });

  it("and a second answer, however many come at once, changes nothing", async () => {
    const { server, ask } = await bot();
    const { path, right, state } = await ask();
    const tries = Array.from({ length: 20 }, (_, index) => `choice=${index === 7 ? right : (right + 1) % 6}`);
    const seen = await Promise.all(tries.map((body) => visit(server, path, { method: "POST", body })));
    expect(seen.filter(({ status }) => status === 303)).toHaveLength(1);
    expect(seen.filter(({ status }) => status === 404)).toHaveLength(19);
    const { result } = await state();
    expect((await visit(server, path, { method: "POST", body: `choice=${right}` })).status).toBe(404);
    expect((await state())["result"]).toBe(result);
  });
});

describe("a page that can be answered (attack 65)", () => {
  it("changes by nothing that only looks: GET, HEAD, a preview, a query with a choice in it", async () => {
    const { server, ask } = await bot();
    const { path, right, state } = await ask();
    for (const method of ["GET", "HEAD"]) {
      for (const query of ["", `?choice=${right}`])
        expect((await visit(server, path + query, { method })).status).toBe(200);
    }
    expect(await state()).toMatchObject({ state: "open" });
  });

  it("leads to the reply-to link right or wrong, with nothing more in the reply", async () => {
    const { server, ask } = await bot();
    const [first, second] = [await ask(), await ask()];
    const right = await visit(server, first.path, { method: "POST", body: `choice=${first.right}` });
    const wrong = await visit(server, second.path, { method: "POST", body: `choice=${(second.right + 1) % 6}` });
    expect(right).toEqual(wrong);
    expect(right).toMatchObject({ status: 303, headers: { location: "https://wa.me/15550100" }, body: "" });
  });

  it.each([
    ["nothing", ""],
    ["no option", "choice=9"],
    ["an empty choice", "choice="],
    ["a name that is not asked for", "answer=0&client_id=victim&validated=true"],
    ["digits of another script", `choice=${encodeURIComponent("０")}`],
  ])("takes %s for no answer, says so, and stays open", async (_what, body) => {
    const { server, ask } = await bot();
    const { path, state } = await ask();
    const seen = await visit(server, path, { method: "POST", body });
    expect(seen.status).toBe(422);
    expect(seen.body).toContain("Choose one of the answers.");
    expect(await state()).toMatchObject({ state: "open" });
  });

  it.each([
    ["two choices", FORM, "choice=0&choice=1", 400],
    ["JSON", "application/json", '{"choice":"0"}', 415],
    ["a form in parts", "multipart/form-data; boundary=x", "--x--", 415],
    ["a form that is not UTF-8", FORM, "choice=%ff", 400],
    ["a form of a megabyte", FORM, `choice=${"0".repeat(2 ** 20)}`, 413],
  ])("refuses %s (attack 64), and stays open", async (_what, type, body, status) => {
    const { server, ask } = await bot();
    const { path, state } = await ask();
    const seen = await visit(server, path, { method: "POST", body, headers: { "content-type": type } });
    expect(seen.status).toBe(status);
    expect(await state()).toMatchObject({ state: "open" });
  });

  it("is kept by no cache, stands in no frame, loads nothing and tells no other site where one came from", async () => {
    const { server, ask } = await bot();
    const { path } = await ask();
    const { headers } = await visit(server, path);
    expect(headers).toMatchObject({
      "cache-control": "no-store",
      "content-type": "text/html; charset=utf-8",
      "referrer-policy": "no-referrer",
      "x-content-type-options": "nosniff",
      "x-robots-tag": "noindex",
    });
    const policy = String(headers["content-security-policy"]);
    expect(policy).toContain("default-src 'none'");
    expect(policy).toContain("frame-ancestors 'none'");
    expect(policy).not.toContain("unsafe");
    expect(headers["set-cookie"]).toBeUndefined();
  });

  it("has the answer in it as one of its options and nowhere else, and so have log, audit and API", async () => {
    const { server, key, ask } = await bot();
    const question = { kind: "own", text: "Whose dog?", answer: "Rex-4711", decoys: ["Fido", "Bello"] };
    const { id, path, right } = await ask({ question });
    const page = await visit(server, path);
    expect(page.body.match(/Rex-4711/g)).toHaveLength(1);
    const option = (name: string) => new RegExp(`<label>(.*)${name}`).exec(page.body)?.[1]?.replace(/value="\d"/, "");
    expect(option("Rex-4711")).toBe(option("Fido"));
    await visit(server, path, { method: "POST", body: `choice=${right}` });
    const told = await Promise.all([
      call(server, `/v1/challenges/${id}`, { key }),
      call(server, "/v1/challenges", { key }),
      server.audit(),
    ]);
    expect(JSON.stringify([told, server.log.entries])).not.toContain("Rex");
  });
});

it("what people open at the root is a page too, in their language, and robots are sent away", async () => {
  const { server } = await bot();
  const root = await visit(server, "/", { headers: { "accept-language": "es-CO,es;q=0.9" } });
  expect(root).toMatchObject({ status: 200 });
  expect(root.body).toContain("Vuelva al chat.");
  expect((await visit(server, "/robots.txt")).body).toBe("User-agent: *\nDisallow: /\n");
});

it("who, when, from where and what was asked stands in the log, of right and wrong answers", async () => {
  const { server, ask } = await bot();
  const { id, path, right } = await ask({ locale: "es" });
  const headers = { "user-agent": "Mozilla/5.0 (Phone)", "x-forwarded-for": "203.0.113.7" };
  await visit(server, path, { method: "POST", body: `choice=${(right + 1) % 6}`, headers });
  const rows = (await server.audit()).filter(({ event }) => event === "challenge.answer");
  expect(rows).toMatchObject([
    {
      outcome: "refused",
      reason: "birth_date_choice es",
      challenge: id,
      personal: { subject: "ann", address: "127.0.0.1", client: "Mozilla/5.0 (Phone)" },
    },
  ]);
});

it("an answer is on its way to the application at once: no timer has to go off for it", async () => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
  onTestFinished(() => void vi.useRealTimers());
  let told: (request: PostRequest) => void;
  const telling = new Promise<PostRequest>((resolve) => {
    told = resolve;
  });
  const { server, application, ask } = await bot(async (request) => {
    told(request);
    return { status: 204 };
  });
  const target = { kind: "webhook", url: "https://bot.example/postern" } as const;
  await createCallback(server.context, { application, name: "bot", target });
  const { id, path, right } = await ask({ callback: { name: "bot", client_id: "client 7" } });
  await visit(server, path, { method: "POST", body: `choice=${right}` });
  const { url, headers, body = "" } = await telling;
  expect([url, headers["webhook-id"]]).toEqual(["https://bot.example/postern", id]);
  expect(JSON.parse(body)).toMatchObject({
    type: "challenge.answered",
    data: { challenge_id: id, subject: "ann", result: "right", client_id: "client 7" },
  });
});
