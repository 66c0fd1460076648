import type { PosternError } from "@postern/shared/errors";
import { describe, expect, it } from "vitest";
import { idBytes, recordKey, recordRange } from "../../../src/records/keys.js";
import { idempotentRequest } from "../../../src/services/applications/idempotency.js";
import { parseSubject } from "../../../src/services/applications/subject.js";
import { sweepAsking, unlockSubject } from "../../../src/services/challenges/asking.js";
import { cancelChallenge } from "../../../src/services/challenges/care.js";
import { createChallenge } from "../../../src/services/challenges/create.js";
import { rejectsWith, tamper } from "../../barrier/support.js";
import { ann, DAY, type Desk, MINUTE, newDesk, newOwner, peer } from "../applications/support.js";
import { asked, wish } from "./asking.js";

const make = ({ context, shop }: Desk, more = {}) => createChallenge(context, peer, shop, { ...wish, ...more });

async function answerWrongly(desk: Desk, times: number): Promise<void> {
  for (let n = 0; n < times; n++) {
    const page = await asked(desk);
    await page.answer(page.wrong);
  }
}

/** Seconds until the subject may be asked again. */
async function wait(making: Promise<unknown>): Promise<number | undefined> {
  const thrown = await making.then(
    () => undefined,
    (error: PosternError) => error,
  );
  expect([undefined, "rate_limited"]).toContain(thrown?.code);
  return thrown?.retryAfter;
}

const refusals = async (desk: Desk) =>
  (await desk.rows()).filter(({ event, outcome }) => event === "challenge.create" && outcome === "refused");

describe("a subject whose answers are wrong (promise 4)", () => {
  it("gets two pages, and then one in one, two, four, eight, sixteen and thirty days", async () => {
    const desk = await newDesk();
    await answerWrongly(desk, 2);
    for (const days of [1, 2, 4, 8, 16, 30, 30]) {
      expect(await wait(make(desk))).toBe(days * 86_400);
      desk.advance(days * DAY - 1);
      expect(await wait(make(desk))).toBe(1);
      desk.advance(1);
      await answerWrongly(desk, 1);
    }
  });

  it("is that of one application, by its own spelling: others are asked", async () => {
    const desk = await newDesk();
    await answerWrongly(desk, 2);
    expect(await wait(createChallenge(desk.context, peer, newOwner("another"), wish))).toBeUndefined();
    expect(await wait(make(desk, { subject: parseSubject("Ann") }))).toBeUndefined();
    expect(await wait(createChallenge(await desk.another(), peer, desk.shop, wish))).toBe(86_400);
  });

  it("gets no more guesses by having pages made at once, however many ask and whichever process answers (attack 28a)", async () => {
    const desk = await newDesk();
    const second = await desk.another();
    const at = (n: number) => ({ ...desk, context: n % 2 === 0 ? desk.context : second });
    const made = await Promise.allSettled(Array.from({ length: 100 }, (_, n) => asked(at(n), { lifetime: DAY })));
    const pages = made.flatMap((one) => (one.status === "fulfilled" ? [one.value] : []));
    expect(pages).toHaveLength(2);
    await Promise.all(pages.map((page, n) => page.answer(page.wrong, at(n).context)));
    expect(await wait(make(desk))).toBe(86_400);
    desk.advance(DAY);
    const after = await Promise.allSettled(Array.from({ length: 10 }, () => asked(desk, { lifetime: DAY })));
    expect(after.filter(({ status }) => status === "fulfilled")).toHaveLength(1);
  });

  it("has its places back when pages end by themselves, or are cancelled: nothing was guessed", async () => {
    const desk = await newDesk();
    const first = await asked(desk);
    desk.advance(10_000);
    const second = await asked(desk);
    expect(await wait(make(desk))).toBe(50);
    await cancelChallenge(desk.context, peer, desk.shop, second.id);
    expect(await wait(make(desk))).toBeUndefined();
    expect(await wait(make(desk))).toBe(50);
    desk.advance(50_000);
    expect(await first.stored()).toMatchObject({ expiresAt: first.open.expiresAt });
    expect(await wait(make(desk))).toBeUndefined();
    expect(await wait(make(desk))).toBe(10);
  });

  it("has one open page after a wrong answer, as one more closes its budget", async () => {
    const desk = await newDesk();
    await answerWrongly(desk, 1);
    expect(await wait(make(desk))).toBeUndefined();
    expect(await wait(make(desk))).toBe(60);
  });

  it("begins anew with a right answer, and with 180 days in which nobody asks", async () => {
    const desk = await newDesk();
    await answerWrongly(desk, 1);
    const page = await asked(desk);
    await page.answer(page.right);
    await answerWrongly(desk, 1);
    expect(await wait(make(desk, { lifetime: 10_000 }))).toBeUndefined();
    desk.advance(180 * DAY - 1);
    expect(await sweepAsking(desk.context)).toBe(0);
    desk.advance(1);
    await answerWrongly(desk, 1);
    expect(await wait(make(desk))).toBeUndefined();
  });

  it("is not forgotten by who comes back a day before the 180 are over", async () => {
    const desk = await newDesk();
    await answerWrongly(desk, 1);
    desk.advance(179 * DAY);
    await answerWrongly(desk, 1);
    expect(await wait(make(desk))).toBe(86_400);
  });

  it("is asked again at once when the application unlocks it, on record, and no other is", async () => {
    const desk = await newDesk();
    await answerWrongly(desk, 2);
    const of = (subject: string) => unlockSubject(desk.context, peer, desk.shop, parseSubject(subject));
    await of("bob");
    await unlockSubject(desk.context, peer, newOwner("another"), ann);
    expect(await wait(make(desk))).toBe(86_400);
    await of("ann");
    await answerWrongly(desk, 2);
    expect(await wait(make(desk))).toBe(86_400);
    const unlocks = (await desk.rows()).filter(({ event }) => event === "challenge.unlock");
    expect(unlocks).toHaveLength(3);
    expect(unlocks.at(-1)).toMatchObject({
      ...{ outcome: "done", application: desk.shop.application },
      personal: { subject: "ann", address: peer.address },
    });
  });

  it("gets no further page by being unlocked while as many are open as there may be", async () => {
    const desk = await newDesk();
    for (let n = 0; n < 2; n++) await asked(desk);
    for (let n = 0; n < 5; n++) {
      await unlockSubject(desk.context, peer, desk.shop, ann);
      expect(await wait(make(desk))).toBe(60);
    }
  });

  it("is in the log as turned away once, until the next page that is made or answered", async () => {
    const desk = await newDesk();
    await answerWrongly(desk, 2);
    for (let n = 0; n < 20; n++) await wait(make(desk));
    expect(await refusals(desk)).toMatchObject([
      { reason: "throttled", application: desk.shop.application, personal: { subject: "ann", address: peer.address } },
    ]);
    desk.advance(DAY);
    await asked(desk);
    for (let n = 0; n < 20; n++) await wait(make(desk));
    expect(await refusals(desk)).toHaveLength(2);
  });

  it("does not keep a repeated request from its answer", async () => {
    const desk = await newDesk();
    const request = idempotentRequest("one", "challenges", {});
    const create = () => createChallenge(desk.context, peer, desk.shop, wish, request);
    const { shown } = await create();
    await answerWrongly(desk, 1);
    expect(await wait(make(desk))).toBe(60);
    expect(await create()).toMatchObject({ shown: { id: shown.id }, repeated: true });
  });

  it("is not helped by a clock that jumps, nor kept out by one for more than 30 days", async () => {
    const desk = await newDesk();
    await answerWrongly(desk, 2);
    desk.advance(-MINUTE);
    expect(await wait(make(desk))).toBe(86_460);
    desk.advance(-30 * DAY);
    expect(await wait(make(desk))).toBeUndefined();
  });
});

describe("what is kept of how often somebody was asked", () => {
  const keys = ({ context }: Desk) => context.barrier.read((tx) => tx.keys(recordRange("asking")));

  it("names nobody, and goes 180 days after the last page or answer", async () => {
    const desk = await newDesk();
    await asked(desk);
    await asked(desk, { subject: parseSubject("bob") });
    const stored = await keys(desk);
    expect(stored).toHaveLength(2);
    expect(Buffer.concat(stored).includes("ann")).toBe(false);
    desk.advance(DAY);
    await asked(desk);
    desk.advance(179 * DAY);
    expect(await sweepAsking(desk.context, 1)).toBe(1);
    desk.advance(DAY);
    expect(await sweepAsking(desk.context)).toBe(1);
    expect(await keys(desk)).toEqual([]);
  });

  it("asks nobody while it is damaged (promise 6), until the upkeep has removed it", async () => {
    const desk = await newDesk();
    const { context, shop, storage } = desk;
    const page = await asked(desk);
    const index = context.barrier.nameIndex(`challenge\0${shop.application}\0${ann}`);
    const key = Buffer.concat([Buffer.of(1), recordKey("asking", idBytes(shop.application), index)]);
    await tamper(storage, key, Buffer.from("not sealed"));
    await rejectsWith(make(desk), "store_damaged");
    await rejectsWith(page.answer(page.right), "store_damaged");
    await rejectsWith(unlockSubject(context, peer, shop, ann), "store_damaged");
    expect(await sweepAsking(context)).toBe(1);
    expect(await page.answer(page.right)).toMatchObject({ kind: "answered" });
  });
});
