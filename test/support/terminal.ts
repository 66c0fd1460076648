import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { spawn } from "@lydell/node-pty";
import xterm from "@xterm/headless";
import { commandOf, type Machine, type Program } from "./programs.js";

/** How long a program may take to show what the test expects: a guard, so that a failure shows the screen. */
const PATIENCE_MS = 120_000;

const keys = { enter: "\r", "ctrl-c": "\u0003", "ctrl-d": "\u0004", up: "\u001b[A", down: "\u001b[B" } as const;
export type Key = keyof typeof keys;

/**
 * Runs `$2…` and notes in the folder `$1` its process id, its exit code, and in what state it left the terminal. The
 * shell itself outlives a Ctrl-C that goes to all of the terminal's processes.
 */
const script = `
notes=$1; shift
trap : INT
sh -c 'echo $$ > "$0/pid"; exec "$@"' "$notes" "$@"
echo $? > "$notes/code"
stty -a > "$notes/stty"
`;

export interface TerminalOptions {
  readonly columns?: number;
  readonly rows?: number;
  readonly env?: NodeJS.ProcessEnv;
}

export interface Left {
  readonly code: number;
  /** Whether the terminal reads lines, echoes, and makes signals of Ctrl-C and the like. */
  readonly cooked: boolean;
  readonly cursorShown: boolean;
}

let terminals = 0;

/** A program in a pseudo-terminal, and the screen that a person sees of it. */
export class Terminal {
  readonly #pty: ReturnType<typeof spawn>;
  readonly #screen: xterm.Terminal;
  readonly #notes: string;
  readonly #exited: Promise<void>;
  #written = Promise.resolve();
  #over = false;
  #changed = () => {};
  /** The row, counted from the first ever, of what was last waited for; what comes next is looked for below it. */
  #mark: xterm.IMarker | undefined;
  /** All that came out, control sequences included. */
  output = "";

  constructor(machine: Machine, program: Program, args: readonly string[] = [], options: TerminalOptions = {}) {
    const { columns = 80, rows = 24, env = {} } = options;
    this.#notes = join(machine.home, `terminal-${++terminals}`);
    mkdirSync(this.#notes);
    writeFileSync(join(this.#notes, "pid"), "");
    this.#screen = new xterm.Terminal({ cols: columns, rows, allowProposedApi: true, scrollback: 1000 });
    this.#pty = spawn("sh", ["-c", script, "sh", this.#notes, ...commandOf(program, args)], {
      name: "xterm-256color",
      cols: columns,
      rows,
      cwd: machine.home,
      env: { ...machine.env, ...env },
    });
    this.#screen.onData((reply) => this.#pty.write(reply));
    this.#pty.onData((data) => this.#show(data));
    this.#exited = new Promise((resolve) => {
      this.#pty.onExit(() => {
        this.#over = true;
        this.#changed();
        resolve();
      });
    });
    // The shell leads a process group of its own, which the program is in.
    machine.adopt(-this.#pty.pid, this.#exited);
  }

  /** The program's process id. */
  get pid(): number {
    return Number(this.#note("pid"));
  }

  /** Waits until a text stands on the screen, below the row of what was waited for last. Returns its line. */
  async shows(expected: string | RegExp): Promise<string> {
    const deadline = Date.now() + PATIENCE_MS;
    for (;;) {
      await this.#written;
      const found = this.#lines(this.#mark === undefined ? 0 : this.#mark.line + 1).find(({ text }) =>
        typeof expected === "string" ? text.includes(expected) : expected.test(text),
      );
      if (found !== undefined) {
        const { baseY, cursorY } = this.#screen.buffer.active;
        this.#mark = this.#screen.registerMarker(found.row - baseY - cursorY);
        return found.text;
      }
      const why = this.#over ? "it ended without" : Date.now() > deadline ? "waited in vain for" : undefined;
      if (why !== undefined) throw new Error(`${why} ${expected}; the screen is\n${this.history()}`);
      await this.#change(deadline);
    }
  }

  /** Waits for a question, and types the answer. */
  async answer(question: string | RegExp, text: string): Promise<void> {
    await this.shows(question);
    this.type(text);
    this.press("enter");
  }

  type(text: string): void {
    this.#pty.write(text);
  }

  press(key: Key): void {
    this.#pty.write(keys[key]);
  }

  resize(columns: number, rows: number): void {
    this.#screen.resize(columns, rows);
    this.#pty.resize(columns, rows);
  }

  /** What stands in the window now, line by line. */
  window(): readonly string[] {
    const { active } = this.#screen.buffer;
    return Array.from({ length: this.#screen.rows }, (_, row) =>
      (active.getLine(active.baseY + row)?.translateToString(true) ?? "").trimEnd(),
    );
  }

  /** All that was ever on the screen and stands there still, or above it. */
  history(): string {
    return this.#lines(0)
      .map(({ text }) => text)
      .join("\n")
      .trimEnd();
  }

  /** Waits for the program's end. */
  async left(): Promise<Left> {
    await this.#exited;
    await this.#written;
    const modes = this.#note("stty");
    return {
      code: Number(this.#note("code")),
      cooked: ["icanon", "echo", "isig"].every((mode) => new RegExp(`(^|\\s)${mode}\\b`, "m").test(modes)),
      cursorShown: this.output.lastIndexOf("\u001b[?25l") <= this.output.lastIndexOf("\u001b[?25h"),
    };
  }

  #show(data: string): void {
    this.output += data;
    const before = this.#written;
    this.#written = new Promise((resolve) => {
      this.#screen.write(data, () => before.then(resolve));
    });
    // Once it stands on the screen: whoever is told earlier may look too early, and is not told again.
    void this.#written.then(() => this.#changed());
  }

  /** Lines as they were printed: rows that the terminal has broken are put together. */
  #lines(from: number): { row: number; text: string }[] {
    const { active } = this.#screen.buffer;
    const lines: { row: number; text: string }[] = [];
    for (let row = from; row < active.length; row++) {
      const line = active.getLine(row);
      const text = line?.translateToString(true) ?? "";
      const last = lines.at(-1);
      if (line?.isWrapped === true && last !== undefined) last.text += text;
      else lines.push({ row, text });
    }
    return lines;
  }

  async #change(deadline: number): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    await new Promise<void>((resolve) => {
      this.#changed = resolve;
      timer = setTimeout(resolve, Math.max(1, deadline - Date.now()));
    });
    clearTimeout(timer);
  }

  #note(name: string): string {
    return readFileSync(join(this.#notes, name), "utf8").trim();
  }
}
