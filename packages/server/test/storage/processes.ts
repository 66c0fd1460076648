import { type ChildProcess, spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { onTestFinished } from "vitest";

const built = fileURLToPath(new URL("../../dist/storage/lmdb.js", import.meta.url));

/** A new empty directory, gone when the test is. */
export async function temporaryDirectory(): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), "postern-storage-"));
  onTestFinished(() => rm(directory, { recursive: true, force: true }));
  return directory;
}

export function childPath(name: string): string {
  if (!existsSync(built)) throw new Error("the child processes need packages/server/dist: run `npm run setup` first");
  return fileURLToPath(new URL(`children/${name}.mjs`, import.meta.url));
}

export interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  /** The JSON lines of stdout; a last one that was cut by a kill is left out. */
  readonly told: unknown[];
  readonly stderr: string;
}

/** A child process of the tests, killed when the test ends before it does. */
export class Child {
  readonly process: ChildProcess;
  readonly ended: Promise<Ended>;
  #output = "";
  #waiting: (() => void)[] = [];

  constructor(command: string, args: readonly string[]) {
    this.process = spawn(command, args, { stdio: ["ignore", "pipe", "pipe"] });
    let stderr = "";
    this.process.stdout?.setEncoding("utf8").on("data", (text: string) => {
      this.#output += text;
      for (const wake of this.#waiting.splice(0)) wake();
    });
    this.process.stderr?.setEncoding("utf8").on("data", (text: string) => {
      stderr += text;
    });
    this.ended = new Promise((resolve, reject) => {
      this.process.once("error", reject);
      this.process.once("close", (code, signal) => resolve({ code, signal, told: this.told(), stderr }));
    });
    onTestFinished(() => void this.process.kill("SIGKILL"));
  }

  told(): unknown[] {
    return this.#output
      .split("\n")
      .slice(0, -1)
      .map((line) => JSON.parse(line));
  }

  /** Resolves when the child has told so many lines, or has ended. */
  async hasTold(count: number): Promise<void> {
    let ended = false;
    void this.ended.then(() => {
      ended = true;
    });
    while (!ended && this.told().length < count) {
      await Promise.race([this.ended, new Promise<void>((resolve) => this.#waiting.push(resolve))]);
    }
  }
}

export function runChild(name: string, ...args: string[]): Child {
  return new Child(process.execPath, [childPath(name), ...args]);
}
