import { typedAs } from "@postern/shared/terminal/command-name";
import type { Output } from "@postern/shared/terminal/output";
import { bold, say } from "@postern/shared/terminal/terminal-text";
import type { Log } from "../log.js";
import type { LogLevel } from "./logger.js";
import type { StartPlan } from "./serving.js";
import { untilStoppedAgain } from "./signals.js";

/** What a server says and does at its beginning and its end, be it one process or several. */

/** What SIGHUP has read anew of the configuration. */
export interface Reread {
  readonly logLevel: () => Promise<LogLevel>;
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
  const connections = await Promise.race([begin(), again.then(() => 0)]);
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
