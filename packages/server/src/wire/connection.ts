import type { TLSSocket } from "node:tls";
import { channelExporter } from "@postern/shared/channel";
import { asPosternError, type ErrorCode, PosternError } from "@postern/shared/errors";
import { LineSplitter } from "@postern/shared/frames/line-splitter";
import { encodeError, encodeResult, parseRequest } from "@postern/shared/frames/rpc";
import { lineLimits } from "@postern/shared/messages";
import type { Log } from "../log.js";
import { concealed } from "../peer-error.js";
import { wipeFactor } from "../services/enrolment.js";
import { abandonLogin, forgetChallenge } from "../services/login.js";
import { wipeEnrolment } from "../services/registration.js";
import type { Place, Rank } from "./admission.js";
import { type Awaits, awaitHello, awaitStart, deadlineOf, type State, type StateOf } from "./states.js";
import { type StepContext, stateAfter, takeStep } from "./steps.js";

/** A peer that does not read its replies is closed when this much waits for it. */
const MAX_UNREAD_BYTES = 64 * 1024;

/** States of something that a few more calls will finish. */
const midway: ReadonlySet<Awaits> = new Set([
  "verifier",
  "first-code",
  "proof",
  "code",
  "reset-code",
  "replacement-code",
  "factor-code",
]);

/** What a code is refused with that was not looked at. */
const turnedAway: ReadonlySet<ErrorCode> = new Set(["throttled", "codes_locked"]);

/** Milliseconds that a closing connection has to take the last reply. */
const LINGER_MS = 1000;

/**
 * One TLS connection: bytes to requests, requests to steps, results to bytes. A peer has one request under way; one
 * that sends a second before its reply is closed.
 */
export class Connection {
  readonly #socket: TLSSocket;
  readonly #place: Place;
  readonly #context: StepContext;
  readonly #log: Log;
  readonly #refused: (code: ErrorCode) => void;
  readonly #lines = new LineSplitter(lineLimits.unauthenticated);
  readonly #registrationSeconds: number;
  readonly #now: () => number;
  #state: State = awaitHello;
  #registrationEnds = 0;
  #working = false;
  #overdue = false;
  #closed = false;
  #draining: "no" | "to-the-end" | "at-once" = "no";
  /** Whether a fresh code was asked for, and what it is for has not come again yet. */
  #steppingUp = false;
  #abandoned: Promise<void> | undefined;
  #settle: () => void = () => undefined;
  /** Resolves when the connection is gone and all that it had under way is stored. */
  readonly ended = new Promise<void>((resolve) => {
    this.#settle = resolve;
  });

  constructor(
    socket: TLSSocket,
    options: {
      place: Place;
      context: Pick<StepContext, "services" | "server" | "successors" | "startWait" | "recordWait" | "moveWait">;
      address: string;
      log: Log;
      /** Counts what a peer was refused with. */
      refused?: ((code: ErrorCode) => void) | undefined;
      registrationSeconds: number;
    },
  ) {
    this.#socket = socket;
    this.#place = options.place;
    this.#log = options.log;
    this.#refused = options.refused ?? (() => undefined);
    this.#now = options.context.services.now;
    this.#registrationSeconds = options.registrationSeconds;
    this.#context = {
      ...options.context,
      peer: { address: options.address, client: "" },
      exporter: () =>
        socket.exportKeyingMaterial(channelExporter.bytes, channelExporter.label, channelExporter.context),
      enrolmentSeconds: options.registrationSeconds,
      secondsLeft: () => Math.max(0, Math.floor((this.#registrationEnds - this.#now()) / 1000)),
    };
    this.#place.onDeadline(() => this.#late());
    this.#place.step(deadlineOf.hello, "stranger");
    socket.setNoDelay(true);
    socket.on("data", (chunk: Buffer) => this.#read(chunk));
    socket.on("error", () => socket.destroy());
    socket.on("close", () => {
      this.#place.leave();
      this.#leave();
    });
  }

  /** Whether it is in the middle of a call, or of a login, registration or the like. */
  get isUnderWay(): boolean {
    return this.#working || midway.has(this.#state.awaits) || this.#steppingUp;
  }

  /** Ends the connection once what it is in the middle of has come to its end. */
  drain(): void {
    this.#draining = "to-the-end";
    this.#endIfDrained();
  }

  /** Ends the connection once no call is under way: what was asked is answered. */
  cut(): void {
    this.#draining = "at-once";
    this.#endIfDrained();
  }

  #endIfDrained(): void {
    const goesOn = this.#draining === "to-the-end" ? this.isUnderWay : this.#working;
    if (this.#draining !== "no" && !goesOn) this.#fail(null, new PosternError("shutting_down"));
  }

  #read(chunk: Buffer): void {
    if (this.#closed) return;
    try {
      const lines = this.#lines.push(chunk);
      const begun = lines.length + (this.#lines.pending > 0 ? 1 : 0);
      if (begun > (this.#working ? 0 : 1)) throw new PosternError("out_of_order");
      const line = lines[0];
      if (line !== undefined) void this.#answer(line);
    } catch (thrown) {
      this.#fail(null, asPosternError(thrown));
    }
  }

  /** What was asked in time is answered: it may be a code that is used up by now, or an account that exists. */
  #late(): void {
    if (this.#working) this.#overdue = true;
    else this.#fail(null, new PosternError("step_timeout"));
  }

  #work(working: boolean): void {
    this.#working = working;
    this.#place.busy = working;
  }

  async #answer(line: Buffer): Promise<void> {
    this.#work(true);
    let id: number | null = null;
    try {
      const request = parseRequest(line);
      id = request.id;
      const { next, result } = await takeStep(this.#state, request.method, request.params, this.#context);
      this.#enter(next);
      if (request.method !== "session.verify") this.#steppingUp = false;
      this.#send(encodeResult(id, result));
    } catch (thrown) {
      this.#refuse(id, thrown);
    } finally {
      this.#work(false);
    }
    if (this.#socket.closed) return this.#leave();
    this.#endIfDrained();
    if (this.#overdue) this.#fail(null, new PosternError("step_timeout"));
  }

  #refuse(id: number | null, thrown: unknown): void {
    const error = toPeer(thrown, this.#log);
    const next = stateAfter(this.#state, error);
    if (next === undefined) {
      this.#fail(id, error);
      return;
    }
    this.#log.debug({ code: error.code, awaits: this.#state.awaits }, "refused");
    this.#refused(error.code);
    if (error.code === "step_up_needed") this.#steppingUp = true;
    // A code that was turned away unjudged is not recorded each time; that the password was right is.
    const state = this.#state;
    if (turnedAway.has(error.code) && isAbandonedIn(state)) this.#abandoned = this.#abandon(state);
    if (next.awaits === this.#state.awaits) this.#state = next;
    else this.#enter(next);
    this.#send(encodeError(id, error));
  }

  /** Begins a step. A refusal that leaves a connection where it was begins none: else refusals would keep a place. */
  #enter(next: State): void {
    const left = this.#state;
    this.#state = next;
    this.#forget(left, next);
    if (this.#closed) return;
    this.#lines.setLimit(rankOf(next) === "session" ? lineLimits.authenticated : lineLimits.unauthenticated);
    const enrolling = deadlineOf[next.awaits] === "registration";
    if (enrolling && deadlineOf[left.awaits] === "registration") return;
    if (enrolling) this.#registrationEnds = this.#now() + this.#registrationSeconds * 1000;
    this.#overdue = false;
    this.#place.step(deadlineOf[next.awaits], rankOf(next), "session" in next ? next.session.account : undefined);
  }

  /** Wipes what a left state held and no later one needs. */
  #forget(left: State, next: State): void {
    if (left.awaits === "first-code" && next.awaits !== "first-code") wipeEnrolment(left.enrolment);
    if (left.awaits === "factor-code" && next.awaits !== "factor-code") wipeFactor(left.enrolment);
    if (left.awaits === "replacement-code" && next.awaits !== "replacement-code") {
      wipeFactor(left.replacement.authenticator);
    }
    if (left.awaits === "proof") forgetChallenge(left.challenge);
  }

  #send(line: Buffer): void {
    if (this.#closed) return;
    this.#socket.write(line);
    if (this.#socket.writableLength > MAX_UNREAD_BYTES) this.#socket.destroy();
  }

  /** Says why, then closes; a peer that does not take the last reply in time is cut off. */
  #fail(id: number | null, error: PosternError): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#log.debug({ code: error.code, awaits: this.#state.awaits }, "closed");
    this.#refused(error.code);
    this.#socket.end(encodeError(id, error));
    setTimeout(() => this.#socket.destroy(), LINGER_MS).unref();
  }

  async #abandon({ password }: StateOf<"code">): Promise<void> {
    const { services, peer } = this.#context;
    await this.#abandoned;
    try {
      await abandonLogin(services, peer, password);
    } catch (thrown) {
      toPeer(thrown, this.#log);
    }
  }

  /** The socket is closed. When a request is under way still, this comes again at its end. */
  #leave(): void {
    this.#closed = true;
    if (this.#working) return;
    const state = this.#state;
    this.#state = awaitStart;
    this.#forget(state, awaitStart);
    if (isAbandonedIn(state)) this.#abandoned = this.#abandon(state);
    if (this.#abandoned === undefined) this.#settle();
    else void this.#abandoned.then(this.#settle);
  }
}

/** A login that stopped after the right password is worth a record: someone may know it who should not. */
function isAbandonedIn(state: State): state is StateOf<"code"> {
  return state.awaits === "code" && !state.tried;
}

/** Behind a password that was proved, or a token that stands for it. */
const provedStates: ReadonlySet<State["awaits"]> = new Set(["code", "reset-code", "replacement-code"]);

/** A known device has shown as much as it takes to stand before strangers. */
function rankOf(state: State): Rank {
  if (state.awaits === "session-call" || state.awaits === "factor-code") return "session";
  if (state.awaits === "proof") return state.challenge.guesser.kind === "device" ? "proved" : "stranger";
  return provedStates.has(state.awaits) ? "proved" : "stranger";
}

/** What a peer is told of an error. What it cannot have caused is whole only in the log. */
function toPeer(thrown: unknown, log: Log): PosternError {
  const error = asPosternError(thrown);
  const told = concealed(thrown);
  if (told?.code === "internal") log.error({ code: error.code, err: error.cause ?? error }, "a request failed");
  return told ?? error;
}
