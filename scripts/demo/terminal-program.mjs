import { createRequire } from "node:module";
import { setTimeout as sleep } from "node:timers/promises";
import { stripVTControlCharacters } from "node:util";

const { spawn } = createRequire(import.meta.url)("@lydell/node-pty");

/** How long a program may take to say what the story expects of it, in milliseconds. */
const PATIENCE_MS = 60_000;

/**
 * A program in a pseudo-terminal of 80 columns, watched and typed to as a person would. All that it prints goes to
 * `onData`, as it came.
 */
export class TerminalProgram {
  #pty;
  #seen = "";
  #waiting = () => undefined;
  #exited;

  constructor(file, args, { env, cwd, rows, onData }) {
    this.#pty = spawn(file, args, { name: "xterm-256color", cols: 80, rows, cwd, env });
    this.#exited = new Promise((resolve) => this.#pty.onExit(({ exitCode }) => resolve(exitCode)));
    this.#pty.onData((data) => {
      this.#seen += data;
      onData(data);
      this.#waiting();
    });
  }

  /** Waits until the program has printed a match, and gives it; what came before counts only once. */
  async expect(pattern) {
    const deadline = Date.now() + PATIENCE_MS;
    for (;;) {
      const match = pattern.exec(plain(this.#seen));
      if (match !== null) {
        this.#seen = "";
        return match;
      }
      if (Date.now() > deadline) throw new Error(`waited in vain for ${pattern}; there is:\n${plain(this.#seen)}`);
      await Promise.race([new Promise((resolve) => (this.#waiting = resolve)), sleep(250)]);
    }
  }

  async type(text, keyMs) {
    for (const character of text) {
      this.#pty.write(character);
      await sleep(keyMs);
    }
    this.#pty.write("\r");
  }

  /** The exit code. */
  ended() {
    return this.#exited;
  }

  async stop() {
    this.#pty.kill("SIGTERM");
    return this.#exited;
  }
}

/** What stands on the terminal, without the sequences that colour it and move the cursor. */
function plain(text) {
  return stripVTControlCharacters(text);
}
