import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import type { Ended } from "./programs.js";
import { tellReaper } from "./reaper.js";

const script = fileURLToPath(new URL("command-host.mjs", import.meta.url));

export interface Order {
  readonly program: "postern" | "posternd";
  readonly args: readonly string[];
  readonly env: NodeJS.ProcessEnv;
  readonly cwd: string;
  readonly stdin: "open" | { readonly text: string };
}

let host: ChildProcess | undefined;
let last: Promise<unknown> = Promise.resolve();

/** Runs a command in the process that is kept for them, when those before it are over. */
export function runHosted(order: Order): Promise<Ended> {
  const ended = last.then(() => give(order));
  last = ended.catch(() => undefined);
  return ended;
}

async function give(order: Order): Promise<Ended> {
  host ??= startHost();
  const running = host;
  const over = new AbortController();
  const died = once(running, "exit", { signal: over.signal }).then(([code, signal]) => {
    throw new Error(
      `the process of the commands ended (${code ?? signal}) in ${order.program} ${order.args.join(" ")}`,
    );
  });
  // When nothing is under way, it holds the tests' own process no longer.
  running.ref();
  running.channel?.ref();
  try {
    running.send(order);
    const [ended] = await Promise.race([once(running, "message", { signal: over.signal }), died]);
    const { last: finished, ...outcome } = ended as Ended & { last?: true };
    if (finished) host = undefined;
    return outcome;
  } finally {
    over.abort();
    died.catch(() => undefined);
    running.unref();
    running.channel?.unref();
  }
}

function startHost(): ChildProcess {
  const child = fork(script, { stdio: ["ignore", "inherit", "inherit", "ipc"], execArgv: [] });
  const { pid = 0 } = child;
  tellReaper("started", pid);
  child.once("exit", () => {
    tellReaper("ended", pid);
    if (host === child) host = undefined;
  });
  return child;
}
