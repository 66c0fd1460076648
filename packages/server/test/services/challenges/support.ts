import type { ApplicationId } from "@postern/shared/ids";
import { newId } from "@postern/shared/ids";
import { CapturedLog, type Clock, contextOf, type TestStore } from "../../../../../test/support/in-process.js";
import { createPost } from "../../../src/outward/post.js";
import type { Post } from "../../../src/post.js";
import { createApiKey } from "../../../src/services/applications/api-keys.js";
import { type CallbackWish, createCallback } from "../../../src/services/challenges/callbacks.js";
import { type Delivery, type Later, startDelivery } from "../../../src/services/challenges/deliver.js";
import { type CallbackMessage, enqueueCallback } from "../../../src/services/challenges/outbox.js";
import type { ServiceContext } from "../../../src/services/context.js";

/** Timers that go by the test's clock: what is due happens when the test moves it. */
export class Timers {
  readonly #clock: Clock;
  #waiting: { at: number; act: () => void }[] = [];

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  readonly later: Later = (ms, act) => {
    const one = { at: this.#clock.now() + ms, act };
    this.#waiting.push(one);
    return () => {
      this.#waiting = this.#waiting.filter((other) => other !== one);
    };
  };

  /** How long until the next. */
  get next(): number | undefined {
    return this.#waiting.length === 0 ? undefined : Math.min(...this.#waiting.map(({ at }) => at)) - this.#clock.now();
  }

  advance(ms: number): void {
    this.#clock.advance(ms);
    const due = this.#waiting.filter(({ at }) => at <= this.#clock.now());
    this.#waiting = this.#waiting.filter((one) => !due.includes(one));
    for (const { act } of due) act();
  }
}

export interface Courier {
  readonly context: ServiceContext;
  readonly delivery: Delivery;
  readonly timers: Timers;
  readonly log: CapturedLog;
  /** Moves the clock, and waits for what is due by then. */
  pass(ms: number): Promise<void>;
}

/** What a server delivers of a store. */
export async function courierOf(store: TestStore, post: Post): Promise<Courier> {
  const timers = new Timers(store.clock);
  const log = new CapturedLog();
  const plain = await contextOf(store);
  const delivery = startDelivery({ context: plain, post, log, later: timers.later });
  const context = { ...plain, enqueued: () => delivery.wake() };
  const pass = async (ms: number) => {
    timers.advance(ms);
    await delivery.quiet();
  };
  await delivery.quiet();
  return { context, delivery, timers, log, pass };
}

/** To 127.0.0.1 alone, and nobody else. */
export function postToLoopback(hosts: readonly string[], deadlineMs?: number): Post {
  return createPost({
    destinations: { hosts: new Set(hosts), isPrivateAllowed: (address) => address === "127.0.0.1" },
    userAgent: "posternd/0",
    ...(deadlineMs !== undefined && { deadlineMs }),
  });
}

export async function newApplication(context: ServiceContext): Promise<ApplicationId> {
  const wish = { name: "bot", scopes: ["challenge"] as const, lifetime: undefined };
  return (await createApiKey(context, wish)).key.application;
}

export const webhookTo = (application: ApplicationId, name: string, host: string): CallbackWish => ({
  application,
  name,
  target: { kind: "webhook", url: `http://${host}/hook` },
});

export function makeCallback(context: ServiceContext, wish: CallbackWish) {
  return createCallback(context, wish);
}

export function messageTo(
  context: ServiceContext,
  application: ApplicationId,
  callback: string,
  more: Partial<CallbackMessage> = {},
): CallbackMessage {
  return {
    application,
    callback,
    challenge: newId("challenge"),
    subject: "+34 600 000 000",
    event: "challenge.answered",
    result: "right",
    occurredAt: context.now(),
    ...more,
  };
}

export function enqueue(context: ServiceContext, ...messages: CallbackMessage[]): Promise<void> {
  return context.barrier.transact(async (tx) => {
    for (const message of messages) await enqueueCallback(context, tx, message);
  });
}
