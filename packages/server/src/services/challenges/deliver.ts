import { PosternError } from "@postern/shared/errors";
import type { CallbackId } from "@postern/shared/ids";
import type { Log } from "../../log.js";
import { isOutage } from "../../peer-error.js";
import type { Post, PostOutcome } from "../../post.js";
import type { Callback } from "../../records/challenges/callback.js";
import type { AuditContext } from "../context.js";
import { hostAndPort } from "./callback-url.js";
import { dropMessagesOf } from "./callbacks.js";
import { type Claimed, claim, type DueCallback, dropDamaged, glance, type Result, settle } from "./claims.js";
import { Slots } from "./slots.js";
import { requestOf } from "./webhook.js";

/** What one server delivers of the outbox. */
export interface Delivery {
  /** Something is in the outbox: it looks at once. */
  wake(): void;
  /** Until all that is due is done, and no place is left for more. */
  quiet(): Promise<void>;
  /** Begins nothing more, and waits for what is under way. */
  drain(): Promise<void>;
  /** The same at once: what is under way is broken off, and given back. */
  stop(): Promise<void>;
  /** Requests that are under way. */
  readonly underWay: number;
}

/** Does something later; what it returns takes that back. */
export type Later = (ms: number, act: () => void) => () => void;

export interface DeliveryOptions {
  readonly context: AuditContext;
  readonly post: Post;
  readonly log: Log;
  /** Stands in for the system's timers in tests. */
  readonly later?: Later;
}

/** What other processes of this store put into the outbox, and an operator's command, is seen as soon. */
const LOOK_MS = 2_000;

const byTimers: Later = (ms, act) => {
  const timer = setTimeout(act, ms);
  timer.unref();
  return () => clearTimeout(timer);
};

/**
 * Delivers what is in the outbox, from now on: at least once each, with a backoff, a bounded number at a time. All that
 * it knows is in the store; in memory is what is under way.
 */
export function startDelivery(options: DeliveryOptions): Delivery {
  const courier = new Courier(options);
  courier.wake();
  return courier;
}

class Courier implements Delivery {
  readonly #context: AuditContext;
  readonly #post: Post;
  readonly #log: Log;
  readonly #later: Later;
  readonly #slots = new Slots();
  readonly #underWay = new Set<Promise<void>>();
  readonly #breakOff = new AbortController();
  #round: Promise<void> | undefined;
  #again = false;
  #ended = false;
  #failing = false;
  #unreadable: ReadonlySet<CallbackId> = new Set();
  #cancelTimer: () => void = () => undefined;

  constructor({ context, post, log, later = byTimers }: DeliveryOptions) {
    this.#context = context;
    this.#post = post;
    this.#log = log;
    this.#later = later;
  }

  get underWay(): number {
    return this.#underWay.size;
  }

  wake(): void {
    this.#again = true;
    if (this.#ended) return;
    this.#round ??= this.#rounds().finally(() => {
      this.#round = undefined;
      // Woken in the very moment in which the rounds ended.
      if (this.#again) this.wake();
    });
  }

  async quiet(): Promise<void> {
    while (this.#round !== undefined || this.#underWay.size > 0) {
      await this.#round;
      await Promise.all(this.#underWay);
    }
  }

  drain(): Promise<void> {
    this.#ended = true;
    this.#cancelTimer();
    return this.quiet();
  }

  stop(): Promise<void> {
    this.#breakOff.abort();
    return this.drain();
  }

  async #rounds(): Promise<void> {
    while (this.#again && !this.#ended) {
      this.#again = false;
      this.#cancelTimer();
      const wait = await this.#roundOrFailure();
      if (!this.#ended) this.#cancelTimer = this.#later(wait, () => this.wake());
    }
    this.#again = false;
  }

  /** Gives the milliseconds after which to look again. A store that fails is told of once, and looked at again. */
  async #roundOrFailure(): Promise<number> {
    try {
      const wait = await this.#lookAndSend();
      this.#failing = false;
      return wait;
    } catch (err) {
      if (isOutage(err)) return LOOK_MS;
      if (!this.#failing) this.#log.error({ err }, "callbacks cannot be delivered");
      this.#failing = true;
      return LOOK_MS;
    }
  }

  async #lookAndSend(): Promise<number> {
    const { barrier, now } = this.#context;
    const { due, next, orphaned, unreadable, damaged } = await barrier.read((tx) => glance(tx, now()));
    for (const callback of orphaned) await this.#dropOf(callback);
    this.#tellOfUnreadable(unreadable);
    if (damaged.length > 0) await this.#drop(damaged);
    const dealt = this.#deal(due);
    if (dealt.length > 0) await this.#claimAndSend(dealt);
    // Of two callbacks to one host, the first may have had nothing that is its own any more.
    if (due.length > dealt.length && dealt.some(({ host }) => this.#slots.free(host) > 0)) this.#again = true;
    return Math.min(LOOK_MS, Math.max(0, (next ?? Number.POSITIVE_INFINITY) - now()));
  }

  /** Places for those that wait for longest. */
  #deal(due: readonly DueCallback[]): Dealt[] {
    const dealt: Dealt[] = [];
    for (const { callback, host } of [...due].sort((a, b) => a.since - b.since)) {
      const count = this.#slots.free(host);
      if (count > 0) dealt.push({ callback, host, count });
      this.#slots.take(host, count);
    }
    return dealt;
  }

  async #claimAndSend(dealt: readonly Dealt[]): Promise<void> {
    const claimed: Claimed[] = [];
    try {
      const all = await this.#context.barrier.transact(async (tx) => {
        const taken: Claimed[] = [];
        for (const { callback, count } of dealt) taken.push(...(await claim(this.#context, tx, callback, count)));
        return taken;
      });
      claimed.push(...all);
    } finally {
      for (const { callback, host, count } of dealt) {
        this.#slots.giveBack(host, count - claimed.filter((one) => one.callback.id === callback.id).length);
      }
    }
    for (const one of claimed) {
      const done = this.#deliver(one).finally(() => {
        this.#underWay.delete(done);
        this.wake();
      });
      this.#underWay.add(done);
    }
  }

  async #deliver(claimed: Claimed): Promise<void> {
    const host = hostAndPort(claimed.callback.target.url);
    try {
      const outcome = await this.#attempt(claimed);
      this.#slots.note(host, !("fault" in outcome) || !silences.has(outcome.fault));
      const { barrier } = this.#context;
      const became = await barrier.transact((tx) => settle(this.#context, tx, claimed, resultOf(outcome)));
      this.#tell(claimed, outcome, became);
    } catch (err) {
      // Its lease runs out, and it is delivered again.
      if (!isOutage(err)) this.#log.error({ err }, "what came of a callback cannot be stored");
    } finally {
      this.#slots.giveBack(host, 1);
    }
  }

  async #attempt({ callback, message }: Claimed): Promise<Outcome> {
    try {
      return await this.#post(requestOf(callback, message, this.#context.now()), this.#breakOff.signal);
    } catch (thrown) {
      if (thrown instanceof PosternError && thrown.code === "callback_value_invalid") return { fault: "value_invalid" };
      throw thrown;
    }
  }

  #tell({ message }: Claimed, outcome: Outcome, became: Became): void {
    const { callback, challenge, attempts } = message;
    const facts = { callback, challenge, attempts, ...outcome };
    if (became === "dead") this.#log.warn(facts, "a callback is given up");
    else this.#log.debug(facts, became === "delivered" ? "a callback is delivered" : "a callback is to be tried again");
  }

  /** Each once, until it opens again or nothing waits for it. */
  #tellOfUnreadable(unreadable: readonly CallbackId[]): void {
    for (const callback of unreadable) {
      if (this.#unreadable.has(callback)) continue;
      this.#log.error({ callback }, "a callback is damaged in the store: what waits for it is kept, and not delivered");
    }
    this.#unreadable = new Set(unreadable);
  }

  async #dropOf(callback: CallbackId): Promise<void> {
    const dropped = await dropMessagesOf(this.#context.barrier, callback);
    // Whoever deleted it may have been faster.
    if (dropped > 0) this.#log.warn({ callback, dropped }, "what waited for a callback that is deleted is dropped");
  }

  async #drop(damaged: readonly Buffer[]): Promise<void> {
    const dropped = await this.#context.barrier.transact((tx) => dropDamaged(tx, damaged));
    this.#log.error({ dropped }, "callbacks were damaged in the store, and cannot be delivered");
  }
}

type Outcome = PostOutcome | { readonly fault: "value_invalid" };
type Became = Awaited<ReturnType<typeof settle>>;

interface Dealt {
  readonly callback: Callback;
  readonly host: string;
  readonly count: number;
}

/** What a host that does not answer looks like: it keeps a place for as long as a request may take. */
const silences: ReadonlySet<string> = new Set(["not_resolved", "not_connected", "timed_out"]);

/** 410 is how a receiver says that it does not want any more (Standard Webhooks, "Deliverability and reliability"). */
const GONE = 410;

function resultOf(outcome: Outcome): Result {
  if ("fault" in outcome) {
    const { fault } = outcome;
    return fault === "stopped" ? { of: "given-back" } : { of: "failed", fault, final: fault === "value_invalid" };
  }
  const { status } = outcome;
  if (status >= 200 && status < 300) return { of: "delivered" };
  return { of: "failed", fault: `http_${status}`, final: status === GONE };
}
