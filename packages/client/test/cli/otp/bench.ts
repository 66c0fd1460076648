import { EventEmitter } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PassThrough, Readable } from "node:stream";
import { PosternError } from "@postern/shared/errors";
import { createOutput, type Output } from "@postern/shared/terminal/output";
import { StdinLines } from "@postern/shared/terminal/stdin-lines";
import { onTestFinished } from "vitest";
import { FakeScreen } from "../../../../shared/test/terminal/fake-terminal.js";
import type { GlobalOptions } from "../../../src/cli/options.js";
import type { OtpHost } from "../../../src/cli/otp/host.js";

/** What every command gets of commander when nothing is given. */
export const given: GlobalOptions = { server: "localhost:7465", input: true };

/** The secret of RFC 4226 and RFC 6238 in base32: "12345678901234567890". */
export const base32 = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ";

export interface BenchOptions {
  readonly stdin?: string;
  /** What is typed at each question. */
  readonly answers?: readonly string[];
  /** In seconds since 1970. */
  readonly at?: number;
  readonly isTTY?: boolean;
  readonly json?: boolean;
  readonly env?: NodeJS.ProcessEnv;
}

/** The toolkit's surroundings: what is printed is kept, what is asked is answered, and waiting moves the clock. */
export class Bench {
  readonly output: Output;
  readonly host: OtpHost;
  readonly asked: string[] = [];
  readonly signals = new EventEmitter();
  readonly stdout: FakeScreen;
  /** In milliseconds since 1970. */
  now: number;
  /** Called at each wait, before the clock moves. */
  onSleep = (): void => undefined;
  readonly #stderr = new PassThrough();

  constructor({ stdin, answers = [], at = 59, isTTY = false, json = false, env = {} }: BenchOptions = {}) {
    this.now = at * 1000;
    this.stdout = new FakeScreen({ isTTY });
    this.output = createOutput({ json, stdout: this.stdout, stderr: this.#stderr, env });
    const left = [...answers];
    const answer = async (message: string) => {
      this.asked.push(message);
      const next = left.shift();
      if (next === undefined) throw new PosternError("input_needed");
      return next;
    };
    const never = () => Promise.reject(new PosternError("bug"));
    this.host = {
      prompter: { password: answer, text: answer, choose: never, confirm: never },
      stdin: stdin === undefined ? undefined : new StdinLines(Readable.from([Buffer.from(stdin)])),
      stdout: this.stdout,
      env,
      now: () => this.now,
      window: () => ({ columns: 80, rows: 24 }),
      sleep: async (milliseconds, signal) => {
        this.onSleep();
        if (signal?.aborted) throw signal.reason;
        this.now += milliseconds;
      },
      signals: this.signals,
    };
  }

  get lines(): string[] {
    return this.stdout.text.split("\n").slice(0, -1);
  }

  get results(): Record<string, unknown>[] {
    return this.lines.map((line) => JSON.parse(line) as Record<string, unknown>);
  }

  get said(): string {
    return String(this.#stderr.read() ?? "");
  }
}

/** A folder that is gone after the test. */
export function newFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "postern-otp-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** A file with a secret, which only its owner may read. */
export function secretFile(text: string = base32): string {
  const file = join(newFolder(), "secret");
  writeFileSync(file, `${text}\n`, { mode: 0o600 });
  return file;
}
