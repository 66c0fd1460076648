import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { chmodSync, cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, dirname, join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("../../", import.meta.url));

export interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface NpxCall {
  readonly args: readonly string[];
  readonly NODE_ENV?: string;
}

/** A workspace of its own with the real scripts, in a folder with a space in its name, and no network. */
export class ScratchWorkspace {
  readonly #parent = mkdtempSync(join(tmpdir(), "postern-setup-"));
  readonly folder = join(this.#parent, "a checkout");
  readonly #running = new Set<ChildProcess>();

  constructor() {
    mkdirSync(this.folder);
    cpSync(join(root, "scripts"), join(this.folder, "scripts"), { recursive: true });
    cpSync(join(root, "package.json"), join(this.folder, "package.json"));
    this.write("pnpm-lock.yaml", "lockfileVersion: '9.0'\n");
    for (const fake of ["fake-npx.mjs", "fake-rolldown.mjs", "fake-tsc.mjs"]) {
      cpSync(join(root, "test/tooling", fake), join(this.folder, fake));
    }
    // As with the real one, there is a shell in between.
    this.write("bin/npx", '#!/bin/sh\nnode fake-npx.mjs "$@"\nexit $?\n');
    chmodSync(join(this.folder, "bin/npx"), 0o755);
  }

  get env(): NodeJS.ProcessEnv {
    const path = [join(this.folder, "bin"), dirname(process.execPath), process.env["PATH"]].join(delimiter);
    return { PATH: path, HOME: this.#parent, npm_config_update_notifier: "false" };
  }

  write(path: string, text: string): void {
    mkdirSync(dirname(join(this.folder, path)), { recursive: true });
    writeFileSync(join(this.folder, path), text);
  }

  read(path: string): string {
    return existsSync(join(this.folder, path)) ? readFileSync(join(this.folder, path), "utf8") : "";
  }

  remove(path: string): void {
    rmSync(join(this.folder, path), { recursive: true, force: true });
  }

  /** What npx does from now on: `hang` after installing until this file is removed, or `fail TEXT`. */
  npxSays(behaviour: string): void {
    this.write("npx-says", behaviour);
  }

  get npxCalls(): NpxCall[] {
    return linesOf(this.read("npx-calls")).map((line) => JSON.parse(line));
  }

  get tscCalls(): string[] {
    return linesOf(this.read("tsc-calls"));
  }

  get rolldownCalls(): string[] {
    return linesOf(this.read("rolldown-calls"));
  }

  setUp(env: NodeJS.ProcessEnv = {}): Running {
    const child = spawn(process.execPath, ["scripts/setup.mjs"], {
      cwd: this.folder,
      env: { ...this.env, ...env },
      stdio: ["ignore", "pipe", "pipe"],
    });
    this.#running.add(child);
    return new Running(child, this);
  }

  close(): void {
    this.remove("npx-says");
    for (const child of this.#running) child.kill("SIGKILL");
    rmSync(this.#parent, { recursive: true, force: true });
  }
}

/** A setup under way; what it prints is kept. */
export class Running {
  readonly #child: ChildProcess;
  readonly #workspace: ScratchWorkspace;
  stdout = "";
  stderr = "";
  readonly ended: Promise<Ended>;

  constructor(child: ChildProcess, workspace: ScratchWorkspace) {
    this.#child = child;
    this.#workspace = workspace;
    child.stdout?.setEncoding("utf8").on("data", (text: string) => {
      this.stdout += text;
    });
    child.stderr?.setEncoding("utf8").on("data", (text: string) => {
      this.stderr += text;
    });
    this.ended = once(child, "close").then(([code, signal]) => {
      return { code, signal, stdout: this.stdout, stderr: this.stderr };
    });
  }

  kill(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  says(text: string): Promise<void> {
    return this.#until(() => this.stderr.includes(text));
  }

  /** Waits until npx is at work, and has written the copy of the lockfile. */
  hasCalledNpx(): Promise<void> {
    return this.#until(() => this.#workspace.npxCalls.length > 0);
  }

  async #until(holds: () => boolean): Promise<void> {
    while (!holds()) {
      if (this.#child.exitCode !== null) throw new Error(`it ended too early:\n${this.stderr}`);
      await delay(10);
    }
  }
}

function linesOf(text: string): string[] {
  return text.split("\n").filter((line) => line !== "");
}
