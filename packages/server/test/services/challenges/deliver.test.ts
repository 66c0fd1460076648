import { createHmac } from "node:crypto";
import { PosternError } from "@postern/shared/errors";
import { beforeEach, describe, expect, it } from "vitest";
import {
  auditRows,
  DAY,
  HOUR,
  MINUTE,
  newStore,
  reopened,
  SECOND,
  type TestStore,
} from "../../../../../test/support/in-process.js";
import type { SealedReadTransaction } from "../../../src/barrier/barrier.js";
import type { Post, PostOutcome, PostRequest } from "../../../src/post.js";
import { deleteCallbackRecord } from "../../../src/records/challenges/callback.js";
import { outboxRange, shelfRange } from "../../../src/records/challenges/outbox.js";
import { idBytes, recordKey } from "../../../src/records/keys.js";
import { type Callback, deleteCallback, listCallbacks } from "../../../src/services/challenges/callbacks.js";
import { delays, glance, LEASE_MS, TRIES } from "../../../src/services/challenges/claims.js";
import {
  type DeadLetter,
  deadLetters,
  dropDead,
  KEPT_DEAD_MS,
  retryDead,
  sweepDeadLetters,
} from "../../../src/services/challenges/dead-letters.js";
import { SLOTS, SLOTS_OF_A_HOST, SLOTS_OF_SILENT_HOSTS } from "../../../src/services/challenges/slots.js";
import type { Storage } from "../../../src/storage/storage.js";
import { firstOf, receiver } from "../../outward/support.js";
import {
  type Courier,
  courierOf,
  enqueue,
  makeCallback,
  messageTo,
  newApplication,
  postToLoopback,
  webhookTo,
} from "./support.js";

const host = "127.0.0.1:8080";

/** Keeps what is sent, and answers as it is told. */
class Carrier {
  readonly requests: PostRequest[] = [];
  answer: (request: PostRequest, signal: AbortSignal) => Promise<PostOutcome> = async () => ({ status: 204 });
  readonly post: Post = (request, signal) => {
    this.requests.push(request);
    return this.answer(request, signal);
  };
  get ids(): string[] {
    return this.requests.map(({ headers }) => headers["webhook-id"] ?? "");
  }
}

let store: TestStore;
let carrier: Carrier;
let courier: Courier;
let application: Awaited<ReturnType<typeof newApplication>>;
let bot: Callback;

beforeEach(async () => {
  store = await newStore();
  carrier = new Carrier();
  courier = await courierOf(store, carrier.post);
  application = await newApplication(courier.context);
  bot = (await makeCallback(courier.context, webhookTo(application, "bot", host))).callback;
});

const left = () => store.barrier.read(async (tx) => (await tx.keys(outboxRange())).length);
const states = async () => (await listCallbacks(courier.context)).map(({ waiting, dead }) => ({ waiting, dead }));
const fails = async () => ({ status: 503 });

async function letters() {
  const all: DeadLetter[] = [];
  for await (const letter of deadLetters(courier.context)) all.push(letter);
  return all;
}

describe("a message in the outbox", () => {
  it("is delivered at once, once, and is gone", async () => {
    const message = messageTo(courier.context, application, "bot", { clientId: "77", flow: "f" });
    await enqueue(courier.context, message);
    await courier.delivery.quiet();
    const [request] = carrier.requests;
    expect(request).toMatchObject({ method: "POST", url: `http://${host}/hook` });
    expect(JSON.parse(request?.body ?? "")).toEqual({
      type: "challenge.answered",
      timestamp: new Date(message.occurredAt).toISOString(),
      data: { challenge_id: message.challenge, subject: message.subject, result: "right", client_id: "77", flow: "f" },
    });
    await courier.pass(DAY);
    expect(carrier.ids).toEqual([message.challenge]);
    expect(await left()).toBe(0);
  });

  it("is not there when its transaction did not come to its end", async () => {
    const { context } = courier;
    const failing = context.barrier.transact(async (tx) => {
      const { enqueueCallback } = await import("../../../src/services/challenges/outbox.js");
      await enqueueCallback(context, tx, messageTo(context, application, "bot"));
      throw new Error("the answer could not be stored");
    });
    await expect(failing).rejects.toThrow("could not be stored");
    await courier.pass(MINUTE);
    expect(carrier.requests).toEqual([]);
  });

  it("does not keep an answer from being stored when its callback is no more", async () => {
    await enqueue(courier.context, messageTo(courier.context, application, "another"));
    expect(await left()).toBe(0);
  });

  it("of another process is seen within two seconds", async () => {
    const { enqueued: _unheard, ...beside } = courier.context;
    await enqueue(beside, messageTo(courier.context, application, "bot"));
    await courier.delivery.quiet();
    expect(carrier.requests).toEqual([]);
    await courier.pass(2 * SECOND);
    expect(carrier.requests).toHaveLength(1);
  });

  it("is tried again as agreed, ± 20 %, with the same id and body and a new signature, and then is dead", async () => {
    carrier.answer = fails;
    const message = messageTo(courier.context, application, "bot");
    await enqueue(courier.context, message);
    await courier.delivery.quiet();
    for (const [index, delay] of delays.entries()) {
      await courier.pass(0.79 * delay);
      expect(carrier.requests, `before try ${index + 2}`).toHaveLength(index + 1);
      await courier.pass(0.42 * delay);
      expect(carrier.requests, `try ${index + 2}`).toHaveLength(index + 2);
    }
    expect(new Set(carrier.ids)).toEqual(new Set([message.challenge]));
    expect(new Set(carrier.requests.map(({ body }) => body)).size).toBe(1);
    expect(new Set(carrier.requests.map(({ headers }) => headers["webhook-signature"])).size).toBe(TRIES);
    await courier.pass(30 * DAY);
    expect(carrier.requests).toHaveLength(TRIES);
    expect(await states()).toEqual([{ waiting: 0, dead: 1 }]);
    const row = (await auditRows(store.barrier)).at(-1);
    expect(row).toMatchObject({
      event: "callback.dead",
      outcome: "refused",
      application,
      challenge: message.challenge,
      reason: `${bot.id} http_503`,
      personal: { subject: message.subject },
    });
  });

  it("is dead at once when the receiver says that it is gone for good", async () => {
    carrier.answer = async () => ({ status: 410 });
    await enqueue(courier.context, messageTo(courier.context, application, "bot"));
    await courier.delivery.quiet();
    expect(await states()).toEqual([{ waiting: 0, dead: 1 }]);
  });

  it.each([200, 299])("is delivered by %i", async (status) => {
    carrier.answer = async () => ({ status });
    await enqueue(courier.context, messageTo(courier.context, application, "bot"));
    await courier.delivery.quiet();
    expect(await left()).toBe(0);
  });

  it.each([0, 199, 300, 302, 304, 400, 404, 429, 500])("is not delivered by %i", async (status) => {
    carrier.answer = async () => ({ status });
    await enqueue(courier.context, messageTo(courier.context, application, "bot"));
    await courier.delivery.quiet();
    expect(await states()).toEqual([{ waiting: 1, dead: 0 }]);
  });

  it("that does not open any more stands in front of no other, and is told of", async () => {
    carrier.answer = fails;
    const good = messageTo(courier.context, application, "bot");
    await enqueue(courier.context, messageTo(courier.context, application, "bot"), good);
    await courier.delivery.quiet();
    await store.storage.transact(async (tx) => {
      const { from, to } = shelfRange({ callback: bot.id, shelf: 1 });
      const keyed = (key: Buffer) => Buffer.concat([Buffer.of(1), key]);
      const [first] = await tx.scan({ from: keyed(from), to: keyed(to), limit: 1 });
      if (first !== undefined) await tx.put(first.key, Buffer.alloc(first.value.length, 7));
    });
    carrier.answer = async () => ({ status: 200 });
    await courier.pass(10 * SECOND);
    await courier.pass(10 * SECOND);
    expect(await left()).toBe(0);
    expect(courier.log.errors).toHaveLength(1);
  });
});

describe("the signature of a webhook (Standard Webhooks 1.0.0)", () => {
  it("is what a receiver computes by the specification, from its secret's text and the bytes that came", async () => {
    const there = await receiver();
    const { context, delivery } = await courierOf(store, postToLoopback([there.host]));
    const { secret = "" } = await makeCallback(context, webhookTo(application, "signed", there.host));
    expect(secret).toMatch(/^whsec_[A-Za-z0-9+/]{43}=$/);
    await enqueue(context, messageTo(context, application, "signed", { subject: "Zoë ✓", result: "wrong" }));
    await delivery.quiet();
    const { headers, body } = firstOf(there);
    const signed = `${String(headers["webhook-id"])}.${String(headers["webhook-timestamp"])}.${body}`;
    const mac = createHmac("sha256", Buffer.from(secret.slice("whsec_".length), "base64")).update(signed);
    expect(headers["webhook-signature"]).toBe(`v1,${mac.digest("base64")}`);
    expect(headers["webhook-timestamp"]).toBe(String(Math.floor(context.now() / 1000)));
    expect(headers["content-type"]).toBe("application/json");
  });
});

describe("a template", () => {
  const template = (name: string, url: string, more: { method?: "GET" | "POST"; token?: string } = {}) =>
    makeCallback(courier.context, {
      application,
      name,
      target: { kind: "template", url, method: more.method ?? "POST", token: more.token },
    });

  it("is sent as chat-bot platforms want it", async () => {
    const url = `http://${host}/users/{client_id}/send?flow={flow}&user_validated={validated}&id={challenge_id}&k={token}`;
    await template("chat", url, { token: "a b" });
    const more = { clientId: "7/7", flow: "f&g", result: "wrong" } as const;
    const message = messageTo(courier.context, application, "chat", more);
    await enqueue(courier.context, message);
    await courier.delivery.quiet();
    expect(carrier.requests).toEqual([
      {
        method: "POST",
        url: `http://${host}/users/7%2F7/send?flow=f%26g&user_validated=false&id=${message.challenge}&k=a%20b`,
        headers: { "webhook-id": message.challenge },
      },
    ]);
  });

  it("shows its token as a bearer where its URL has no place for it, and can be a GET", async () => {
    await template("chat", `http://${host}/?r={result}`, { token: "t", method: "GET" });
    await enqueue(courier.context, messageTo(courier.context, application, "chat", { result: "expired" }));
    await courier.delivery.quiet();
    expect(carrier.requests[0]).toMatchObject({ method: "GET", url: `http://${host}/?r=expired` });
    expect(carrier.requests[0]?.headers.authorization).toBe("Bearer t");
  });

  it("that cannot take a value is not sent without it: the message is dead, and nobody else's waits", async () => {
    await template("chat", `http://${host}/{client_id}`);
    const messages = [undefined, ".."].map((clientId) =>
      messageTo(courier.context, application, "chat", clientId === undefined ? {} : { clientId }),
    );
    await enqueue(courier.context, ...messages);
    await courier.delivery.quiet();
    expect(carrier.requests).toEqual([]);
    expect((await letters()).map(({ message }) => message.fault)).toEqual(["value_invalid", "value_invalid"]);
  });
});

/** Answers that the test gives when it wants to. */
class Held {
  readonly under: { url: string; give: (outcome: PostOutcome) => void }[] = [];
  readonly answer = ({ url }: PostRequest, signal: AbortSignal) =>
    new Promise<PostOutcome>((give) => {
      this.under.push({ url, give });
      signal.addEventListener("abort", () => give({ fault: "stopped" }));
    });
  async until(count: number): Promise<void> {
    while (this.under.length < count) await new Promise(setImmediate);
  }
}

describe("a slow or dead host", () => {
  it("has so many requests under way at most, and keeps nobody else's from being delivered", async () => {
    const held = new Held();
    const other = "127.0.0.1:9090";
    await makeCallback(courier.context, webhookTo(application, "other", other));
    carrier.answer = (request, signal) =>
      request.url.includes(host) ? held.answer(request, signal) : Promise.resolve({ status: 200 });
    const slow = Array.from({ length: 50 }, () => messageTo(courier.context, application, "bot"));
    await enqueue(courier.context, ...slow);
    await held.until(SLOTS_OF_A_HOST);
    const fine = Array.from({ length: 20 }, () => messageTo(courier.context, application, "other"));
    await enqueue(courier.context, ...fine);
    const delivered = () => carrier.requests.filter(({ url }) => url.includes(other)).length;
    while (delivered() < fine.length) await new Promise(setImmediate);
    expect(held.under).toHaveLength(SLOTS_OF_A_HOST);
    expect(courier.delivery.underWay).toBeLessThanOrEqual(SLOTS);
    await courier.delivery.stop();
  });

  it("that does not answer gets one place, and all such hosts together half of them", async () => {
    const held = new Held();
    const silent = Array.from({ length: SLOTS + 4 }, (_, index) => `127.0.0.1:${10_000 + index}`);
    carrier.answer = async () => ({ fault: "timed_out" });
    for (const [index, one] of silent.entries()) {
      await makeCallback(courier.context, webhookTo(application, `s${index}`, one));
      await enqueue(courier.context, messageTo(courier.context, application, `s${index}`));
    }
    await courier.delivery.quiet();
    carrier.answer = (request, signal) =>
      request.url.includes(host) ? Promise.resolve({ status: 200 }) : held.answer(request, signal);
    courier.timers.advance(10 * SECOND);
    await held.until(SLOTS_OF_SILENT_HOSTS);
    await enqueue(courier.context, messageTo(courier.context, application, "bot"));
    while (!carrier.requests.some(({ url }) => url.includes(host))) await new Promise(setImmediate);
    expect(held.under).toHaveLength(SLOTS_OF_SILENT_HOSTS);
    await courier.delivery.stop();
  });
});

describe("a server that stops", () => {
  it("gives back what is under way, as if it had not been tried", async () => {
    const held = new Held();
    carrier.answer = held.answer;
    const message = messageTo(courier.context, application, "bot");
    await enqueue(courier.context, message);
    await held.until(1);
    await courier.delivery.stop();
    expect(await states()).toEqual([{ waiting: 1, dead: 0 }]);
    const next = new Carrier();
    await courierOf(await reopened(store), next.post);
    expect(next.ids).toEqual([message.challenge]);
  });

  it("gives it back to be tried at once, not behind what has as many tries behind it and waits for the next", async () => {
    carrier.answer = fails;
    const [first, second] = [
      messageTo(courier.context, application, "bot"),
      messageTo(courier.context, application, "bot"),
    ];
    await enqueue(courier.context, first);
    await courier.delivery.quiet();
    const held = new Held();
    carrier.answer = (request, signal) =>
      request.headers["webhook-id"] === first.challenge ? held.answer(request, signal) : fails();
    courier.timers.advance(10 * SECOND);
    await held.until(1);
    await enqueue(courier.context, second);
    const tried = [first.challenge, first.challenge, second.challenge];
    await expect.poll(() => [courier.delivery.underWay, ...carrier.ids]).toEqual([1, ...tried]);
    await courier.delivery.stop();
    const next = new Carrier();
    await courierOf(await reopened(store), next.post);
    expect(next.ids).toEqual([first.challenge]);
  });

  it("or drains, lets it come to its end and begins nothing more", async () => {
    const held = new Held();
    carrier.answer = held.answer;
    await enqueue(courier.context, messageTo(courier.context, application, "bot"));
    await held.until(1);
    const drained = courier.delivery.drain();
    await enqueue(courier.context, messageTo(courier.context, application, "bot"));
    held.under[0]?.give({ status: 200 });
    await drained;
    expect(await states()).toEqual([{ waiting: 1, dead: 0 }]);
    await courier.pass(HOUR);
    expect(carrier.requests).toHaveLength(1);
  });

  it("by a crash: another one takes its messages over when the lease has run out, and not before", async () => {
    const held = new Held();
    carrier.answer = held.answer;
    const message = messageTo(courier.context, application, "bot");
    await enqueue(courier.context, message);
    await held.until(1);
    const next = new Carrier();
    const beside = await courierOf(await reopened(store), next.post);
    await beside.pass(LEASE_MS - 1);
    expect(next.requests).toEqual([]);
    await beside.pass(1);
    expect(next.ids).toEqual([message.challenge]);
    // The first one comes too late with what it heard: nothing is put back.
    held.under[0]?.give({ status: 503 });
    await courier.delivery.drain();
    expect(await left()).toBe(0);
  });
});

describe("two servers on one store", () => {
  it("deliver every message, and none of them twice", async () => {
    const second = await courierOf(await reopened(store), carrier.post);
    const messages = Array.from({ length: 100 }, () => messageTo(courier.context, application, "bot"));
    for (const message of messages) {
      await enqueue(courier.context, message);
      second.delivery.wake();
    }
    await Promise.all([courier.delivery.quiet(), second.delivery.quiet()]);
    expect(carrier.ids.toSorted()).toEqual(messages.map(({ challenge }) => challenge).toSorted());
    expect(await left()).toBe(0);
  });
});

describe("receivers that are down half of the time", () => {
  it("hear of every message at least once, whatever stops and starts in between", async () => {
    let turn = 0;
    const flaky = () =>
      receiver((request, response) => {
        turn += 1;
        // Down in one of two, and then in different ways.
        if (turn % 2 === 0) response.writeHead(204).end();
        else if (turn % 6 === 1) request.socket.destroy();
        else if (turn % 6 === 3) response.writeHead(500).end();
        else response.writeHead(307, { location: "http://127.0.0.1:1/" }).end();
      });
    const receivers = [await flaky(), await flaky(), await flaky()];
    const hosts = receivers.map((one) => one.host);
    const post = postToLoopback(hosts);
    await courier.delivery.stop();
    const names = hosts.map((_, index) => `r${index}`);
    for (const [index, one] of hosts.entries())
      await makeCallback(courier.context, webhookTo(application, names[index] ?? "", one));
    const sent: string[] = [];
    let current = store;
    for (let round = 0; round < 6; round++) {
      current = await reopened(current);
      const { context, delivery, pass } = await courierOf(current, post);
      const messages = Array.from({ length: 12 }, (_, index) =>
        messageTo(context, application, names[index % 3] ?? ""),
      );
      for (const message of messages) await enqueue(context, message);
      sent.push(...messages.map(({ challenge }) => challenge));
      // Stopped in the middle of it, and an hour later another one goes on.
      if (round % 2 === 0) await delivery.stop();
      else await delivery.drain();
      await pass(HOUR);
    }
    const last = await courierOf(await reopened(current), post);
    for (let hours = 0; hours < 40 && (await left()) > 0; hours++) await last.pass(HOUR);
    const heard = new Set(receivers.flatMap(({ requests }) => requests.map(({ headers }) => headers["webhook-id"])));
    expect(heard).toEqual(new Set(sent));
    expect(await left()).toBe(0);
    await last.delivery.stop();
  });
});

describe("dead letters", () => {
  beforeEach(async () => {
    carrier.answer = async () => ({ status: 410 });
    for (const subject of ["a", "b"]) {
      await enqueue(courier.context, messageTo(courier.context, application, "bot", { subject }));
    }
    await courier.delivery.quiet();
    carrier.requests.length = 0;
    carrier.answer = async () => ({ status: 200 });
  });

  it("are tried again as if they were new, each on record", async () => {
    const [first] = await letters();
    expect(await retryDead(courier.context, first === undefined ? [] : [first])).toBe(1);
    expect(await retryDead(courier.context, first === undefined ? [] : [first])).toBe(0);
    await courier.pass(2 * SECOND);
    expect(carrier.ids).toEqual([first?.message.challenge]);
    expect(await states()).toEqual([{ waiting: 0, dead: 1 }]);
    const row = (await auditRows(store.barrier)).at(-1);
    expect(row).toMatchObject({ event: "callback.retry", challenge: first?.message.challenge, application });
  });

  it("are dropped, each on record", async () => {
    expect(await dropDead(courier.context, await letters())).toBe(2);
    expect(await left()).toBe(0);
    const rows = (await auditRows(store.barrier)).filter(({ event }) => event === "callback.drop");
    expect(rows.map(({ personal }) => personal.subject)).toEqual(["a", "b"]);
  });

  it("go by themselves after a month", async () => {
    store.clock.advance(KEPT_DEAD_MS - 1);
    expect(await sweepDeadLetters(courier.context)).toBe(0);
    store.clock.advance(1);
    expect(await sweepDeadLetters(courier.context)).toBe(2);
    expect(await left()).toBe(0);
  });

  it("and all that waits go with their callback", async () => {
    carrier.answer = fails;
    await enqueue(courier.context, messageTo(courier.context, application, "bot"));
    await courier.delivery.quiet();
    expect(await deleteCallback(courier.context, bot)).toBe(3);
    expect(await left()).toBe(0);
    await expect(deleteCallback(courier.context, bot)).rejects.toThrow(
      expect.objectContaining({ code: "callback_unknown" }),
    );
  });
});

describe("a callback whose record is damaged", () => {
  const key = () => Buffer.concat([Buffer.of(1), recordKey("callback", idBytes(application), idBytes(bot.id))]);
  async function flipped(): Promise<void> {
    await store.storage.transact(async (tx) => {
      const sealed = Buffer.from((await tx.get(key())) ?? "");
      sealed.writeUInt8(sealed.readUInt8(sealed.length - 1) ^ 1, sealed.length - 1);
      await tx.put(key(), sealed);
    });
  }

  it("keeps what waits for it and what is dead, and is told of once", async () => {
    carrier.answer = async () => ({ status: 410 });
    await enqueue(courier.context, messageTo(courier.context, application, "bot"));
    await courier.delivery.quiet();
    carrier.answer = fails;
    await enqueue(courier.context, messageTo(courier.context, application, "bot"));
    await courier.delivery.quiet();
    await flipped();
    for (let look = 0; look < 5; look++) await courier.pass(MINUTE);
    expect(carrier.requests).toHaveLength(2);
    expect(await left()).toBe(2);
    expect(courier.log.errors).toMatchObject([{ facts: { callback: bot.id } }]);
    await flipped();
    expect(await letters()).toHaveLength(1);
    carrier.answer = async () => ({ status: 204 });
    await courier.pass(MINUTE);
    expect(carrier.requests).toHaveLength(3);
    await flipped();
    await courier.pass(MINUTE);
    expect(courier.log.errors).toHaveLength(1);
    expect(await left()).toBe(1);
  });

  it("keeps nobody else's waiting", async () => {
    await makeCallback(courier.context, webhookTo(application, "other", host));
    carrier.answer = fails;
    await enqueue(courier.context, messageTo(courier.context, application, "bot"));
    await courier.delivery.quiet();
    await flipped();
    carrier.answer = async () => ({ status: 204 });
    const other = messageTo(courier.context, application, "other");
    await enqueue(courier.context, other);
    await courier.delivery.quiet();
    expect(carrier.ids.at(-1)).toBe(other.challenge);
    expect(await left()).toBe(1);
  });

  it("and one that is deleted are two things: what is left of that is dropped, and told of", async () => {
    carrier.answer = fails;
    await enqueue(courier.context, messageTo(courier.context, application, "bot"));
    await courier.delivery.quiet();
    await store.barrier.transact((tx) => deleteCallbackRecord(tx, bot));
    await courier.pass(MINUTE);
    expect(await left()).toBe(0);
    const facts = { callback: bot.id, dropped: 1 };
    expect(courier.log.entries).toContainEqual(expect.objectContaining({ level: "warn", facts }));
    expect(courier.log.errors).toEqual([]);
  });
});

describe("a store that fails", () => {
  it("is told of once, and looked at again", async () => {
    await courier.delivery.stop();
    let failing = true;
    const { storage } = store;
    const flaky: Storage = {
      transact: (fn) => storage.transact(fn),
      read: (fn) => (failing ? Promise.reject(new PosternError("store_failed")) : storage.read(fn)),
      close: () => storage.close(),
    };
    const { barrier } = await reopened(store);
    failing = false;
    const again = await courierOf(await reopened({ ...store, storage: flaky }), carrier.post);
    failing = true;
    for (let look = 0; look < 3; look++) await again.pass(2 * SECOND);
    const { context } = courier;
    await enqueue({ ...context, barrier }, messageTo(context, application, "bot"));
    expect(carrier.requests).toEqual([]);
    failing = false;
    await again.pass(2 * SECOND);
    expect(carrier.requests).toHaveLength(1);
    expect(again.log.errors).toHaveLength(1);
  });
});

describe("a hundred thousand messages", () => {
  it("take no longer to look through than one: of each shelf the first is read", async () => {
    const looks = (tx: SealedReadTransaction) => {
      const count = { read: 0 };
      const counted: SealedReadTransaction = {
        get: (key) => tx.get(key),
        keys: (range) => tx.keys(range),
        scan: async (range) => {
          const entries = await tx.scan(range);
          count.read += entries.length;
          return entries;
        },
      };
      return { count, counted };
    };
    await courier.delivery.stop();
    const readOf = () =>
      store.barrier.read(async (tx) => {
        const { count, counted } = looks(tx);
        await glance(counted, store.clock.now());
        return count.read;
      });
    await enqueue(courier.context, messageTo(courier.context, application, "bot"));
    const ofOne = await readOf();
    await enqueue(
      courier.context,
      ...Array.from({ length: 300 }, () => messageTo(courier.context, application, "bot")),
    );
    expect(await readOf()).toBe(ofOne);
  });
});
