import { createHash } from "node:crypto";
import { once } from "node:events";
import type { IncomingMessage } from "node:http";
import { request } from "node:https";
import { json } from "node:stream/consumers";
import { inspect } from "node:util";
import type { ApplicationId } from "@postern/shared/ids";
import { describe, expect, it } from "vitest";
import { type Scope, scopes } from "../../packages/server/src/records/applications/api-key.js";
import {
  type ApiKeyWish,
  authenticateKey,
  createApiKey,
} from "../../packages/server/src/services/applications/api-keys.js";
import { listApplications } from "../../packages/server/src/services/applications/applications.js";
import {
  listApiKeys,
  revokeApiKey,
  rotateApiKey,
  sweepApiKeys,
} from "../../packages/server/src/services/applications/key-care.js";
import type { HeardEvent, ServiceContext } from "../../packages/server/src/services/context.js";
import {
  auditRows,
  type Clock,
  contextOf,
  DAY,
  HOUR,
  MINUTE,
  newStore,
  reopened,
  SECOND,
  startInProcess,
  type TestStore,
} from "../support/in-process.js";

const wish: ApiKeyWish = { name: "shop", scopes: ["otp", "totp"], lifetime: 90 * DAY };

interface House {
  readonly store: TestStore;
  readonly clock: Clock;
  readonly context: ServiceContext;
  /** Why keys were refused, oldest first. */
  readonly reasons: unknown[];
}

async function house(store?: TestStore): Promise<House> {
  const opened = store ?? (await newStore());
  const reasons: unknown[] = [];
  const heard = ({ event, reason }: HeardEvent) => void (event === "apikey.use" && reasons.push(reason));
  return { store: opened, clock: opened.clock, context: { ...(await contextOf(opened)), heard }, reasons };
}

/** Who a key says that one is, or the code of its refusal. */
const calls = ({ context }: House, text: string): Promise<string> =>
  authenticateKey(context, text).then(
    ({ key }) => key,
    (thrown) => thrown.code,
  );

/** A character with each of its seven bits flipped in turn. */
const flips = (character: string) =>
  [1, 2, 4, 8, 16, 32, 64].map((bit) => String.fromCharCode(character.charCodeAt(0) ^ bit));

describe("an API key", () => {
  it("is taken for what it was made for, and tells whose it is", async () => {
    const here = await house();
    const { key, text } = await createApiKey(here.context, wish);
    expect(text).toMatch(/^pk_[0-9a-f]{32}_[A-Za-z0-9_-]{43}$/);
    expect(await authenticateKey(here.context, text)).toEqual({
      application: key.application,
      applicationName: "shop",
      key: key.id,
      scopes: new Set(["otp", "totp"]),
    });
  });

  it.each(scopes.map((scope) => [scope]))("for %s is for nothing else", async (scope: Scope) => {
    const here = await house();
    const { text } = await createApiKey(here.context, { ...wish, scopes: [scope] });
    expect([...(await authenticateKey(here.context, text)).scopes]).toEqual([scope]);
  });

  it("with any bit of its text flipped is refused, and with anything before or behind it", async () => {
    const here = await house();
    const { key, text } = await createApiKey(here.context, wish);
    const forms = [...text].flatMap((character, at) =>
      flips(character).map((other) => text.slice(0, at) + other + text.slice(at + 1)),
    );
    forms.push("", ` ${text}`, `${text} `, `${text}\n`, `${text}=`, `${text}A`, text.slice(0, -1), text.toUpperCase());
    expect(forms).toHaveLength(79 * 7 + 8);
    for (const form of forms)
      expect({ form, outcome: await calls(here, form) }).toMatchObject({ outcome: "api_key_invalid" });
    expect(await calls(here, text)).toBe(key.id);
  });

  it("has no second way to be written: the bits that the last character leaves over are zero", async () => {
    const here = await house();
    const { text } = await createApiKey(here.context, wish);
    const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    const taken: string[] = [];
    for (const last of alphabet) {
      const form = text.slice(0, -1) + last;
      if ((await calls(here, form)) !== "api_key_invalid") taken.push(form);
    }
    expect(taken).toEqual([text]);
  });

  it("is not the id of one with the secret of another, not even of the same application", async () => {
    const here = await house();
    const first = await createApiKey(here.context, wish);
    const second = await createApiKey(here.context, { ...wish, application: first.key.application });
    expect(await calls(here, `${first.key.id}_${second.text.slice(-43)}`)).toBe("api_key_invalid");
    expect(here.reasons).toEqual(["wrong_secret"]);
  });

  it("is good until the moment at which it expires; one that never does is good in twenty years", async () => {
    const here = await house();
    const { key, text } = await createApiKey(here.context, { ...wish, lifetime: HOUR });
    const lasting = await createApiKey(here.context, { ...wish, lifetime: undefined });
    here.clock.advance(HOUR - 1);
    expect(await calls(here, text)).toBe(key.id);
    here.clock.advance(1);
    expect(await calls(here, text)).toBe("api_key_invalid");
    here.clock.advance(20 * 365 * DAY);
    expect(await calls(here, lasting.text)).toBe(lasting.key.id);
  });

  it("that is malformed, unknown, wrong, expired, rotated or revoked is refused alike, and told apart in figures alone", async () => {
    const here = await house();
    const make = () => createApiKey(here.context, wish);
    const [wrong, expired, rotated, revoked] = [await make(), await make(), await make(), await make()];
    const short = await createApiKey(here.context, { ...wish, lifetime: HOUR });
    await rotateApiKey(here.context, rotated.key.id, { overlap: HOUR });
    await revokeApiKey(here.context, revoked.key.id);
    here.clock.advance(HOUR);
    const shown = [
      "pk_",
      `pk_${"0".repeat(32)}_${expired.text.slice(-43)}`,
      `${wrong.key.id}_${expired.text.slice(-43)}`,
      short.text,
      rotated.text,
      revoked.text,
    ];
    const answers = new Set<string>();
    for (const text of shown) {
      const thrown = await authenticateKey(here.context, text).catch((error) => error);
      answers.add(JSON.stringify({ ...thrown, message: thrown.message, hint: thrown.hint }));
    }
    expect(answers.size).toBe(1);
    expect([...answers][0]).toContain('"code":"api_key_invalid"');
    expect(here.reasons).toEqual(["malformed", "unknown", "wrong_secret", "expired", "rotated", "revoked"]);
  });
});

describe("promise 12: an API key that is revoked", () => {
  it("is refused at once by every process on the store, also where its use was noted a moment before", async () => {
    const here = await house();
    const there = await house(await reopened(here.store));
    const { key, text } = await createApiKey(here.context, wish);
    for (const each of [here, there]) expect(await calls(each, text)).toBe(key.id);
    await revokeApiKey(there.context, key.id);
    for (const each of [here, there]) expect(await calls(each, text)).toBe("api_key_invalid");
    const next = await createApiKey(here.context, { ...wish, application: key.application });
    expect(next.key).toMatchObject({ application: key.application, applicationName: "shop" });
    expect(await calls(there, next.text)).toBe(next.key.id);
  });

  it("lets in no request that began after, whatever was under way", async () => {
    const here = await house();
    const { key, text } = await createApiKey(here.context, wish);
    const before = Array.from({ length: 50 }, () => calls(here, text));
    const revoking = revokeApiKey(here.context, key.id);
    const meanwhile = Array.from({ length: 50 }, () => calls(here, text));
    await revoking;
    const after = await Promise.all(Array.from({ length: 50 }, () => calls(here, text)));
    expect(new Set(after)).toEqual(new Set(["api_key_invalid"]));
    for (const outcome of await Promise.all([...before, ...meanwhile])) {
      expect([key.id, "api_key_invalid"]).toContain(outcome);
    }
    expect((await listApiKeys(here.context))[0]?.revokedAt).toBe(here.clock.now());
  });

  it("does nothing with a body that was still to come", async () => {
    const server = await startInProcess(undefined, { http: true });
    const { key, text } = await createApiKey(server.context, { ...wish, lifetime: undefined });
    const target = { host: "127.0.0.1", port: server.running.http?.port, path: "/v1/otp", rejectUnauthorized: false };
    const headers = { authorization: `Bearer ${text}`, "content-type": "application/json", "content-length": 17 };
    const asking = request({ ...target, method: "POST", headers, agent: false });
    const answered = once(asking, "response");
    asking.write("{");
    const isUsed = async () => (await listApiKeys(server.context))[0]?.lastUsedAt !== undefined;
    await expect.poll(isUsed).toBe(true);
    await revokeApiKey(server.context, key.id);
    server.clock.advance(SECOND);
    asking.end('"subject":"ann"}');
    const [answer] = (await answered) as [IncomingMessage];
    expect([answer.statusCode, await json(answer)]).toMatchObject([401, { code: "api_key_invalid" }]);
    expect((await server.audit()).filter(({ event }) => event === "otp.issue")).toEqual([]);
  });

  it("does not come to life by a clock that is set back, nor by being revoked twice", async () => {
    const here = await house();
    const { key, text } = await createApiKey(here.context, wish);
    const gone = await createApiKey(here.context, wish);
    await rotateApiKey(here.context, gone.key.id, { overlap: 0 });
    expect((await revokeApiKey(here.context, key.id)).changed).toBe(true);
    here.clock.advance(-HOUR);
    expect(await revokeApiKey(here.context, key.id)).toMatchObject({ changed: false });
    for (const each of [text, gone.text]) expect(await calls(here, each)).toBe("api_key_invalid");
  });
});

describe("an API key that is rotated", () => {
  it("has a successor of the same application, name and scopes, and both work until the overlap is over", async () => {
    const here = await house();
    const first = await createApiKey(here.context, wish);
    here.clock.advance(10 * DAY);
    const second = await rotateApiKey(here.context, first.key.id, { overlap: DAY });
    const { application, name } = first.key;
    expect(second.key).toMatchObject({ application, name, scopes: wish.scopes });
    expect(second.key.expiresAt).toBe(here.clock.now() + 90 * DAY);
    here.clock.advance(DAY - 1);
    for (const { key, text } of [first, second]) expect(await calls(here, text)).toBe(key.id);
    here.clock.advance(1);
    expect(await calls(here, first.text)).toBe("api_key_invalid");
    expect(await calls(here, second.text)).toBe(second.key.id);
  });

  it("never lives longer for it, and without an overlap ends at once", async () => {
    const here = await house();
    const short = await createApiKey(here.context, { ...wish, lifetime: HOUR });
    const { old } = await rotateApiKey(here.context, short.key.id, { overlap: DAY, lifetime: undefined });
    expect(old.expiresAt).toBe(here.clock.now() + HOUR);
    const stolen = await createApiKey(here.context, wish);
    const next = await rotateApiKey(here.context, stolen.key.id, { overlap: 0 });
    expect(await calls(here, stolen.text)).toBe("api_key_invalid");
    expect(await calls(here, next.text)).toBe(next.key.id);
  });

  it("has one successor, however many ask for one at once; a key that has ended has none", async () => {
    const here = await house();
    const there = await house(await reopened(here.store));
    const { key } = await createApiKey(here.context, wish);
    const rotations = Array.from({ length: 20 }, (_, index) =>
      rotateApiKey((index % 2 === 0 ? here : there).context, key.id, { overlap: HOUR }).then(
        () => "done",
        (thrown) => thrown.code,
      ),
    );
    const outcomes = await Promise.all(rotations);
    expect(outcomes.filter((outcome) => outcome === "done")).toHaveLength(1);
    expect(outcomes.filter((outcome) => outcome === "api_key_ended")).toHaveLength(19);
    expect(await listApiKeys(here.context)).toHaveLength(2);
    const revoked = await createApiKey(here.context, wish);
    await revokeApiKey(here.context, revoked.key.id);
    await expect(rotateApiKey(here.context, revoked.key.id, { overlap: 0 })).rejects.toMatchObject({
      code: "api_key_ended",
    });
  });
});

describe("a flood of requests by API keys", () => {
  it("costs one write a minute for each good key, and none for those that are refused", async () => {
    const here = await house();
    const { key, text } = await createApiKey(here.context, wish);
    let writes = 0;
    let reads = 0;
    const { barrier } = here.context;
    const counted = {
      ...here.context,
      barrier: Object.assign(Object.create(barrier), {
        transact: (fn: Parameters<typeof barrier.transact>[0]) => {
          writes += 1;
          return barrier.transact(fn);
        },
        read: (fn: Parameters<typeof barrier.read>[0]) => {
          reads += 1;
          return barrier.read(fn);
        },
      }),
    };
    const use = (shown: string) => authenticateKey(counted, shown).catch(() => undefined);
    for (let count = 0; count < 100; count++) {
      await use(text);
      here.clock.advance(SECOND);
    }
    expect({ writes, reads }).toEqual({ writes: 2, reads: 100 });
    const noted = (await listApiKeys(here.context))[0]?.lastUsedAt ?? 0;
    expect(here.clock.now() - noted).toBeLessThanOrEqual(MINUTE);

    const entries = (await auditRows(here.store.barrier)).length;
    const unknown = `pk_${"0".repeat(32)}_${text.slice(-43)}`;
    for (const shown of [unknown, `${key.id}_${"A".repeat(43)}`, "x".repeat(10_000)]) {
      for (let count = 0; count < 100; count++) await use(shown);
    }
    expect({ writes, reads }).toEqual({ writes: 2, reads: 300 });
    expect(await auditRows(here.store.barrier)).toHaveLength(entries);
    expect(here.reasons).toHaveLength(300);
  });

  it("never sets back when a key was used last, though the clock is", async () => {
    const here = await house();
    const { text } = await createApiKey(here.context, wish);
    await calls(here, text);
    const used = here.clock.now();
    here.clock.advance(-HOUR);
    await calls(here, text);
    expect((await listApiKeys(here.context))[0]?.lastUsedAt).toBe(used);
  });
});

describe("promise 14: the text of an API key", () => {
  it("is in no byte of the store, no record of the audit log, no line of the log, no error and no metric", async () => {
    const server = await startInProcess(undefined, { http: true, metricsReaders: () => true });
    const { key, text } = await createApiKey(server.context, wish);
    const next = await rotateApiKey(server.context, key.id, { overlap: HOUR });
    const thrown: unknown[] = [];
    for (const shown of [text, next.text, `${text.slice(0, -4)}AAAA`, `${text}x`]) {
      await authenticateKey(server.context, shown).catch((error) => thrown.push(error));
    }
    await revokeApiKey(server.context, next.key.id);
    await authenticateKey(server.context, next.text).catch((error) => thrown.push(error));
    expect(thrown).toHaveLength(3);
    const secrets = [text, next.text].map((each) => each.slice(-43));
    const rows = await server.storage.read((tx) => tx.scan({ from: Buffer.alloc(0), to: Buffer.alloc(512, 0xff) }));
    const bytes = Buffer.concat(rows.flatMap(({ key: at, value }) => [at, value]));
    const places = {
      stored: bytes.toString("latin1"),
      audited: JSON.stringify(await server.audit()),
      logged: inspect(server.log.entries, { depth: 20 }),
      thrown: inspect(thrown, { depth: 20, showHidden: true }),
    };
    for (const [place, content] of Object.entries(places)) {
      for (const secret of secrets) {
        expect({ place, holds: content.includes(secret) }).toEqual({ place, holds: false });
        // Not by half either.
        expect({ place, holds: content.includes(secret.slice(0, 12)) }).toEqual({ place, holds: false });
      }
    }
    for (const secret of secrets) {
      const raw = Buffer.from(secret, "base64url");
      for (const needle of [raw, createHash("sha256").update(raw).digest()]) expect(bytes.includes(needle)).toBe(false);
    }
    expect(bytes.includes(Buffer.from("shop"))).toBe(false);
  });

  it("has a record of who had it made, renewed and revoked: the application and the ids, in the same transaction", async () => {
    const here = await house();
    const { key } = await createApiKey(here.context, wish);
    const next = await rotateApiKey(here.context, key.id, { overlap: HOUR });
    await revokeApiKey(here.context, next.key.id);
    await revokeApiKey(here.context, next.key.id);
    const told = (await auditRows(here.store.barrier)).filter(({ event }) => event.startsWith("apikey."));
    expect(told.map(({ event, outcome, reason }) => [event, outcome, reason])).toEqual([
      ["apikey.create", "done", key.id],
      ["apikey.rotate", "done", `${key.id} by ${next.key.id}`],
      ["apikey.revoke", "done", next.key.id],
    ]);
    expect(new Set(told.map(({ application }) => application))).toEqual(new Set([key.application]));
  });
});

describe("API keys that have ended", () => {
  it("are listed for thirty days, then deleted; their application stays, and can have another key", async () => {
    const here = await house();
    const revoked = await createApiKey(here.context, { ...wish, lifetime: undefined });
    await revokeApiKey(here.context, revoked.key.id);
    const expiring = await createApiKey(here.context, { ...wish, lifetime: DAY });
    const lasting = await createApiKey(here.context, { ...wish, lifetime: undefined });
    const left = async () => new Set((await listApiKeys(here.context)).map(({ id }) => id));
    here.clock.advance(30 * DAY - 1);
    expect(await sweepApiKeys(here.context, 1)).toBe(0);
    here.clock.advance(1);
    expect(await sweepApiKeys(here.context, 1)).toBe(1);
    expect(await left()).toEqual(new Set([expiring.key.id, lasting.key.id]));
    here.clock.advance(DAY);
    expect(await sweepApiKeys(here.context, 1)).toBe(1);
    expect(await left()).toEqual(new Set([lasting.key.id]));
    expect(await listApplications(here.context)).toHaveLength(3);
    const { application } = revoked.key;
    const again = await createApiKey(here.context, { ...wish, application });
    expect(again.key.application).toBe(application);
  });

  it("and applications that never were cannot be given a key", async () => {
    const here = await house();
    const application: ApplicationId = `app_${"0".repeat(32)}`;
    await expect(createApiKey(here.context, { ...wish, application })).rejects.toMatchObject({
      code: "application_unknown",
    });
    expect(await listApiKeys(here.context)).toEqual([]);
  });
});
