import { PosternError } from "@postern/shared/errors";
import { parseListenAddress } from "@postern/shared/server-address";
import { typedAs } from "@postern/shared/terminal/command-name";
import type { Output } from "@postern/shared/terminal/output";
import { bold, say } from "@postern/shared/terminal/terminal-text";
import type { Log } from "../log.js";
import type { RunningServer } from "../server.js";
import type { RegistrationMode } from "../services/context.js";
import { type Exemption, parseAddressLimits } from "./address-limits.js";
import { parseRetention } from "./audit-options.js";
import type { LogFormat, LogLevel } from "./logger.js";
import { type ReloadTask, untilStopped } from "./signals.js";
import { type StoreOptions, unsealOrCreateStore } from "./unseal.js";

export interface StartOptions extends StoreOptions {
  readonly init?: boolean;
  readonly listen: string;
  readonly http: string;
  readonly registration: RegistrationMode;
  readonly publicUrl?: string;
  readonly addressLimits?: string;
  readonly auditRetention?: string;
  readonly logLevel: LogLevel;
  readonly logFormat?: LogFormat;
}

/** Serves until SIGINT or SIGTERM, and then ends in order. */
export async function startCommand(output: Output, options: StartOptions): Promise<void> {
  const listen = parseListenAddress(options.listen);
  const http = options.http === "off" ? undefined : parseListenAddress(options.http);
  const publicUrl = options.publicUrl === undefined ? undefined : parsePublicUrl(options.publicUrl);
  const exempt = options.addressLimits === undefined ? undefined : parseAddressLimits(options.addressLimits);
  const retention = options.auditRetention;
  const auditRetention = retention === undefined ? undefined : parseRetention("--audit-retention", retention);
  const store = await unsealOrCreateStore(output, options);
  try {
    // The network's part of the program takes a while to load: nobody waits for it in front of the password prompt.
    const [{ startServer }, { createLog }] = await Promise.all([import("../server.js"), import("./logger.js")]);
    const log = createLog({ level: options.logLevel, format: options.logFormat });
    const { registration } = options;
    if (exempt !== undefined) warnOf(exempt, output, log);
    const addresses = { listen, http, publicUrl, exempt: exempt?.covers };
    const server = await startServer({ barrier: store.barrier, ...addresses, registration, auditRetention, log });
    const reload: ReloadTask[] = [];
    try {
      // Listened for first: who reads that it is ready may send a signal at once.
      const stopped = untilStopped({ reload, log });
      announce(output, server);
      await stopped;
      output.note(say`Stopping.`);
    } finally {
      await server.close();
    }
  } finally {
    await store.close();
  }
}

/** A limit that is not there should not be forgotten: said to who starts it, and kept where the log is kept. */
function warnOf({ of }: Exemption, output: Output, log: Log): void {
  output.warn(say`--address-limits: connections and logins are not limited for ${of}`);
  log.warn({ exempt: of }, "addresses without limits");
}

function announce(output: Output, { listen, http, fingerprint }: RunningServer): void {
  const httpKey = http?.key ?? "off";
  output.result(
    { ready: true, listen: listen.key, http: httpKey, fingerprint },
    say`posternd ready listen=${listen.key} http=${httpKey} fingerprint=${fingerprint}`,
  );
  const server = listen.key === "127.0.0.1:7465" ? "" : ` --server ${listen.key}`;
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

/** @throws PosternError `usage` for anything but an https origin, with or without a path */
function parsePublicUrl(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url?.protocol !== "https:" || url.search !== "" || url.hash !== "" || url.username !== "") {
    throw new PosternError("usage", { detail: "--public-url takes an https:// URL without query or fragment" });
  }
  return url.href.replace(/\/$/, "");
}
