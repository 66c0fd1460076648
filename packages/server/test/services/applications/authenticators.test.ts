import { hotpCode } from "@postern/shared/otp/hotp";
import { MAX_COUNTER, totpDefaults } from "@postern/shared/otp/parameters";
import { decodeSecret, encodeSecret } from "@postern/shared/otp/secret";
import { stepAt, totpCode } from "@postern/shared/otp/totp";
import { parseOtpauthUri } from "@postern/shared/otp/uri";
import { describe, expect, it } from "vitest";
import { changeAuthenticators } from "../../../src/records/applications/authenticator.js";
import { idBytes, recordKey } from "../../../src/records/keys.js";
import {
  listAuthenticators,
  removeAuthenticator,
  settledAuthenticator,
  showAuthenticator,
  unlockAuthenticator,
} from "../../../src/services/applications/authenticator-care.js";
import { resyncAuthenticator, verifyAuthenticator } from "../../../src/services/applications/authenticator-verify.js";
import {
  type AuthenticatorWish,
  createAuthenticator,
  parseImportedSecret,
} from "../../../src/services/applications/authenticators.js";
import { idempotentRequest } from "../../../src/services/applications/idempotency.js";
import { parseSubject } from "../../../src/services/applications/subject.js";
import { codeOf, expectCode, rejectsWith } from "../../barrier/support.js";
import { ann, type Desk, HOUR, newDesk, newOwner, peer, SECOND, wrongCode } from "./support.js";

const facts = { subject: ann, issuer: "Shop", account: "ann@example.org", algorithm: "SHA1", digits: 6 } as const;
const totpWish: AuthenticatorWish = { kind: "totp", ...facts, period: 30 };
const hotpWish: AuthenticatorWish = { kind: "hotp", ...facts, counter: 0, lookAhead: 5 };

/** A TOTP of which a test has the secret; `at` is in steps from now. */
async function newTotp(desk: Desk, wish: Partial<AuthenticatorWish & { kind: "totp" }> = {}) {
  const { context, shop } = desk;
  const wished = { ...totpWish, ...wish } as AuthenticatorWish & { kind: "totp" };
  const { shown, once } = await createAuthenticator(context, peer, shop, wished);
  if (shown.kind !== "totp" || once === undefined) throw new Error("it is no TOTP");
  const { id } = shown;
  const secret = decodeSecret(once.secret);
  const { algorithm, digits, period } = wished;
  const code = (at = 0) =>
    totpCode(secret, stepAt(context.now(), period) + at, { algorithm, digits, period }) as string;
  const verify = (typed: string) => verifyAuthenticator(context, peer, shop, { id, code: typed });
  return { id, shown, once, code, verify, wrong: () => wrongCode(code()) };
}

async function newHotp(desk: Desk, wish: Partial<AuthenticatorWish & { kind: "hotp" }> = {}) {
  const { context, shop } = desk;
  const wished = { ...hotpWish, ...wish } as AuthenticatorWish & { kind: "hotp" };
  const { shown, once } = await createAuthenticator(context, peer, shop, wished);
  if (shown.kind !== "hotp" || once === undefined) throw new Error("it is no HOTP");
  const { id } = shown;
  const secret = decodeSecret(once.secret);
  const code = (counter: number) => hotpCode(secret, counter, wished) as string;
  const verify = (counter: number) => verifyAuthenticator(context, peer, shop, { id, code: code(counter) });
  const resync = (first: number, second: number) =>
    resyncAuthenticator(context, peer, shop, { id, codes: [code(first), code(second)] });
  const show = () => showAuthenticator<"hotp">(context, shop, id);
  return { id, shown, once, code, verify, resync, show };
}

const valid = { result: "valid" };
const replayed = { result: "replayed" };
const invalid = { result: "invalid" };

describe("a TOTP authenticator", () => {
  it("is made with a secret of its hash's length, shown once with a URI that says the same", async () => {
    const desk = await newDesk();
    const { shown, once } = await newTotp(desk, { algorithm: "SHA256", digits: 8, period: 60 });
    expect(parseOtpauthUri(once.uri)).toEqual({
      type: "totp",
      issuer: "Shop",
      account: "ann@example.org",
      algorithm: "SHA256",
      digits: 8,
      period: 60,
      secret: decodeSecret(once.secret),
    });
    expect(decodeSecret(once.secret)).toHaveLength(32);
    expect(shown).toMatchObject({ subject: "ann", version: 1, failures: 0, locked: false });
    expect(JSON.stringify(await showAuthenticator(desk.context, desk.shop, shown.id))).not.toContain(once.secret);
    expect(await desk.events()).toEqual([{ event: "totp.create", outcome: "done" }]);
  });

  it("takes the step of the clock and one on each side, each once, and none before one that was taken", async () => {
    const desk = await newDesk();
    const { code, verify, shown, id } = await newTotp(desk);
    expect(await verify(code(2))).toEqual(invalid);
    expect(await verify(code(-1))).toEqual(valid);
    expect(await verify(code())).toEqual(valid);
    expect(await verify(code(-1))).toEqual(replayed);
    expect(await verify(code(1))).toEqual(valid);
    for (const used of [code(-1), code(), code(1)]) expect(await verify(used)).toEqual(replayed);
    const now = await showAuthenticator(desk.context, desk.shop, id);
    expect(now).toMatchObject({ lastUsedAt: desk.context.now(), failures: 3, version: shown.version + 8 });
  });

  it("attack 28b: says how far a device is behind, and nothing of one that is ahead", async () => {
    const desk = await newDesk();
    const { code, verify, wrong } = await newTotp(desk);
    expect(await verify(code(-4))).toEqual({ result: "invalid", why: { clockBehind: 120 } });
    const answers = [await verify(code(3)), await verify(code(20)), await verify(wrong())];
    expect(answers).toEqual([invalid, invalid, invalid]);
    const reasons = (await desk.events()).slice(1).map(({ reason }) => reason);
    expect(reasons).toEqual(["expired_code", "wrong_code", "wrong_code", "wrong_code"]);
  });

  it("is closed by five wrong codes, over processes, and a success opens its budget alone", async () => {
    const desk = await newDesk();
    const second = await desk.another();
    const { code, verify, wrong, id } = await newTotp(desk);
    const bob = await newTotp(desk, { subject: parseSubject("bob") });
    for (let guess = 0; guess < 5; guess++) {
      const context = guess % 2 === 0 ? desk.context : second;
      expect(await verifyAuthenticator(context, peer, desk.shop, { id, code: wrong() })).toEqual(invalid);
    }
    for (const typed of [code(), wrong()]) expect(await verify(typed)).toEqual({ result: "throttled", retryAfter: 30 });
    expect(await bob.verify(bob.code())).toEqual(valid);
    desk.advance(30 * SECOND);
    expect(await verify(code())).toEqual(valid);
    expect(await verify(wrong())).toEqual(invalid);
  });

  it("is locked after a hundred wrong codes in a row until the application unlocks it", async () => {
    const desk = await newDesk();
    const { context, shop } = desk;
    const { code, verify, wrong, id } = await newTotp(desk);
    for (let guess = 0; guess < 100; guess++) {
      desk.advance(HOUR);
      expect(await verify(wrong())).toEqual(invalid);
    }
    desk.advance(HOUR);
    expect(await verify(code())).toEqual({ result: "throttled" });
    expect(await showAuthenticator(context, shop, id)).toMatchObject({ locked: true });
    expect(await unlockAuthenticator(context, peer, shop, id)).toMatchObject({ locked: false, failures: 0 });
    expect(await verify(code())).toEqual(valid);
  });

  it("attack 20: 200 parallel uses of one code, by two processes, are one success", async () => {
    const desk = await newDesk();
    const contexts = [desk.context, await desk.another()];
    const { code, id } = await newTotp(desk);
    const verdicts = await Promise.all(
      Array.from({ length: 200 }, (_, index) =>
        verifyAuthenticator(contexts[index % 2] ?? desk.context, peer, desk.shop, { id, code: code() }),
      ),
    );
    const results = verdicts.map(({ result }) => result);
    expect(results.filter((result) => result === "valid")).toHaveLength(1);
    expect(results.filter((result) => result === "replayed")).toHaveLength(5);
  });

  it("costs nothing where the code is malformed", async () => {
    const desk = await newDesk();
    const { code, verify, id } = await newTotp(desk);
    const fullWidth = code().replaceAll(/[0-9]/g, (digit) => String.fromCharCode(digit.charCodeAt(0) + 0xfee0));
    for (const typed of ["", `${code()}0`, fullWidth, ` ${code().slice(1)}`])
      await rejectsWith(verify(typed), "code_malformed");
    expect(await showAuthenticator(desk.context, desk.shop, id)).toMatchObject({ failures: 0, version: 1 });
  });
});

describe("an HOTP authenticator", () => {
  it("takes codes up to its look-ahead, and none at or before one that was taken", async () => {
    const desk = await newDesk();
    const { verify, show } = await newHotp(desk, { lookAhead: 2, counter: 7 });
    expect(await verify(10)).toEqual(invalid);
    expect(await verify(9)).toEqual(valid);
    for (const used of [9, 8, 7]) expect(await verify(used)).toEqual(replayed);
    expect(await show()).toMatchObject({ counter: 10, lookAhead: 2, resyncNeeded: false });
    expect(await verify(10)).toEqual(valid);
  });

  it("attack 24: that ran ahead is found by two codes in a row within 50, and never goes back", async () => {
    const desk = await newDesk();
    const { verify, resync, show } = await newHotp(desk);
    expect(await verify(30)).toEqual(invalid);
    expect(await resync(30, 32)).toEqual(invalid);
    expect(await resync(51, 52)).toEqual(invalid);
    expect(await resync(50, 51)).toEqual(valid);
    expect(await show()).toMatchObject({ counter: 52, failures: 0 });
    for (const used of [50, 51]) expect(await verify(used)).toEqual(replayed);
    expect(await resync(50, 51)).toEqual(invalid);
    expect(await show()).toMatchObject({ counter: 52 });
    expect(await verify(52)).toEqual(valid);
    expect((await desk.events()).map(({ event, outcome }) => `${event} ${outcome}`)).toEqual([
      "hotp.create done",
      "hotp.verify refused",
      "hotp.resync refused",
      "hotp.resync refused",
      "hotp.resync granted",
      "hotp.verify refused",
      "hotp.verify refused",
      "hotp.resync refused",
      "hotp.verify granted",
    ]);
  });

  it("attack 26: pays for wrong pairs from the same budget", async () => {
    const desk = await newDesk();
    const { verify, resync } = await newHotp(desk);
    for (let guess = 0; guess < 3; guess++) await resync(60, 61);
    for (let guess = 0; guess < 2; guess++) await verify(60);
    expect(await resync(0, 1)).toEqual({ result: "throttled", retryAfter: 30 });
    expect(await verify(0)).toEqual({ result: "throttled", retryAfter: 30 });
  });

  it("of a restored store takes two codes in a row alone, once, and judges nothing else", async () => {
    const desk = await newDesk();
    const { context } = desk;
    const { verify, resync, show } = await newHotp(desk);
    const { code, verify: verifyTotp } = await newTotp(desk);
    await context.barrier.transact((tx) =>
      changeAuthenticators(tx, undefined, 10, (record) => settledAuthenticator(record, context.now())),
    );
    for (let tries = 0; tries < 9; tries++) {
      expect(await verify(tries % 2)).toEqual({ result: "invalid", why: { resyncNeeded: true } });
    }
    expect(await show()).toMatchObject({ resyncNeeded: true, failures: 0 });
    expect((await desk.events()).filter(({ reason }) => reason === "resync_needed")).toHaveLength(1);
    expect(await resync(5, 7)).toEqual(invalid);
    expect(await show()).toMatchObject({ resyncNeeded: true, failures: 1 });
    expect(await resync(6, 7)).toEqual(valid);
    expect(await verify(8)).toEqual(valid);
    for (const used of [-1, 0, 1]) expect(await verifyTotp(code(used))).toEqual(replayed);
    desk.advance(60 * SECOND);
    expect(await verifyTotp(code())).toEqual(valid);
  });

  it("is refused where its look-ahead would pass the last counter", async () => {
    const desk = await newDesk();
    await rejectsWith(newHotp(desk, { counter: MAX_COUNTER - 4 }), "otp_invalid");
    const { verify, resync } = await newHotp(desk, { counter: MAX_COUNTER - 5 });
    expect(await verify(MAX_COUNTER)).toEqual(valid);
    expect(await resync(MAX_COUNTER + 3, MAX_COUNTER + 4)).toEqual(valid);
  });
});

describe("creating", () => {
  it("takes a secret that exists, of 128 bits and more", async () => {
    const desk = await newDesk();
    const secret = Buffer.alloc(16, 3);
    const { once, verify, code } = await newTotp(desk, { secret: parseImportedSecret(encodeSecret(secret)) });
    expect(once.secret).toBe(encodeSecret(secret));
    expect(totpCode(secret, stepAt(desk.context.now(), 30), totpDefaults)).toBe(code());
    expect(await verify(code())).toEqual(valid);
  });

  it.each([
    ["15 bytes", encodeSecret(Buffer.alloc(15, 3))],
    ["129 bytes", encodeSecret(Buffer.alloc(129, 3))],
    ["no base32", "11111111111111111111111111111111"],
    ["nothing", ""],
  ])("refuses a secret of %s", (_name, text) => {
    expectCode(() => parseImportedSecret(text), "secret_invalid");
  });

  it("a second one for the same subject is refused; another kind, application or subject is not", async () => {
    const desk = await newDesk();
    const first = await newTotp(desk);
    await rejectsWith(newTotp(desk), "credential_exists");
    await newHotp(desk);
    await createAuthenticator(desk.context, peer, newOwner("other"), totpWish);
    await newTotp(desk, { subject: parseSubject("bob") });
    expect(await first.verify(first.code())).toEqual(valid);
    const parallel = await Promise.all(
      Array.from({ length: 8 }, () => codeOf(newTotp(desk, { subject: parseSubject("carol") }))),
    );
    expect(parallel.sort()).toEqual([...Array(7).fill("credential_exists"), "resolved"]);
  });

  it("an issuer or account that no URI can hold is refused", async () => {
    const desk = await newDesk();
    for (const wish of [{ issuer: "a:b" }, { account: "" }, { account: "a\nb" }]) {
      await rejectsWith(newTotp(desk, wish), "otp_invalid");
    }
    expect(await desk.events()).toEqual([]);
  });

  it("is answered alike when it is repeated, without the secret, and makes nothing", async () => {
    const desk = await newDesk();
    const { context, shop } = desk;
    const request = idempotentRequest("k", "totp", { subject: "ann" });
    const first = await createAuthenticator(context, peer, shop, totpWish, request);
    const again = await createAuthenticator(context, peer, shop, totpWish, request);
    expect(again).toEqual({ shown: first.shown });
    await removeAuthenticator(context, peer, shop, { kind: "totp", id: first.shown.id });
    expect(await createAuthenticator(context, peer, shop, totpWish, request)).toEqual({ shown: first.shown });
    expect((await desk.events()).map(({ event }) => event)).toEqual(["totp.create", "totp.delete"]);
  });
});

describe("looking after authenticators", () => {
  it("a page at a time shows each of one kind once", async () => {
    const desk = await newDesk();
    const { context, shop } = desk;
    const names = Array.from({ length: 5 }, (_, n) => `person ${n}`);
    for (const name of names) {
      await newTotp(desk, { subject: parseSubject(name) });
      await newHotp(desk, { subject: parseSubject(name) });
    }
    for (const kind of ["totp", "hotp"] as const) {
      const first = await listAuthenticators(context, shop, kind, { limit: 3 });
      const second = await listAuthenticators(context, shop, kind, { after: first.next, limit: 3 });
      expect([first.items.length, second.items.length, second.next]).toEqual([3, 2, undefined]);
      const items = [...first.items, ...second.items];
      expect(items.map(({ subject }) => subject).sort()).toEqual(names);
      expect(items.every((item) => item.kind === kind)).toBe(true);
    }
    expect(await listAuthenticators(context, newOwner("other"), "totp", { limit: 3 })).toEqual({
      items: [],
      damaged: [],
    });
  });

  it("is for its application alone", async () => {
    const desk = await newDesk();
    const { id, code } = await newTotp(desk);
    const { context } = desk;
    const other = newOwner("shop");
    for (const refused of [
      verifyAuthenticator(context, peer, other, { id, code: code() }),
      showAuthenticator(context, other, id),
      unlockAuthenticator(context, peer, other, id),
      removeAuthenticator(context, peer, other, { kind: "totp", id }),
    ]) {
      await rejectsWith(refused, "credential_unknown");
    }
  });

  it("deletes at the version that the application knows, and at no other", async () => {
    const desk = await newDesk();
    const { context, shop } = desk;
    const { id, code, verify } = await newTotp(desk);
    await verify(code());
    await rejectsWith(
      removeAuthenticator(context, peer, shop, { kind: "totp", id, versions: [1] }),
      "version_mismatch",
    );
    await removeAuthenticator(context, peer, shop, { kind: "totp", id, versions: [2] });
    await rejectsWith(verify(code()), "credential_unknown");
  });

  it("attack 38: has a damaged one deny everything but its deletion", async () => {
    const desk = await newDesk();
    const { context, shop } = desk;
    const { id, code, verify } = await newTotp(desk);
    const key = recordKey("authenticator", idBytes(shop.application), Buffer.of(1), idBytes(id));
    await context.barrier.transact((tx) => tx.put(key, Buffer.from("nothing")));
    for (const refused of [verify(code()), newTotp(desk), showAuthenticator(context, shop, id)]) {
      expect(await codeOf(refused)).toBe("store_damaged");
    }
    expect(await listAuthenticators(context, shop, "totp", { limit: 3 })).toEqual({ items: [], damaged: [id] });
    await removeAuthenticator(context, peer, shop, { kind: "totp", id });
    expect((await desk.events()).at(-1)).toEqual({ event: "totp.delete", outcome: "done", reason: "damaged" });
    const another = await newTotp(desk);
    expect(await another.verify(another.code())).toEqual(valid);
  });
});
