import cluster from "node:cluster";
import { randomBytes } from "node:crypto";
import type { Writable } from "node:stream";
import { fileURLToPath } from "node:url";
import type { Output } from "@postern/shared/terminal/output";
import { say } from "@postern/shared/terminal/terminal-text";
import type { SecureBuffer } from "../barrier/secure-buffer.js";
import type { CrewServer } from "../crew-member.js";
import { Crew, type WorkerProcess } from "../workers/crew.js";
import type { FiguresOptions } from "../workers/crew-figures.js";
import { handKey, KEY_FD } from "../workers/key-pipe.js";
import type { Begin, FromWorker } from "../workers/messages.js";
import { announce, drain, type Reread } from "./begin-and-end.js";
import { createLog } from "./logger.js";
import { type StartOptions, type StartPlan, warnOfExempt } from "./serving.js";
import { endByHangUp, type ReloadTask, type Stop, untilStopped } from "./signals.js";
import { unsealOrCreateStore } from "./unseal.js";

interface Start {
  readonly options: StartOptions;
  readonly plan: StartPlan;
  readonly workers: number;
  readonly reread: Reread;
}

/**
 * The first process of several: it has the terminal, the signals and the addresses, and its workers have the store. It
 * keeps the root key in locked memory, for workers that take the place of one that ended.
 */
export async function startWorkers(output: Output, { options, plan, workers, reread }: Start): Promise<void> {
  const store = await unsealOrCreateStore(output, options);
  const key = store.barrier.copyRootKey();
  await store.close();
  let how: Stop = "asked";
  try {
    const log = createLog({ level: options.logLevel, format: options.logFormat, node: plan.node });
    warnOfExempt(plan, output, log);
    const server: CrewServer = { instance: randomBytes(16).toString("hex"), pid: process.pid, startedAt: Date.now() };
    const figures = plan.readers === undefined ? undefined : await figuresOfCrew();
    const crew = new Crew({ workers, server, options, fork: forkWith(key), log, figures });
    const reload: ReloadTask[] = [
      {
        what: "log level",
        run: async () => {
          const level = await reread.logLevel();
          log.setOwnLevel(level, "reload");
          crew.setLogLevel(level);
        },
      },
      { what: "workers", run: () => crew.reload() },
    ];
    try {
      const served = await crew.start();
      const stopped = untilStopped({ reload, log });
      announce(output, served);
      how = await Promise.race([stopped, crew.failed]);
      output.note(say`Stopping.`);
      await drain(output, log, plan, { begin: () => crew.beginDrain(), drained: (limit) => crew.drained(limit) });
    } finally {
      await crew.close();
    }
  } finally {
    key.wipe();
  }
  if (how === "hung-up") endByHangUp();
}

/** Node deals out connections in turn, whatever the environment says: the limits of each worker count on that. */
function forkWith(key: SecureBuffer): (begin: Begin) => WorkerProcess {
  cluster.schedulingPolicy = cluster.SCHED_RR;
  // The pipe of the key is descriptor 3. Workers print nothing: stdout is of the one line that says ready.
  cluster.setupPrimary({
    exec: fileURLToPath(new URL("../worker.js", import.meta.url)),
    args: [],
    stdio: ["ignore", "ignore", "inherit", "pipe", "ipc"],
  });
  return (begin) => {
    const worker = cluster.fork();
    const { pid, stdio } = worker.process;
    worker.once("message", () => worker.send(begin, () => undefined));
    const pipe = stdio?.[KEY_FD] as Writable | undefined;
    if (pipe) void handKey(pipe, key);
    return {
      pid,
      send: (message) => {
        // A worker that has just ended is seen to end; what was for it is lost with it.
        if (worker.isConnected()) worker.send(message, () => undefined);
      },
      onMessage: (hear) => worker.on("message", (message: FromWorker) => hear(message)),
      onExit: (hear) => {
        worker.once("exit", hear);
        worker.on("error", (error: NodeJS.ErrnoException) => {
          // The system has no process for it: then there is none that exits.
          if (pid === undefined) hear(null, error.code ?? error.name);
        });
      },
      kill: () => worker.process.kill("SIGKILL"),
    };
  };
}

async function figuresOfCrew(): Promise<FiguresOptions> {
  const { countsOf, createOwnMetrics, mergeFigures } = await import("../metrics.js");
  return { merge: mergeFigures, countsOf, own: createOwnMetrics().figures };
}
