import { describe, expect, it } from "vitest";
import { idempotentRequest, sweepIdempotency } from "../../../src/services/applications/idempotency.js";
import { issueCode } from "../../../src/services/applications/one-time-codes.js";
import { rejectsWith } from "../../barrier/support.js";
import { codeWish, DAY, type Desk, HOUR, newDesk, newOwner, peer } from "./support.js";

const asked = { subject: "ann", digits: 6, delivery: { mail: "a@b.example", purpose: "x" } };

function issue({ context, shop }: Desk, request = idempotentRequest("k", "otp", asked), owner = shop) {
  return issueCode(context, peer, owner, codeWish, { request });
}

describe("a request with a key of its own", () => {
  it("makes one thing, however often it is repeated, at once or one after another, by two processes", async () => {
    const desk = await newDesk();
    const second = { ...desk, context: await desk.another() };
    const made = await Promise.all(Array.from({ length: 20 }, (_, index) => issue(index % 2 ? desk : second)));
    expect(made.filter(({ repeated }) => !repeated)).toHaveLength(1);
    expect(made.filter(({ code }) => code !== undefined)).toHaveLength(1);
    expect(new Set(made.map(({ shown }) => JSON.stringify(shown))).size).toBe(1);
    expect(await desk.events()).toEqual([{ event: "otp.issue", outcome: "done" }]);
  });

  it("is the same whatever the order of its members", async () => {
    const desk = await newDesk();
    await issue(desk);
    const turned = { delivery: { purpose: "x", mail: "a@b.example" }, digits: 6, subject: "ann" };
    expect((await issue(desk, idempotentRequest("k", "otp", turned))).repeated).toBe(true);
  });

  it("is refused where it asks for something else, in any part of it, and makes nothing", async () => {
    const desk = await newDesk();
    await issue(desk);
    const others = [
      idempotentRequest("k", "totp", asked),
      idempotentRequest("k", "otp", { ...asked, digits: 7 }),
      idempotentRequest("k", "otp", { ...asked, delivery: { mail: "a@b.example" } }),
      idempotentRequest("k", "otp", {}),
    ];
    for (const other of others) await rejectsWith(issue(desk, other), "idempotency_mismatch");
    expect(await desk.events()).toHaveLength(1);
  });

  it("is nothing to another application, and to another key", async () => {
    const desk = await newDesk();
    await issue(desk);
    expect((await issue(desk, undefined, newOwner("other"))).repeated).toBe(false);
    expect((await issue(desk, idempotentRequest("k2", "otp", asked))).repeated).toBe(false);
  });

  it("is remembered for a day, and then swept", async () => {
    const desk = await newDesk();
    await issue(desk);
    desk.advance(DAY - 1);
    expect((await issue(desk)).repeated).toBe(true);
    expect(await sweepIdempotency(desk.context)).toBe(0);
    desk.advance(1);
    expect((await issue(desk)).repeated).toBe(false);
    desk.advance(DAY);
    expect(await sweepIdempotency(desk.context)).toBe(1);
  });

  it("that a clock which ran ahead has noted does not last longer than that", async () => {
    const desk = await newDesk();
    await issue(desk);
    desk.advance(-2 * HOUR);
    expect(await sweepIdempotency(desk.context)).toBe(1);
    expect((await issue(desk)).repeated).toBe(false);
  });
});
