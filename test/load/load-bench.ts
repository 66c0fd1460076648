import { EventEmitter } from "node:events";
import { createOutput, type Output } from "@postern/shared/terminal/output";
import { createPrompter } from "@postern/shared/terminal/prompts";
import type { LoadHost } from "../../packages/client/src/cli/loadtest/host.js";
import type { Resolve } from "../../packages/client/src/flows/load/own-target.js";
import { stopwatch } from "../../packages/client/src/flows/load/run-load.js";
import { pathsFrom } from "../../packages/client/src/paths.js";
import { FakeScreen } from "../../packages/shared/test/terminal/fake-terminal.js";
import { temporaryDirectory } from "../support/in-process.js";

export interface LoadBenchOptions {
  readonly json?: boolean;
  readonly isTTY?: boolean;
  readonly now?: () => number;
  readonly resolve?: Resolve;
  /** What waiting for so many seconds does. */
  readonly onWait?: (seconds: number) => void;
}

/** A machine that puts load on a server of the test: what it prints is kept, and its signals are the test's to send. */
export class LoadBench {
  readonly output: Output;
  readonly host: LoadHost;
  readonly signals = new EventEmitter();
  readonly #stdout: FakeScreen;
  readonly #stderr: FakeScreen;

  private constructor(home: string, { json = true, isTTY = false, ...given }: LoadBenchOptions) {
    this.#stdout = new FakeScreen({ isTTY });
    this.#stderr = new FakeScreen({ isTTY });
    const env = { NO_COLOR: "1" };
    this.output = createOutput({ json, stdout: this.#stdout, stderr: this.#stderr, env });
    const { now = Date.now, onWait, resolve = async () => [{ address: "127.0.0.1", family: 4 }] } = given;
    this.host = {
      environment: {
        output: this.output,
        prompter: createPrompter({ noInput: true }),
        interactive: false,
        paths: pathsFrom({ HOME: home }),
        now,
        window: () => ({ columns: 80, rows: 24 }),
      },
      // What this process computes for is the server's too.
      stopwatch: { ...stopwatch, cpu: () => 0 },
      resolve,
      signals: this.signals,
      stderr: this.#stderr,
      env,
      wait: async (seconds) => onWait?.(seconds),
    };
  }

  static async of(options: LoadBenchOptions = {}): Promise<LoadBench> {
    return new LoadBench(await temporaryDirectory(), options);
  }

  get printed(): string {
    return this.#stdout.text;
  }

  get said(): string {
    return this.#stderr.text;
  }

  /** Resolves as soon as these words appear on stderr. */
  shows(words: string): Promise<void> {
    return this.#stderr.shows(words);
  }

  /** Presses Ctrl-C as soon as these words appear on stderr. */
  async interruptAt(words: string): Promise<void> {
    await this.shows(words);
    this.signals.emit("SIGINT");
  }

  /** The one object that is printed under `--json`. */
  get facts(): Record<string, unknown> {
    const lines = this.#stdout.text.split("\n").slice(0, -1);
    if (lines.length !== 1) throw new Error(`${lines.length} lines were printed`);
    return JSON.parse(lines[0] ?? "");
  }
}
