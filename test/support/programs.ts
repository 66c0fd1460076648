import { type ChildProcess, spawn } from "node:child_process";
import { EventEmitter, once } from "node:events";
import { mkdtempSync, writeFileSync } from "node:fs";
import { rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { runHosted } from "./hosted.js";
import { makeReadyStore } from "./ready-store.js";
import { tellReaper } from "./reaper.js";

const root = new URL("../../", import.meta.url);

/** What a test may run, each as Node runs it. */
const scripts = {
  postern: fileURLToPath(new URL("packages/client/bin/postern.js", root)),
  posternd: fileURLToPath(new URL("packages/server/bin/posternd.js", root)),
  "npm start": fileURLToPath(new URL("scripts/start.mjs", root)),
} as const;
export type Program = keyof typeof scripts;

/** One of those, or the path of another one. */
export type Runnable = Program | `/${string}`;

export const adminPassword = "violet harbour umbrella";

/** How a program finds its standard input: /dev/null, closed, a pipe that stays open and empty, or a pipe with a text. */
export type Stdin = "null" | "closed" | "open" | { readonly text: string };

export interface RunOptions {
  readonly stdin?: Stdin;
  readonly env?: NodeJS.ProcessEnv;
}

export interface HostedOptions {
  readonly stdin?: Exclude<Stdin, "closed">;
  readonly env?: NodeJS.ProcessEnv;
}

export interface Ended {
  /** 128 and the signal's number more, as a shell says it, when a signal ended it. */
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface Server {
  /** HOST:PORT */
  readonly listen: string;
  readonly http: string;
  readonly fingerprint: string;
  readonly process: Running;
}

/** A machine of the tests' own: a home with the XDG folders in it, and the processes that were started there. */
export class Machine {
  readonly home = mkdtempSync(join(tmpdir(), "postern-e2e-"));
  readonly data = join(this.home, "data", "postern");
  readonly config = join(this.home, "config", "postern");
  readonly state = join(this.home, "state", "postern");
  readonly #living = new Map<number, () => Promise<unknown>>();

  /** What programs see: nothing of the environment that the tests run in but the PATH. */
  get env(): NodeJS.ProcessEnv {
    return {
      PATH: process.env["PATH"],
      HOME: this.home,
      XDG_DATA_HOME: join(this.home, "data"),
      XDG_CONFIG_HOME: join(this.home, "config"),
      XDG_STATE_HOME: join(this.home, "state"),
      LANG: "en_US.UTF-8",
    };
  }

  /** Writes a file that only its owner may read, and returns its path. */
  write(name: string, text: string): string {
    const path = join(this.home, name);
    writeFileSync(path, text, { mode: 0o600 });
    return path;
  }

  /** Starts a program on pipes. */
  start(program: Runnable, args: readonly string[], { stdin = "null", env = {} }: RunOptions = {}): Running {
    const [file, ...rest] = commandOf(program, args);
    const closing = ["-c", 'exec "$0" "$@" <&-', file, ...rest];
    const child = spawn(stdin === "closed" ? "sh" : file, stdin === "closed" ? closing : rest, {
      cwd: this.home,
      env: { ...this.env, ...env },
      stdio: [stdin === "null" ? "ignore" : "pipe", "pipe", "pipe"],
    });
    if (typeof stdin === "object") child.stdin?.end(stdin.text);
    const running = new Running(child);
    if (child.pid !== undefined) this.adopt(child.pid, running.ended);
    return running;
  }

  /** Runs a program on pipes to its end. */
  run(program: Program, args: readonly string[], options: RunOptions = {}): Promise<Ended> {
    return this.start(program, args, options).ended;
  }

  /**
   * Runs a program to its end in a process that is kept for many commands. All of the program is the same but for
   * Node's own: signals, a terminal, what Node reads at its start (NODE_…), and that start and its end need `run`.
   */
  hosted(program: "postern" | "posternd", args: readonly string[], options: HostedOptions = {}): Promise<Ended> {
    const { stdin = "null", env = {} } = options;
    const input = stdin === "null" ? { text: "" } : stdin;
    return runHosted({ program, args, env: { ...this.env, ...env }, cwd: this.home, stdin: input });
  }

  /** Starts posternd on free ports over a store that is made for it if need be, and waits until it is ready. */
  async startServer(args: readonly string[] = []): Promise<Server> {
    const given = args.indexOf("--data");
    await makeReadyStore((given === -1 ? undefined : args[given + 1]) ?? this.data, adminPassword);
    return this.startFirstServer(args);
  }

  /** The same, but posternd makes the store, at all that it costs an operator; that of another version, where one is given. */
  async startFirstServer(args: readonly string[] = [], posternd: Runnable = "posternd"): Promise<Server> {
    const file = this.write("admin-password", `${adminPassword}\n`);
    const free = ["--listen", "127.0.0.1:0", "--http", "127.0.0.1:0"];
    const running = this.start(posternd, ["start", "--init", "--admin-password-file", file, ...free, ...args]);
    const ready = await running.prints(/^posternd ready listen=(\S+) http=(\S+) fingerprint=(\S+)$/m);
    const [, listen = "", http = "", fingerprint = ""] = ready;
    return { listen, http, fingerprint, process: running };
  }

  /** Takes care of a process, or as kill(2) has it of a group (-id), that was started elsewhere for this machine. */
  adopt(pid: number, ended: Promise<unknown>): void {
    tellReaper("started", pid);
    this.#living.set(pid, () => ended);
    const forget = () => {
      this.#living.delete(pid);
      tellReaper("ended", pid);
    };
    ended.then(forget, forget);
  }

  /** Kills what still runs, and removes the home. */
  async close(): Promise<void> {
    const ends = [...this.#living].map(([pid, ended]) => {
      kill(pid, "SIGKILL");
      return ended();
    });
    await Promise.allSettled(ends);
    await rm(this.home, { recursive: true, force: true });
  }
}

export function commandOf(program: Runnable, args: readonly string[]): [string, ...string[]] {
  return [process.execPath, isKnown(program) ? scripts[program] : program, ...args];
}

const isKnown = (program: Runnable): program is Program => Object.hasOwn(scripts, program);

/** A process on pipes; what it prints is kept. */
export class Running {
  readonly #child: ChildProcess;
  readonly #changes = new EventEmitter();
  stdout = "";
  stderr = "";
  readonly ended: Promise<Ended>;

  constructor(child: ChildProcess) {
    this.#child = child;
    child.stdin?.on("error", () => undefined);
    child.stdout?.setEncoding("utf8").on("data", (text: string) => {
      this.stdout += text;
      this.#changes.emit("change");
    });
    child.stderr?.setEncoding("utf8").on("data", (text: string) => {
      this.stderr += text;
      this.#changes.emit("change");
    });
    this.ended = once(child, "close").then(([code, signal]: (number | string | null)[]) => {
      this.#changes.emit("change");
      return { code: exitCodeOf(code, signal), stdout: this.stdout, stderr: this.stderr };
    });
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  /** Writes a line to its standard input. */
  say(line: string): void {
    this.#child.stdin?.write(`${line}\n`);
  }

  signal(name: NodeJS.Signals): void {
    kill(this.pid, name);
  }

  /** Sends a signal and waits for the end. */
  async stop(name: NodeJS.Signals = "SIGTERM"): Promise<Ended> {
    this.signal(name);
    return this.ended;
  }

  /** Waits until stdout has a match. */
  prints(pattern: RegExp): Promise<RegExpExecArray> {
    return this.#has(pattern, () => this.stdout);
  }

  /** Waits until stderr has a match. */
  says(pattern: RegExp): Promise<RegExpExecArray> {
    return this.#has(pattern, () => this.stderr);
  }

  async #has(pattern: RegExp, printed: () => string): Promise<RegExpExecArray> {
    for (;;) {
      const match = pattern.exec(printed());
      if (match !== null) return match;
      const over = this.#child.exitCode !== null || this.#child.signalCode !== null;
      if (over) throw new Error(`it ended without ${pattern}:\n${this.stdout}${this.stderr}`);
      await once(this.#changes, "change");
    }
  }
}

const signalNumbers: Readonly<Record<string, number>> = {
  SIGHUP: 1,
  SIGINT: 2,
  SIGABRT: 6,
  SIGKILL: 9,
  SIGSEGV: 11,
  SIGTERM: 15,
};

function exitCodeOf(code: unknown, signal: unknown): number {
  return typeof code === "number" ? code : 128 + (signalNumbers[String(signal)] ?? 0);
}

function kill(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch {
    // It has ended meanwhile.
  }
}

/** The JSON of a program's one line of stdout; anything else on stdout is an error. */
export function onlyLine(stdout: string): Record<string, unknown> {
  const [line = "", ...rest] = stdout.split("\n");
  if (rest.join("\n") !== "") throw new Error(`not exactly one line:\n${stdout}`);
  return JSON.parse(line);
}
