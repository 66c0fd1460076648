import { describe, expect, it } from "vitest";
import { idBytes, recordKey, wholeRange } from "../../../src/records/keys.js";
import { idempotentRequest } from "../../../src/services/applications/idempotency.js";
import { parseSubject } from "../../../src/services/applications/subject.js";
import { answerChallenge, viewPage } from "../../../src/services/challenges/answer.js";
import { cancelChallenge, listChallenges, showChallenge } from "../../../src/services/challenges/care.js";
import { createChallenge } from "../../../src/services/challenges/create.js";
import { expireChallenges, sweepChallenges } from "../../../src/services/challenges/expire.js";
import { parseOwnQuestion } from "../../../src/services/challenges/question.js";
import { CLOCKS_APART_MS } from "../../../src/services/challenges/state.js";
import { settleRestored } from "../../../src/services/restore.js";
import { rejectsWith, tamper } from "../../barrier/support.js";
import { DAY, type Desk, HOUR, MINUTE, newDesk, newOwner, peer, SECOND } from "../applications/support.js";
import { asked, birthDay, newCallback, phone, wish } from "./asking.js";

const gone = { kind: "gone" };
const nth = (n: number) => parseSubject(`person ${n}`);
const own = parseOwnQuestion({ text: "Which was your first pet?", answer: "Rex", decoys: ["Bella", "Luna"] });

describe("a page", () => {
  it("is in the link alone, of 128 random bits, and shows five dates of February 1984 and none of these", async () => {
    const desk = await newDesk();
    const { url, shown, pageId } = await asked(desk);
    expect(url).toMatch(/^https:\/\/postern\.test\/c\/[A-Za-z0-9_-]{21}[AQgw]$/);
    expect(shown).toEqual({
      id: expect.stringMatching(/^chl_[0-9a-f]{32}$/),
      subject: "ann",
      question: "birth_date_choice",
      state: "open",
      createdAt: desk.context.now(),
      expiresAt: desk.context.now() + MINUTE,
    });
    const view = await viewPage(desk.context, pageId);
    expect(view).toEqual({
      question: "birth_date_choice",
      options: [
        ...Array(5).fill({
          kind: "date",
          year: expect.toSatisfy((year) => year === 1983 || year === 1984),
          month: expect.toSatisfy((month) => month >= 1 && month <= 12),
          day: expect.toSatisfy((day) => day >= 1 && day <= 31),
        }),
        { kind: "none" },
      ],
      expiresAt: desk.context.now() + MINUTE,
    });
  });

  it("of sums has five different ones, and is the other kind half of the time when either will do", async () => {
    const desk = await newDesk();
    const kinds: string[] = [];
    for (let n = 0; n < 40; n++) {
      const { pageId, shown } = await asked(desk, { subject: nth(n), question: { kind: "birth_date", birthDay } });
      kinds.push(shown.question);
      const options = (await viewPage(desk.context, pageId))?.options ?? [];
      expect(options.at(-1)).toEqual({ kind: "none" });
      expect(new Set(options.map((option) => JSON.stringify(option))).size).toBe(6);
    }
    expect(new Set(kinds)).toEqual(new Set(["birth_date_choice", "birth_date_sum"]));
  });

  it("of the application's own question has its options in any order, and nothing besides", async () => {
    const desk = await newDesk();
    const places = new Set<number>();
    for (let n = 0; n < 30; n++) {
      const { pageId, right } = await asked(desk, { subject: nth(n), question: own, locale: "es" as never });
      const view = await viewPage(desk.context, pageId);
      expect(view).toMatchObject({ question: "own", text: "Which was your first pet?", locale: "es" });
      expect(view?.options[right]).toEqual({ kind: "text", text: "Rex" });
      expect(view?.options).toHaveLength(3);
      places.add(right);
    }
    expect(places.size).toBe(3);
  });

  it("of one person has six dates in common with every other, whoever asks, and however the subject is spelled", async () => {
    const desk = await newDesk();
    const dates = new Set<string>();
    for (const [n, subject] of ["ann", "Ann", "ann ", "conversation 12"].entries()) {
      const shop = n % 2 === 0 ? desk.shop : newOwner("another");
      for (let page = 0; page < 10; page++) {
        if (page % 2 === 0) desk.advance(MINUTE);
        const made = await createChallenge(desk.context, peer, shop, { ...wish, subject: parseSubject(subject) });
        const view = await viewPage(desk.context, made.url?.split("/").at(-1) ?? "");
        for (const option of view?.options ?? []) dates.add(JSON.stringify(option));
      }
    }
    expect(dates.size).toBe(7);
  });

  it("is not changed by looking at it, however often: programs show previews of links", async () => {
    const desk = await newDesk();
    const { pageId, right, answer, stored } = await asked(desk);
    const before = await stored();
    const views = await Promise.all(Array.from({ length: 20 }, () => viewPage(desk.context, pageId)));
    expect(new Set(views.map((view) => JSON.stringify(view))).size).toBe(1);
    expect(await stored()).toEqual(before);
    expect(await desk.events()).toHaveLength(1);
    expect(await answer(right)).toMatchObject({ kind: "answered" });
  });
});

describe("an answer", () => {
  it.each([
    ["right", "granted"],
    ["wrong", "refused"],
  ] as const)("that is %s is told to nobody but the log, the callback and the application", async (result, outcome) => {
    const desk = await newDesk();
    const { outbox } = await newCallback(desk);
    const callback = { name: "bot", clientId: "client 7", flow: "pay", onExpiry: false };
    const page = await asked(desk, { callback });
    desk.advance(10 * SECOND);
    expect(await page.answer(page[result])).toEqual({ kind: "answered", replyTo: "https://wa.me/15550100" });
    const at = desk.context.now();
    expect((await desk.rows()).at(-1)).toMatchObject({
      event: "challenge.answer",
      outcome,
      time: at,
      reason: "birth_date_choice es",
      application: desk.shop.application,
      challenge: page.id,
      personal: { subject: "ann", address: "198.51.100.9", client: "Firefox" },
    });
    const told = { state: "answered", result, endedAt: at };
    expect(await showChallenge(desk.context, desk.shop, page.id)).toMatchObject(told);
    expect(await outbox()).toEqual([
      expect.objectContaining({
        challenge: page.id,
        subject: "ann",
        event: "challenge.answered",
        result,
        occurredAt: at,
        clientId: "client 7",
        flow: "pay",
      }),
    ]);
  });

  it("leaves nothing of what was asked, of what is right, and where it went", async () => {
    const desk = await newDesk();
    const page = await asked(desk, { question: own });
    await page.answer(page.wrong);
    expect(Object.keys((await page.stored()) ?? {}).sort()).toEqual(
      ["application", "createdAt", "endedAt", "expiresAt", "id", "question", "result", "state", "subject"].sort(),
    );
  });

  it("is not told right from wrong by the sizes of what the store has then, sealed as it is", async () => {
    const sizes = async (choose: (page: Awaited<ReturnType<typeof asked>>) => number) => {
      const desk = await newDesk();
      await newCallback(desk);
      const records = () => desk.context.barrier.read((tx) => tx.scan(wholeRange));
      // The certificates of two stores have two sizes.
      const before = new Set((await records()).map(({ key }) => key.toString("hex")));
      const page = await asked(desk, { callback: { name: "bot", onExpiry: true } });
      await page.answer(choose(page));
      const made = (await records()).filter(({ key }) => !before.has(key.toString("hex")));
      return made.map(({ key, value }) => `${key[0]} ${value.length}`).sort();
    };
    expect(await sizes(({ right }) => right)).toEqual(await sizes(({ wrong }) => wrong));
  });

  it("that is none of the options is none: nothing is counted", async () => {
    const desk = await newDesk();
    const { answer, right } = await asked(desk);
    for (const choice of [-1, 6, 1.5, Number.NaN, Number.POSITIVE_INFINITY, "2" as never, undefined as never]) {
      expect(await answer(choice)).toEqual({ kind: "unanswered" });
    }
    expect(await desk.events()).toHaveLength(1);
    expect(await answer(right)).toMatchObject({ kind: "answered" });
  });

  it("of 200 at once, by two processes, counts once: one state, one record, one callback", async () => {
    const desk = await newDesk();
    const second = await desk.another();
    const { outbox } = await newCallback(desk);
    const { answer, right, wrong, id } = await asked(desk, { callback: { name: "bot", onExpiry: true } });
    const answers = await Promise.all(
      Array.from({ length: 200 }, (_, n) => answer(n % 3 === 0 ? right : wrong, n % 2 === 0 ? desk.context : second)),
    );
    expect(answers.filter(({ kind }) => kind === "answered")).toHaveLength(1);
    expect(answers.filter(({ kind }) => kind === "gone")).toHaveLength(199);
    expect((await desk.events()).filter(({ event }) => event === "challenge.answer")).toHaveLength(1);
    expect(await outbox()).toHaveLength(1);
    const won = answers.findIndex(({ kind }) => kind === "answered") % 3 === 0 ? "right" : "wrong";
    expect(await showChallenge(desk.context, desk.shop, id)).toMatchObject({ state: "answered", result: won });
  });

  it("counts though the callback was deleted since", async () => {
    const desk = await newDesk();
    const { id } = await newCallback(desk);
    const page = await asked(desk, { callback: { name: "bot", onExpiry: false } });
    const key = recordKey("callback", idBytes(desk.shop.application), idBytes(id));
    await desk.context.barrier.transact((tx) => tx.delete(key));
    expect(await page.answer(page.right)).toMatchObject({ kind: "answered" });
  });

  it("has a language in the log that is one, whatever the browser says", async () => {
    const desk = await newDesk();
    for (const language of ["en\r\nevil", "\u001b]52;", "x".repeat(100), ""]) {
      const { pageId, right } = await asked(desk);
      await answerChallenge(desk.context, phone, { pageId, choice: right, language });
      expect((await desk.events()).at(-1)?.reason).toBe("birth_date_choice und");
    }
  });
});

describe("a page that nobody made, was answered, cancelled, or is over", () => {
  async function ended(desk: Desk) {
    const pages = [
      await asked(desk, { subject: parseSubject("bob") }),
      await asked(desk, { subject: parseSubject("bob") }),
      await asked(desk),
      await asked(desk, { lifetime: 10 * SECOND }),
    ];
    const [answered, wrongly, cancelled, over] = pages;
    await answered?.answer(answered.right);
    await wrongly?.answer(wrongly.wrong);
    await cancelChallenge(desk.context, peer, desk.shop, cancelled?.id ?? ("" as never));
    desk.advance(10 * SECOND);
    const nobodys = [
      "AAAAAAAAAAAAAAAAAAAAAA",
      over?.pageId.replace(/.$/, "x") ?? "",
      "",
      "../../etc/passwd",
      "a".repeat(5000),
    ];
    return [...pages.map(({ pageId }) => pageId), ...nobodys];
  }

  it("is seen and answered alike, and no second answer counts", async () => {
    const desk = await newDesk();
    for (const pageId of await ended(desk)) {
      expect(await viewPage(desk.context, pageId)).toBeUndefined();
      for (let choice = 0; choice < 7; choice++) {
        expect(await answerChallenge(desk.context, phone, { pageId, choice, language: "en" })).toEqual(gone);
      }
    }
    const outcomes = (await desk.events()).filter(({ event }) => event === "challenge.answer");
    expect(outcomes.map(({ outcome }) => outcome)).toEqual(["granted", "refused"]);
  });

  it("takes no place among the transactions that write, and leaves no record, but for the first who came too late", async () => {
    const desk = await newDesk();
    const pages = await ended(desk);
    const before = await desk.rows();
    for (const pageId of pages) await answerChallenge(desk.context, phone, { pageId, choice: 0, language: "en" });
    const late = (await desk.rows()).slice(before.length);
    expect(late).toMatchObject([{ event: "challenge.expire", personal: { subject: "ann", address: phone.address } }]);
    let writes = 0;
    const { barrier } = desk.context;
    const counting = { ...desk.context, barrier: Object.assign(Object.create(barrier), { transact: () => writes++ }) };
    for (const name of ["read"] as const) counting.barrier[name] = barrier[name].bind(barrier);
    for (const pageId of pages) {
      expect(await answerChallenge(counting, phone, { pageId, choice: 0, language: "en" })).toEqual(gone);
    }
    expect(writes).toBe(0);
  });
});

describe("the end of a page's time", () => {
  it("is to the millisecond, whether the upkeep has run or not", async () => {
    const desk = await newDesk();
    const { pageId, answer, right, id } = await asked(desk);
    desk.advance(MINUTE - 1);
    expect(await viewPage(desk.context, pageId)).toBeDefined();
    desk.advance(1);
    expect(await viewPage(desk.context, pageId)).toBeUndefined();
    const over = { state: "expired", endedAt: desk.context.now() };
    expect(await showChallenge(desk.context, desk.shop, id)).toMatchObject(over);
    desk.advance(5 * SECOND);
    expect(await answer(right)).toEqual(gone);
    expect(await showChallenge(desk.context, desk.shop, id)).toMatchObject(over);
    expect((await desk.events()).map(({ event }) => event)).toEqual(["challenge.create", "challenge.expire"]);
  });

  it("is noted by the upkeep, once, and called back only where that was asked for", async () => {
    const desk = await newDesk();
    const { outbox } = await newCallback(desk);
    await asked(desk, { callback: { name: "bot", onExpiry: false } });
    const asking = await asked(desk, { callback: { name: "bot", flow: "pay", onExpiry: true } });
    const later = await asked(desk, { subject: parseSubject("bob"), lifetime: HOUR });
    desk.advance(MINUTE);
    const expiry = desk.context.now();
    desk.advance(30 * SECOND);
    expect(await Promise.all([expireChallenges(desk.context), expireChallenges(await desk.another())])).toContain(2);
    expect(await expireChallenges(desk.context)).toBe(0);
    expect((await desk.events()).slice(3)).toEqual(
      Array(2).fill({ event: "challenge.expire", outcome: "done", reason: "birth_date_choice" }),
    );
    const told = {
      challenge: asking.id,
      event: "challenge.expired",
      result: "expired",
      occurredAt: expiry,
      flow: "pay",
    };
    expect(await outbox()).toEqual([expect.objectContaining(told)]);
    expect(await viewPage(desk.context, later.pageId)).toBeDefined();
  });

  it("is noted however many they are, a few in a transaction", async () => {
    const desk = await newDesk();
    for (let n = 0; n < 20; n++) await asked(desk, { subject: nth(n), lifetime: n % 4 === 0 ? HOUR : MINUTE });
    desk.advance(MINUTE);
    expect(await expireChallenges(desk.context, 3)).toBe(15);
    expect((await desk.events()).filter(({ event }) => event === "challenge.expire")).toHaveLength(15);
  });

  it("is not come, for a machine whose clock is some seconds behind the one that made the page", async () => {
    const desk = await newDesk();
    const { pageId, id, answer, right } = await asked(desk);
    desk.advance(-CLOCKS_APART_MS);
    expect(await viewPage(desk.context, pageId)).toBeDefined();
    expect(await showChallenge(desk.context, desk.shop, id)).toMatchObject({ state: "open" });
    expect(await expireChallenges(desk.context)).toBe(0);
    expect(await answer(right)).toMatchObject({ kind: "answered" });
  });

  it("stays, when the clock is set back; and a clock well before the page was made ends it", async () => {
    const desk = await newDesk();
    const noted = await asked(desk);
    desk.advance(MINUTE);
    await expireChallenges(desk.context);
    desk.advance(-30 * SECOND);
    expect(await viewPage(desk.context, noted.pageId)).toBeUndefined();
    expect(await noted.answer(noted.right)).toEqual(gone);

    const ahead = await asked(desk);
    desk.advance(-CLOCKS_APART_MS - 1);
    expect(await viewPage(desk.context, ahead.pageId)).toBeUndefined();
    await expireChallenges(desk.context);
    desk.advance(30 * SECOND);
    expect(await ahead.answer(ahead.right)).toEqual(gone);
    expect(await showChallenge(desk.context, desk.shop, ahead.id)).toMatchObject({ state: "expired" });
  });

  it("is not brought back by a restore: what was open is over, and its link leads nowhere", async () => {
    const desk = await newDesk();
    const open = await asked(desk, { lifetime: DAY });
    const before = await asked(desk);
    await before.answer(before.right);
    desk.advance(HOUR);
    await settleRestored(desk.context, desk.context.now());
    expect(await viewPage(desk.context, open.pageId)).toBeUndefined();
    expect(await open.answer(open.right)).toEqual(gone);
    const over = { state: "expired", endedAt: desk.context.now() };
    expect(await showChallenge(desk.context, desk.shop, open.id)).toMatchObject(over);
    expect(await showChallenge(desk.context, desk.shop, before.id)).toMatchObject({ state: "answered" });
  });
});

describe("looking after challenges", () => {
  it("shows each to its own application alone", async () => {
    const desk = await newDesk();
    const { id } = await asked(desk);
    const other = newOwner("shop");
    await rejectsWith(showChallenge(desk.context, other, id), "challenge_unknown");
    await rejectsWith(cancelChallenge(desk.context, peer, other, id), "challenge_unknown");
    expect(await listChallenges(desk.context, other, { limit: 5 })).toEqual({ items: [], damaged: [] });
  });

  it("lists them a page at a time", async () => {
    const desk = await newDesk();
    const made = new Set<string>();
    for (let n = 0; n < 7; n++) made.add((await asked(desk, { subject: nth(n) })).id);
    const seen: string[] = [];
    let after: ReturnType<typeof idOf> | undefined;
    do {
      const page = await listChallenges(desk.context, desk.shop, { after, limit: 3 });
      seen.push(...page.items.map(({ id }) => id));
      after = page.next;
    } while (after !== undefined);
    expect(seen).toEqual([...made].sort());
  });

  it("cancels one that is open, and no other", async () => {
    const desk = await newDesk();
    const { context, shop } = desk;
    const { outbox } = await newCallback(desk);
    const open = await asked(desk, { callback: { name: "bot", onExpiry: true } });
    const shown = { state: "cancelled", endedAt: context.now() };
    expect(await cancelChallenge(context, peer, shop, open.id)).toMatchObject(shown);
    desk.advance(SECOND);
    expect(await cancelChallenge(context, peer, shop, open.id)).toMatchObject(shown);
    expect(await outbox()).toEqual([]);
    expect((await desk.events()).map(({ event }) => event)).toEqual(["challenge.create", "challenge.cancel"]);
    const answered = await asked(desk);
    await answered.answer(answered.right);
    await rejectsWith(cancelChallenge(context, peer, shop, answered.id), "challenge_ended");
    const over = await asked(desk, { callback: { name: "bot", onExpiry: true } });
    desk.advance(MINUTE);
    await rejectsWith(cancelChallenge(context, peer, shop, over.id), "challenge_ended");
    expect(await outbox()).toHaveLength(1);
  });

  it("asks no question of a callback that there is not", async () => {
    const desk = await newDesk();
    await newCallback(desk);
    const { context, shop } = desk;
    for (const [owner, name] of [
      [shop, "bat"],
      [newOwner("other"), "bot"],
    ] as const) {
      const made = createChallenge(context, peer, owner, { ...wish, callback: { name, onExpiry: false } });
      await rejectsWith(made, "callback_unknown");
    }
    expect(await desk.events()).toEqual([]);
  });

  it("answers a repeated request by id and present state, and never by the link again", async () => {
    const desk = await newDesk();
    const request = idempotentRequest("one", "challenges", { subject: "ann" });
    const make = (context = desk.context) => createChallenge(context, peer, desk.shop, wish, request);
    const first = await make();
    const again = await make(await desk.another());
    expect(again).toEqual({ shown: first.shown, repeated: true });
    await cancelChallenge(desk.context, peer, desk.shop, first.shown.id);
    expect((await make()).shown).toMatchObject({ id: first.shown.id, state: "cancelled" });
    expect((await desk.events()).filter(({ event }) => event === "challenge.create")).toHaveLength(1);
    const another = idempotentRequest("one", "challenges", { subject: "bob" });
    await rejectsWith(createChallenge(desk.context, peer, desk.shop, wish, another), "idempotency_mismatch");
  });

  it("keeps what came of one for seven days, and what is damaged for none", async () => {
    const desk = await newDesk();
    const { context, shop, storage } = desk;
    const page = await asked(desk);
    await page.answer(page.right);
    desk.advance(7 * DAY - 1);
    const damaged = await asked(desk, { lifetime: DAY });
    const key = Buffer.concat([Buffer.of(1), recordKey("challenge", idBytes(shop.application), idBytes(damaged.id))]);
    await tamper(storage, key, Buffer.from("not sealed"));
    expect(await viewPage(context, damaged.pageId)).toBeUndefined();
    expect(await damaged.answer(damaged.right)).toEqual(gone);
    expect((await listChallenges(context, shop, { limit: 5 })).damaged).toEqual([damaged.id]);
    expect(await sweepChallenges(context)).toBe(1);
    expect(await showChallenge(context, shop, page.id)).toMatchObject({ result: "right" });
    desk.advance(1);
    expect(await sweepChallenges(context)).toBe(1);
    await rejectsWith(showChallenge(context, shop, page.id), "challenge_unknown");
  });

  it("leaves no trace of what has ended but its record, however many pages there were", async () => {
    const desk = await newDesk();
    const { barrier } = desk.context;
    const count = async () =>
      (await barrier.read((tx) => tx.keys(wholeRange))).filter(([kind]) => kind === 0x1d || kind === 0x1c).length;
    for (let n = 0; n < 30; n++) {
      const page = await asked(desk, { subject: nth(n) });
      if (n % 2 === 0) await page.answer(page.right);
    }
    desk.advance(MINUTE);
    await expireChallenges(desk.context);
    expect(await count()).toBe(30);
    desk.advance(7 * DAY);
    await sweepChallenges(desk.context);
    expect(await count()).toBe(0);
  });
});

it("the link stands in no record of the store, sealed as it is, and the answer in none that outlasts the page", async () => {
  const desk = await newDesk();
  const { barrier } = desk.context;
  await newCallback(desk);
  const request = idempotentRequest("one", "challenges", {});
  const secret = parseOwnQuestion({ text: "Which?", answer: "hunter2hunter2", decoys: ["b"] });
  const wished = { ...wish, question: secret, callback: { name: "bot", onExpiry: true } };
  const { url = "" } = await createChallenge(desk.context, peer, desk.shop, wished, request);
  const pageId = url.slice(-22);
  const all = async () => {
    const entries = await barrier.read((tx) => tx.scan(wholeRange));
    return Buffer.concat(entries.flatMap(({ key, value }) => [key, value]));
  };
  const holds = (bytes: Buffer) =>
    [pageId, Buffer.from(pageId, "base64url"), "hunter2hunter2"].map((x) => bytes.includes(x));
  expect(holds(await all())).toEqual([false, false, true]);
  await answerChallenge(desk.context, phone, { pageId, choice: 0, language: "en" });
  expect(holds(await all())).toEqual([false, false, false]);
});

const idOf = (made: Awaited<ReturnType<typeof asked>>) => made.id;
