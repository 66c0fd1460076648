import cluster from "node:cluster";
import { asPosternError, PosternError } from "@postern/shared/errors";
import type { Output } from "@postern/shared/terminal/output";
import { takeKey } from "../workers/key-pipe.js";
import { Member } from "../workers/member.js";
import { type Begin, CLOSING_MS, type FromWorker, type ToWorker } from "../workers/messages.js";
import { createLog, type LevelledLog, type LogLevel } from "./logger.js";
import { nodeOf, openServing, planStart, type Serving, type StartOptions } from "./serving.js";
import { reloading } from "./signals.js";
import { openByRootKey } from "./unseal.js";

/** The first process has said it all already, and has the terminal. */
const quiet: Output = {
  json: false,
  result: () => undefined,
  note: () => undefined,
  warn: () => undefined,
  fail: asPosternError,
  flush: async () => undefined,
};

const exitCodes = { done: 0, failed: 1, bug: 70 } as const;

/**
 * One of several processes of a server, as the first one starts it (`workers.ts`): serves until that one says to end, or
 * is gone. Signals are not for it: a terminal and a supervisor send them to all processes at once, and the first one
 * says what comes of them.
 */
export async function runWorker(): Promise<void> {
  const { worker: own } = cluster;
  if (own === undefined) throw new PosternError("usage", { detail: "this is started by posternd start --workers" });
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => undefined);
  // Node would end the process at once when the first one is gone: it ends in order instead.
  own.exitedAfterDisconnect = true;
  const lost = new Promise<void>((resolve) => process.once("disconnect", resolve));
  const send = (message: FromWorker) => {
    if (process.connected) process.send?.(message, undefined, undefined, () => undefined);
  };
  const begin = await new Promise<Begin>((resolve) => {
    process.once("message", (message: Begin) => resolve(message));
    send({ say: "here" });
  });
  const options = begin.options as StartOptions;
  const log = createLog({
    level: options.logLevel,
    format: options.logFormat,
    node: nodeOf(options),
    worker: begin.worker,
  });
  process.on("uncaughtException", (err) => {
    log.error({ err }, "a worker ends by a bug");
    process.exit(exitCodes.bug);
  });
  const member = new Member(begin, { send });
  process.on("message", (message: ToWorker) => member.hear(message));
  try {
    await serve(options, { member, log, lost, send });
    process.exitCode = exitCodes.done;
  } catch (thrown) {
    const { code, detail } = asPosternError(thrown);
    if (code === "bug") log.error({ err: thrown }, "a worker ends by a bug");
    process.exitCode = exitCodes.failed;
    await new Promise<void>((resolve) => {
      const failed: FromWorker = { say: "failed", code, detail };
      if (process.connected) process.send?.(failed, undefined, undefined, () => resolve());
      else resolve();
    });
  }
  if (process.connected) process.disconnect();
}

interface Surroundings {
  readonly member: Member;
  readonly log: LevelledLog;
  readonly lost: Promise<void>;
  readonly send: (message: FromWorker) => void;
}

async function serve(options: StartOptions, { member, log, lost, send }: Surroundings): Promise<void> {
  const key = takeKey();
  const plan = await planStart(quiet, options);
  const store = await openByRootKey(quiet, options, key);
  try {
    const serving = await openServing(plan, store, log, member);
    try {
      const { server } = serving;
      const ended = untilEnded({ serving, log, send, lost, drainMs: plan.drainMs });
      send({ say: "ready", listen: server.listen.key, http: server.http?.key, fingerprint: server.fingerprint });
      void lost.then(() => member.lose());
      await ended;
    } finally {
      await serving.close();
    }
  } finally {
    await store.close();
  }
}

interface Ending extends Omit<Surroundings, "member"> {
  readonly serving: Serving;
  readonly drainMs: number;
}

/** Does what the first process says, until it says `close`; when it is gone, what is under way still comes to its end. */
function untilEnded({ serving, log, send, lost, drainMs }: Ending): Promise<void> {
  const reload = reloading({ reload: serving.reload, log });
  return new Promise((resolve) => {
    let closing = false;
    let cut: () => void = () => undefined;
    const limit = new Promise<void>((reached) => {
      cut = reached;
    });
    const drain = async () => {
      send({ say: "draining", underWay: serving.server.underWay });
      send({ say: "drained", left: await serving.drain(limit) });
    };
    process.on("message", (message: ToWorker) => {
      if (message.do === "log-level") log.setOwnLevel(message.level as LogLevel, "reload");
      else if (message.do === "reload") void reload();
      else if (message.do === "figures") void tellFigures(message.id, serving, send);
      else if (message.do === "drain") void drain();
      else if (message.do === "cut") cut();
      else if (message.do === "close") {
        closing = true;
        resolve();
      }
    });
    void lost.then(async () => {
      if (closing) return;
      log.warn({}, "the first process is gone: this worker ends");
      setTimeout(cut, drainMs).unref();
      // A database that does not answer must not keep it, and the keys with it, when nobody is there to kill it.
      setTimeout(() => process.exit(exitCodes.failed), drainMs + CLOSING_MS).unref();
      await serving.drain(limit);
      resolve();
    });
  });
}

async function tellFigures(id: number, { server }: Serving, send: (message: FromWorker) => void): Promise<void> {
  send({ say: "figures", id, figures: await server.figures() });
}
