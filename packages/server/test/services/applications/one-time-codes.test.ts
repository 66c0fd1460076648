import { randomBytes } from "node:crypto";
import { describe, expect, it } from "vitest";
import { changeOneTimeCodes, findOneTimeCode } from "../../../src/records/applications/one-time-code.js";
import { idBytes, recordKey } from "../../../src/records/keys.js";
import type { Deliver } from "../../../src/services/applications/delivery.js";
import { type IdempotentRequest, idempotentRequest } from "../../../src/services/applications/idempotency.js";
import { sweepMailboxes } from "../../../src/services/applications/mail-limits.js";
import {
  deleteCode,
  listCodes,
  settledCode,
  showCode,
  sweepOneTimeCodes,
  unlockCode,
} from "../../../src/services/applications/one-time-code-care.js";
import { verifyCode } from "../../../src/services/applications/one-time-code-verify.js";
import { type CodeWish, issueCode } from "../../../src/services/applications/one-time-codes.js";
import { credentialId, parseSubject } from "../../../src/services/applications/subject.js";
import { codeOf, dump, rejectsWith } from "../../barrier/support.js";
import { ann, codeWish, DAY, type Desk, HOUR, MINUTE, newDesk, newOwner, peer, SECOND, wrongCode } from "./support.js";

async function issued(desk: Desk, wish: Partial<CodeWish> = {}) {
  const { context, shop } = desk;
  const { shown, code = "" } = await issueCode(context, peer, shop, { ...codeWish, ...wish }, {});
  const verify = (typed: string) => verifyCode(context, peer, shop, { id: shown.id, code: typed });
  return { id: shown.id, shown, code: code as string, wrong: wrongCode(code), verify };
}

const wrongBy = (attemptsLeft: number) => ({ result: "invalid", why: { attemptsLeft } });

describe("a one-time code", () => {
  it("is right once: after that it is a replay, for as long as it would have lived", async () => {
    const desk = await newDesk();
    const { code, wrong, verify, id } = await issued(desk);
    expect(code).toMatch(/^[0-9]{6}$/);
    expect(await verify(code)).toEqual({ result: "valid" });
    expect(await verify(code)).toEqual({ result: "replayed" });
    expect(await verify(wrong)).toEqual({ result: "invalid" });
    expect(await showCode(desk.context, desk.shop, id)).toMatchObject({ usedAt: desk.context.now(), failures: 2 });
    expect(await desk.events()).toEqual([
      { event: "otp.issue", outcome: "done" },
      { event: "otp.verify", outcome: "granted" },
      { event: "otp.verify", outcome: "refused", reason: "replayed_code" },
      { event: "otp.verify", outcome: "refused", reason: "wrong_code" },
    ]);
    expect((await desk.rows())[1]).toMatchObject({
      application: desk.shop.application,
      personal: { subject: "ann", address: "192.0.2.7", client: "shop/1" },
    });
  });

  it("counts down its own attempts, and is dead at none: the right one too, without a charge, and noted once", async () => {
    const desk = await newDesk();
    const { code, wrong, verify, id } = await issued(desk, { attempts: 2 });
    expect(await verify(wrong)).toEqual(wrongBy(1));
    expect(await verify(wrong)).toEqual(wrongBy(0));
    for (const typed of [code, wrong, code]) expect(await verify(typed)).toEqual(wrongBy(0));
    expect(await showCode(desk.context, desk.shop, id)).toMatchObject({ attemptsLeft: 0, failures: 2 });
    expect((await desk.events()).slice(-2)).toEqual([
      { event: "otp.verify", outcome: "refused", reason: "wrong_code" },
      { event: "otp.verify", outcome: "refused", reason: "spent_code" },
    ]);
  });

  it("says when its time is over, to the right and the wrong one alike, without a charge", async () => {
    const desk = await newDesk();
    const { code, wrong, verify, id } = await issued(desk);
    desk.advance(300 * SECOND - 1);
    expect(await verify(wrong)).toEqual(wrongBy(4));
    desk.advance(1);
    for (const typed of [code, wrong])
      expect(await verify(typed)).toEqual({ result: "invalid", why: { expired: true } });
    expect(await showCode(desk.context, desk.shop, id)).toMatchObject({ attemptsLeft: 4, failures: 1 });
    expect((await desk.events()).filter(({ reason }) => reason === "expired_code")).toHaveLength(1);
  });

  it("of a clock that ran ahead has no longer life than any other", async () => {
    const desk = await newDesk();
    const { code, verify } = await issued(desk);
    desk.advance(-DAY);
    expect(await verify(code)).toEqual({ result: "invalid", why: { expired: true } });
  });

  it("that is malformed costs nothing, and one that nobody issued is unknown", async () => {
    const desk = await newDesk();
    const { code, verify, id } = await issued(desk, { digits: 8 });
    for (const typed of ["", "1234567", `${code}0`, "１２３４５６７８", " 1234567", "1234567a"]) {
      await rejectsWith(verify(typed), "code_malformed");
    }
    expect(await showCode(desk.context, desk.shop, id)).toMatchObject({ attemptsLeft: 5, failures: 0, version: 1 });
    const other = newOwner("shop");
    await rejectsWith(verifyCode(desk.context, peer, other, { id, code }), "credential_unknown");
    await rejectsWith(showCode(desk.context, other, id), "credential_unknown");
    const nobody = { id: `otp_${"0".repeat(32)}`, code } as const;
    await rejectsWith(verifyCode(desk.context, peer, desk.shop, nobody), "credential_unknown");
    expect(await desk.events()).toHaveLength(1);
  });

  it("takes the place of the last one, which is good for nothing then", async () => {
    const desk = await newDesk();
    const first = await issued(desk);
    const second = await issued(desk, { digits: 8 });
    expect(second.shown).toMatchObject({ id: first.id, version: 2, attemptsLeft: 5 });
    await rejectsWith(second.verify(first.code), "code_malformed");
    expect(await second.verify(second.code)).toEqual({ result: "valid" });
  });

  it("stands in clear neither in the store nor within its seal", async () => {
    const desk = await newDesk();
    const { code, id } = await issued(desk, { digits: 10 });
    const stolen = Buffer.concat((await dump(desk.storage)).flatMap(({ key, value }) => [key, value]));
    expect(stolen.includes(code)).toBe(false);
    const key = recordKey("oneTimeCode", idBytes(desk.shop.application), idBytes(id));
    const record = await desk.context.barrier.read((tx) => tx.get(key));
    expect(record?.includes("ann")).toBe(true);
    expect(record?.includes(code)).toBe(false);
  });
});

describe("the budget of a subject", () => {
  it("closes at the fifth wrong guess, over reissues, for right and wrong alike; noted once", async () => {
    const desk = await newDesk();
    for (let guess = 0; guess < 5; guess++) {
      const { verify, wrong } = await issued(desk);
      expect(await verify(wrong)).toEqual(wrongBy(4));
    }
    const { code, wrong, verify } = await issued(desk);
    const before = (await desk.events()).length;
    for (const typed of [code, wrong]) expect(await verify(typed)).toEqual({ result: "throttled", retryAfter: 30 });
    expect((await desk.events()).slice(before)).toEqual([
      { event: "otp.verify", outcome: "refused", reason: "throttled" },
    ]);
    desk.advance(30 * SECOND);
    expect(await verify(code)).toEqual({ result: "valid" });
  });

  it("outlasts that the code is deleted and issued anew, without a word of whose it is, for a day", async () => {
    const desk = await newDesk();
    const { context, shop } = desk;
    for (let guess = 0; guess < 5; guess++) {
      const { verify, wrong, id } = await issued(desk);
      await verify(wrong);
      await deleteCode(context, peer, shop, { id });
      await rejectsWith(showCode(context, shop, id), "credential_unknown");
    }
    const { verify, code, id } = await issued(desk);
    expect(await verify(code)).toEqual({ result: "throttled", retryAfter: 30 });
    await deleteCode(context, peer, shop, { id });
    expect(JSON.stringify(await context.barrier.read((tx) => findOneTimeCode(tx, shop.application, id)))).not.toContain(
      "ann",
    );
    desk.advance(DAY - 1);
    expect(await sweepOneTimeCodes(context)).toBe(0);
    desk.advance(1);
    expect(await sweepOneTimeCodes(context)).toBe(1);
    expect((await issued(desk)).shown).toMatchObject({ failures: 0, version: 1 });
  });

  it("of a code that has expired counts for a day, and then nothing is kept of the subject", async () => {
    const desk = await newDesk();
    const { context } = desk;
    const { verify, wrong } = await issued(desk);
    await verify(wrong);
    desk.advance(DAY - 1);
    expect(await sweepOneTimeCodes(context)).toBe(0);
    desk.advance(1);
    expect(await sweepOneTimeCodes(context)).toBe(1);
  });

  it("is locked after a hundred wrong guesses in a row until the application unlocks it, whatever the clock says", async () => {
    const desk = await newDesk();
    const { context, shop } = desk;
    let last = await issued(desk);
    for (let guess = 0; guess < 100; guess++) {
      desk.advance(HOUR);
      last = await issued(desk);
      await last.verify(last.wrong);
    }
    desk.advance(HOUR);
    last = await issued(desk);
    expect(last.shown).toMatchObject({ failures: 100, locked: true });
    for (const typed of [last.code, last.wrong]) expect(await last.verify(typed)).toEqual({ result: "throttled" });
    expect((await desk.events()).filter(({ reason }) => reason === "locked")).toHaveLength(1);
    desk.advance(400 * DAY);
    await sweepOneTimeCodes(context);
    last = await issued(desk);
    expect(await last.verify(last.code)).toEqual({ result: "throttled" });
    expect(await unlockCode(context, peer, shop, last.id)).toMatchObject({ failures: 0, locked: false });
    expect(await last.verify(last.code)).toEqual({ result: "valid" });
    expect((await desk.events()).slice(-2)).toEqual([
      { event: "otp.unlock", outcome: "done" },
      { event: "otp.verify", outcome: "granted" },
    ]);
  });

  it("attack 28a: gives a thousand parallel tries, by two processes, no more guesses than one after another", async () => {
    const desk = await newDesk();
    const second = await desk.another();
    const { code, wrong, id } = await issued(desk, { attempts: 10 });
    const verdicts = await Promise.all(
      Array.from({ length: 1000 }, (_, index) =>
        verifyCode(index % 2 === 0 ? desk.context : second, peer, desk.shop, { id, code: index < 5 ? wrong : code }),
      ),
    );
    const results = verdicts.map(({ result }) => result);
    expect(results.filter((result) => result !== "throttled")).toEqual(Array(5).fill("invalid"));
  });

  it("attack 20: 200 parallel uses of the right code, by two processes, are one success", async () => {
    const desk = await newDesk();
    const second = await desk.another();
    const { code, id } = await issued(desk);
    const verdicts = await Promise.all(
      Array.from({ length: 200 }, (_, index) =>
        verifyCode(index % 2 === 0 ? desk.context : second, peer, desk.shop, { id, code }),
      ),
    );
    const results = verdicts.map(({ result }) => result);
    expect(results.filter((result) => result === "valid")).toHaveLength(1);
    expect(results.filter((result) => result === "replayed")).toHaveLength(5);
  });
});

describe("looking after one-time codes", () => {
  it("a page at a time shows each once, and neither those of others nor what was deleted", async () => {
    const desk = await newDesk();
    const { context, shop } = desk;
    const names = Array.from({ length: 7 }, (_, n) => `person ${n}`);
    for (const name of names) await issued(desk, { subject: parseSubject(name) });
    const gone = await issued(desk, { subject: parseSubject("gone") });
    await gone.verify(gone.wrong);
    await deleteCode(context, peer, shop, { id: gone.id });
    await issueCode(context, peer, newOwner("other"), codeWish, {});
    const seen: string[] = [];
    let after: (typeof gone)["id"] | undefined;
    do {
      const page = await listCodes(context, shop, { after, limit: 3 });
      seen.push(...page.items.map(({ subject }) => subject));
      after = page.next;
    } while (after !== undefined);
    expect(seen.sort()).toEqual(names);
    expect(await listCodes(context, newOwner("third"), { limit: 3 })).toEqual({ items: [], damaged: [] });
  });

  it("deletes at the version that the application knows, and at no other", async () => {
    const desk = await newDesk();
    const { context, shop } = desk;
    const { id, verify, wrong } = await issued(desk);
    await verify(wrong);
    await rejectsWith(deleteCode(context, peer, shop, { id, versions: [1] }), "version_mismatch");
    await deleteCode(context, peer, shop, { id, versions: [1, 2] });
    await rejectsWith(deleteCode(context, peer, shop, { id }), "credential_unknown");
    expect((await desk.events()).at(-1)).toEqual({ event: "otp.delete", outcome: "done" });
  });

  it("sweeps those whose time is over and whose budget is untouched", async () => {
    const desk = await newDesk();
    const guessed = await issued(desk);
    await guessed.verify(guessed.wrong);
    await issued(desk, { subject: parseSubject("bob") });
    await issued(desk, { subject: parseSubject("carol"), lifetime: HOUR });
    desk.advance(10 * MINUTE);
    expect(await sweepOneTimeCodes(desk.context, 1)).toBe(1);
    const { items } = await listCodes(desk.context, desk.shop, { limit: 10 });
    expect(items.map(({ subject }) => subject).sort()).toEqual(["ann", "carol"]);
  });

  it("has a damaged one deny everything but its deletion, which locks its subject", async () => {
    const desk = await newDesk();
    const { context, shop } = desk;
    const { id, code, verify } = await issued(desk);
    const key = recordKey("oneTimeCode", idBytes(shop.application), idBytes(id));
    await context.barrier.transact((tx) => tx.put(key, Buffer.from("nothing")));
    for (const refused of [
      verify(code),
      issued(desk),
      showCode(context, shop, id),
      unlockCode(context, peer, shop, id),
    ]) {
      expect(await codeOf(refused)).toBe("store_damaged");
    }
    expect(await listCodes(context, shop, { limit: 10 })).toEqual({ items: [], damaged: [id] });
    expect(await sweepOneTimeCodes(context)).toBe(0);
    await rejectsWith(deleteCode(context, peer, shop, { id, versions: [1] }), "version_mismatch");
    await deleteCode(context, peer, shop, { id });
    const after = await issued(desk);
    expect(await after.verify(after.code)).toEqual({ result: "throttled" });
    await unlockCode(context, peer, shop, id);
    expect(await after.verify(after.code)).toEqual({ result: "valid" });
  });

  it("ends what is pending in a store that was restored, and keeps what was guessed", async () => {
    const desk = await newDesk();
    const { context, shop } = desk;
    const { id, code, wrong, verify } = await issued(desk);
    await verify(wrong);
    await context.barrier.transact((tx) => changeOneTimeCodes(tx, undefined, 10, (r) => settledCode(r, context.now())));
    expect(await verify(code)).toEqual({ result: "invalid", why: { expired: true } });
    expect(await showCode(context, shop, id)).toMatchObject({ failures: 1, expiresAt: context.now() });
  });
});

describe("a code that goes by mail", () => {
  const to = "ann@example.org";
  const mailWish: CodeWish = { ...codeWish, mail: { to, purpose: "log in" } };

  /** Sends nothing, and keeps what it was to send. */
  function mailbox(fails = false) {
    const sent: Parameters<Deliver>[0][] = [];
    const deliver: Deliver = async (mail) => {
      sent.push(mail);
      if (fails) throw new Error("550 no such mailbox");
    };
    return { sent, deliver };
  }

  it("comes to its subject alone, once it is stored", async () => {
    const desk = await newDesk();
    const { context, shop } = desk;
    const { sent, deliver } = mailbox();
    const { shown, code } = await issueCode(context, peer, shop, mailWish, { deliver });
    expect(code).toBeUndefined();
    expect(shown).toMatchObject({ mailed: true });
    const expiresAt = context.now() + 300 * SECOND;
    expect(sent).toEqual([
      { to, purpose: "log in", application: "shop", expiresAt, code: expect.stringMatching(/^[0-9]{6}$/) },
    ]);
    const typed = { id: shown.id, code: sent[0]?.code ?? "" };
    expect(await verifyCode(context, peer, shop, typed)).toEqual({ result: "valid" });
  });

  it("is refused, before anything is made, where the server sends no mail", async () => {
    const desk = await newDesk();
    await rejectsWith(issueCode(desk.context, peer, desk.shop, mailWish, {}), "mail_unavailable");
    expect(await desk.events()).toEqual([]);
  });

  it("is withdrawn when it cannot be sent, and a repeat of the request tries again", async () => {
    const desk = await newDesk();
    const { context, shop } = desk;
    const broken = mailbox(true);
    const request = idempotentRequest("k", "otp", { subject: "ann" });
    await rejectsWith(issueCode(context, peer, shop, mailWish, { deliver: broken.deliver, request }), "mail_failed");
    expect(await desk.events()).toEqual([
      { event: "otp.issue", outcome: "done" },
      { event: "otp.delete", outcome: "done", reason: "mail_failed" },
    ]);
    const id = credentialId(context.barrier, "otp", shop, ann);
    const [mail] = broken.sent;
    await rejectsWith(verifyCode(context, peer, shop, { id, code: mail?.code ?? "" }), "credential_unknown");
    const { sent, deliver } = mailbox();
    const { repeated } = await issueCode(context, peer, shop, mailWish, { deliver, request });
    expect([repeated, sent.length]).toEqual([false, 1]);
  });

  it("that fails late does not take the code with it that was issued meanwhile", async () => {
    const desk = await newDesk();
    const { context, shop } = desk;
    let later: { id: `otp_${string}`; code: string } | undefined;
    const deliver: Deliver = async () => {
      later = await issued(desk);
      throw new Error("timeout");
    };
    await rejectsWith(issueCode(context, peer, shop, mailWish, { deliver }), "mail_failed");
    if (later === undefined) throw new Error("nothing was issued");
    expect(await verifyCode(context, peer, shop, later)).toEqual({ result: "valid" });
  });

  it("goes out five times an hour to one subject, whatever becomes of the codes; noted once", async () => {
    const desk = await newDesk();
    const { context, shop } = desk;
    const { sent, deliver } = mailbox();
    for (let mail = 0; mail < 5; mail++) {
      const { shown } = await issueCode(context, peer, shop, mailWish, { deliver });
      if (mail === 2) await deleteCode(context, peer, shop, { id: shown.id });
      desk.advance(MINUTE);
    }
    const again = () => issueCode(context, peer, shop, mailWish, { deliver });
    for (let tries = 0; tries < 3; tries++) {
      await expect(again()).rejects.toMatchObject({ code: "rate_limited", retryAfter: 3300 });
    }
    expect((await desk.events()).filter(({ outcome }) => outcome === "refused")).toEqual([
      { event: "otp.issue", outcome: "refused", reason: "throttled" },
    ]);
    const bob = { ...mailWish, subject: parseSubject("bob"), mail: { to: "bob@example.org" } };
    await issueCode(context, peer, shop, bob, { deliver });
    await issueCode(context, peer, shop, codeWish, {});
    expect(sent).toHaveLength(6);
    desk.advance(55 * MINUTE);
    await again();
    expect(sent).toHaveLength(7);
    await sweepOneTimeCodes(context);
    await expect(again()).rejects.toMatchObject({ code: "rate_limited", retryAfter: 60 });
  });

  it("that fails when another code was issued meanwhile is sent again by a repeat of the request", async () => {
    const desk = await newDesk();
    const { context, shop } = desk;
    const request = idempotentRequest("k", "otp", { subject: ann });
    const failing: Deliver = async () => {
      await issued(desk);
      throw new Error("timeout");
    };
    await rejectsWith(issueCode(context, peer, shop, mailWish, { deliver: failing, request }), "mail_failed");
    const { sent, deliver } = mailbox();
    const { repeated } = await issueCode(context, peer, shop, mailWish, { deliver, request });
    expect([repeated, sent.length]).toEqual([false, 1]);
  });

  it("goes out five times an hour to one mailbox, for whatever subjects and however it is spelt; noted once", async () => {
    const desk = await newDesk();
    const { context, shop } = desk;
    const { sent, deliver } = mailbox();
    const spellings = ["ann@example.org", "ANN@example.org", "Ann@EXAMPLE.org"];
    const issue = (visit: number, to = "ann@example.org", owner = shop) => {
      const wish = { ...mailWish, subject: parseSubject(`visit-${visit}`), mail: { to } };
      return issueCode(context, peer, owner, wish, { deliver });
    };
    for (let visit = 0; visit < 5; visit++) {
      await issue(visit, spellings[visit % 3]);
      desk.advance(MINUTE);
    }
    for (const to of spellings) {
      await expect(issue(5, to)).rejects.toMatchObject({ code: "rate_limited", retryAfter: 3300 });
    }
    expect((await desk.events()).filter(({ outcome }) => outcome === "refused")).toEqual([
      { event: "otp.issue", outcome: "refused", reason: "throttled" },
    ]);
    const id = credentialId(context.barrier, "otp", shop, parseSubject("visit-5"));
    await rejectsWith(showCode(context, shop, id), "credential_unknown");
    await issue(5, "bob@example.org");
    await issue(5, "ann@example.org", newOwner("bank"));
    expect(sent).toHaveLength(7);
    expect(await sweepMailboxes(context)).toBe(0);
    desk.advance(55 * MINUTE);
    await issue(6);
    await expect(issue(7)).rejects.toMatchObject({ code: "rate_limited", retryAfter: 60 });
    desk.advance(HOUR);
    expect(await sweepMailboxes(context)).toBe(3);
  });

  it("is not sent again for a repeat of the request", async () => {
    const desk = await newDesk();
    const { sent, deliver } = mailbox();
    const request: IdempotentRequest = idempotentRequest("k", "otp", { subject: ann });
    const issue = () => issueCode(desk.context, peer, desk.shop, mailWish, { deliver, request });
    const first = await issue();
    for (let repeat = 0; repeat < 7; repeat++) expect(await issue()).toEqual({ shown: first.shown, repeated: true });
    expect(sent).toHaveLength(1);
  });
});

describe("codes", () => {
  it("are drawn anew each time, from the randomness that the rules were given", async () => {
    const sizes: number[] = [];
    const desk = await newDesk((size) => {
      sizes.push(size);
      return randomBytes(size);
    });
    const codes = new Set<string>();
    for (let n = 0; n < 20; n++) codes.add((await issued(desk, { digits: 10 })).code);
    expect(codes.size).toBe(20);
    expect(sizes.filter((size) => size === 10)).toHaveLength(20);
  });
});
