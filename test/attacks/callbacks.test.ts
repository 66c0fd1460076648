import { describe, expect, it } from "vitest";
import type { Post, PostOutcome } from "../../packages/server/src/post.js";
import { listCallbacks } from "../../packages/server/src/services/challenges/callbacks.js";
import {
  enqueue,
  makeCallback,
  messageTo,
  newApplication,
  webhookTo,
} from "../../packages/server/test/services/challenges/support.js";
import { contextOf, newStore, startInProcess } from "../support/in-process.js";

/** A store with so many messages for a bot. */
async function storeWith(count: number) {
  const store = await newStore();
  const context = await contextOf(store);
  const application = await newApplication(context);
  await makeCallback(context, webhookTo(application, "bot", "127.0.0.1:8080"));
  const messages = Array.from({ length: count }, () => messageTo(context, application, "bot"));
  await enqueue(context, ...messages);
  const waiting = async () => (await listCallbacks(context)).reduce((sum, state) => sum + state.waiting, 0);
  return { store, messages, waiting };
}

/** Answers when it is told to. */
class Held {
  readonly under: ((outcome: PostOutcome) => void)[] = [];
  readonly post: Post = (_request, signal) =>
    new Promise((give) => {
      this.under.push(give);
      signal.addEventListener("abort", () => give({ fault: "stopped" }));
    });
  async until(count: number): Promise<void> {
    while (this.under.length < count) await new Promise(setImmediate);
  }
}

describe("a server with callbacks to deliver", () => {
  it("begins with what it finds, and lets what is under way come to its end when it drains", async () => {
    const { store, waiting } = await storeWith(1);
    const held = new Held();
    const server = await startInProcess(store, { post: held.post });
    await held.until(1);
    const drained = server.running.drain(new Promise(() => undefined));
    held.under[0]?.({ status: 204 });
    await drained;
    expect(await waiting()).toBe(0);
  });

  it("that is cut off gives back what is under way: the next one delivers it", async () => {
    const { store, waiting } = await storeWith(3);
    const held = new Held();
    const server = await startInProcess(store, { post: held.post });
    await held.until(2);
    await server.running.drain(Promise.resolve());
    await server.close();
    expect(await waiting()).toBe(3);
    const taken: string[] = [];
    const post: Post = async ({ headers }) => {
      taken.push(headers["webhook-id"] ?? "");
      return { status: 200 };
    };
    await startInProcess(store, { post });
    while ((await waiting()) > 0) await new Promise(setImmediate);
    expect(new Set(taken).size).toBe(3);
  });

  it("and is not told where they may go says so, and delivers nothing", async () => {
    const { store, waiting } = await storeWith(1);
    const { log } = await startInProcess(store);
    expect(log.entries).toContainEqual(expect.objectContaining({ level: "warn", facts: { callbacks: 1 } }));
    expect(await waiting()).toBe(1);
  });
});
