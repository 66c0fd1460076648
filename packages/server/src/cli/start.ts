import type { Output } from "@postern/shared/terminal/output";
import { say } from "@postern/shared/terminal/terminal-text";
import { announce, drain, type Reread } from "./begin-and-end.js";
import { openServing, planStart, type StartOptions, warnOfExempt } from "./serving.js";
import { endByHangUp, type ReloadTask, type Stop, untilStopped } from "./signals.js";
import { unsealOrCreateStore } from "./unseal.js";
import { parseWorkers } from "./workers-option.js";

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
    const log = createLog({ level: options.logLevel, format: options.logFormat, node: plan.node });
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
