import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { onTestFinished } from "vitest";
import { adminPassword, type Clock, cheap } from "./in-process.js";
import { tellReaper } from "./reaper.js";
import type { Target } from "./wire-client.js";

const script = fileURLToPath(new URL("crash-server.mjs", import.meta.url));

/** What an order came to: a value, the stable code of an error, or the end of the process before it could tell. */
export type Outcome<T> =
  | { readonly value: T; readonly error?: never; readonly died?: never }
  | { readonly error: string; readonly died?: never }
  | { readonly died: End; readonly error?: never };

export interface End {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stderr: string;
}

export interface Served extends Target {
  readonly httpPort?: number;
  readonly fingerprint: string;
}

export interface OpenOptions {
  /** Whether a store is made where there is none. */
  readonly init?: boolean;
  /** By default one that the system chooses. */
  readonly port?: number;
  /** 0 for one that the system chooses; by default there is no HTTPS port. */
  readonly httpPort?: number;
}

/** How a service ended. */
export interface Closed {
  /** The stop itself, which is audited. */
  readonly stopped: Outcome<null>;
  readonly audit: Outcome<{ readonly ok: boolean }>;
  readonly logged: readonly { readonly level: string; readonly code?: string; readonly message: string }[];
}

/** A server in a process of its own, as crash-server.mjs runs it. It is killed when the test ends before it does. */
export class ServerProcess {
  readonly #child: ChildProcess;
  readonly ended: Promise<End>;

  constructor() {
    const child = fork(script, { stdio: ["ignore", "ignore", "pipe", "ipc"], execArgv: [] });
    this.#child = child;
    let stderr = "";
    child.stderr?.setEncoding("utf8").on("data", (text: string) => {
      stderr += text;
    });
    const { pid = 0 } = child;
    tellReaper("started", pid);
    this.ended = once(child, "close").then(([code, signal]) => {
      tellReaper("ended", pid);
      return { code, signal, stderr };
    });
    onTestFinished(() => void child.kill("SIGKILL"));
  }

  /** Resolves when the process has loaded what it needs, so that what it is told next begins at once. */
  async loaded(): Promise<void> {
    expectValue(await this.#order<null>("load", {}));
  }

  /**
   * Opens the store of a directory, or of a database by its URL, and serves it; at the moment of a clock, or without one
   * by the system's.
   */
  open(place: string, clock: Clock | undefined, options: OpenOptions = {}): Promise<Outcome<Served>> {
    const password = adminPassword.toString("utf8");
    return this.#order("open", { place, init: true, password, now: clock?.now(), ...cheap, ...options });
  }

  /** Ends the service in order; the process waits for the next store. */
  close(): Promise<Outcome<Closed>> {
    return this.#order("close", {});
  }

  async kill(): Promise<End> {
    this.#child.kill("SIGKILL");
    return this.ended;
  }

  async #order<T>(order: string, options: object): Promise<Outcome<T>> {
    const answer = new Promise<Outcome<T>>((resolve) => this.#child.once("message", resolve as () => void));
    this.#child.send({ order, options }, () => undefined);
    return Promise.race([answer, this.ended.then((died) => ({ died }))]);
  }
}

/** A new process that serves the store of a directory. */
export async function served(directory: string, clock: Clock): Promise<{ process: ServerProcess; target: Served }> {
  const process = new ServerProcess();
  return { process, target: expectValue(await process.open(directory, clock)) };
}

/** The value of an outcome that must be one. */
export function expectValue<T>(outcome: Outcome<T>): T {
  if ("value" in outcome) return outcome.value;
  throw new Error(outcome.error ?? `the process died: ${JSON.stringify(outcome.died)}`);
}
