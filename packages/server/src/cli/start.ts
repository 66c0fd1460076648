import { typedAs } from "@postern/shared/terminal/command-name";
import type { Output } from "@postern/shared/terminal/output";
import { bold, say } from "@postern/shared/terminal/terminal-text";
import type { Log } from "../log.js";
import type { LogLevel } from "./logger.js";
import { openServing, planStart, type StartOptions, type StartPlan, warnOfExempt } from "./serving.js";
import { endByHangUp, type ReloadTask, type Stop, untilStopped, untilStoppedAgain } from "./signals.js";
import { unsealOrCreateStore } from "./unseal.js";
import { parseWorkers } from "./workers-option.js";

/** What SIGHUP has read anew of the configuration. */
export interface Reread {
  readonly logLevel: () => Promise<LogLevel>;
}

/** Serves until SIGINT or SIGTERM, and then ends in order. */
export async function startCommand(output: Output, options: StartOptions, reread: Reread): Promise<void> {
  const workers = parseWorkers(options.workers);
  const plan = await planStart(output, options);
  if (workers > 1) {
    const { startWorkers } = await import("./workers.js");
    return startWorkers(output, { options, plan, workers, reread });
  }
  const store = await unsealOrCreateStore(output, options);
  let how: Stop = "asked";
  try {
    // The network's part of the program takes a while to load: nobody waits for it in front of the password prompt.
    const [{ createLog }] = await Promise.all([import("./logger.js"), import("../server.js")]);
    const log = createLog({ level: options.logLevel, format: options.logFormat });
    warnOfExempt(plan, output, log);
    const serving = await openServing(plan, store, log);
    const reload: ReloadTask[] = [
      { what: "log level", run: async () => log.setOwnLevel(await reread.logLevel(), "reload") },
      ...serving.reload,
    ];
    const { server } = serving;
    try {
      // Listened for first: who reads that it is ready may send a signal at once.
      const stopped = untilStopped({ reload, log });
      announce(output, { listen: server.listen.key, http: server.http?.key, fingerprint: server.fingerprint });
      how = await stopped;
      output.note(say`Stopping.`);
      await drain(output, log, plan, { begin: async () => server.underWay, drained: serving.drain });
    } finally {
      await serving.close();
    }
  } finally {
    await store.close();
  }
  if (how === "hung-up") endByHangUp();
}

/** What is to come to its end. */
export interface Draining {
  /** Gives how many connections are in the middle of something. */
  begin(): Promise<number>;
  /** Gives how many are left when all has come to its end, or `limit` has. */
  drained(limit: Promise<unknown>): Promise<number>;
}

/** Lets come to its end what is under way, until that takes too long or another signal asks to end at once. */
export async function drain(
  output: Output,
  log: Log,
  { drainMs }: Pick<StartPlan, "drainMs">,
  { begin, drained }: Draining,
): Promise<void> {
  const again = untilStoppedAgain();
  const connections = await begin();
  const seconds = drainMs / 1000;
  if (connections > 0) {
    log.info({ connections, seconds }, "waiting for what is under way");
    output.note(say`Waiting for ${connections} under way, ${seconds} seconds at most; a second signal ends them.`);
  }
  let timer: NodeJS.Timeout | undefined;
  const limit = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, drainMs);
  });
  const left = await drained(Promise.race([limit, again]));
  clearTimeout(timer);
  if (left > 0) log.warn({ connections: left }, "cut off");
}

export interface Announced {
  readonly listen: string;
  readonly http: string | undefined;
  readonly fingerprint: string;
}

export function announce(output: Output, { listen, http, fingerprint }: Announced): void {
  const httpKey = http ?? "off";
  output.result(
    { ready: true, listen, http: httpKey, fingerprint },
    say`posternd ready listen=${listen} http=${httpKey} fingerprint=${fingerprint}`,
  );
  const server = listen === "127.0.0.1:7465" ? "" : ` --server ${listen}`;
  const postern = `${typedAs("postern", process.env)}${server}`;
  output.note(
    say``,
    say`Now, in another terminal:`,
    say`  ${bold(`${postern} register`)}   makes an account`,
    say`  ${bold(`${postern} login`)}      logs in`,
    say``,
    say`The first time, it shows a fingerprint, which must be this one:`,
    say`  ${fingerprint}`,
    say`Ctrl-C here stops the server.`,
    say``,
  );
}
