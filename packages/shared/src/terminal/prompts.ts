/**
 * What a person is asked, on stderr. Rules of the room:
 *
 * - Without a terminal on both stdin and stderr, or with `--no-input`, every question is `input_needed` at once:
 *   a pipe would be read as a password, and an open empty one would hang.
 * - Nothing of a password is shown, not even stars: its length would stay in scrollback and recordings. The prompt says
 *   that typing is not shown, as `ssh` and `sudo` do by habit.
 * - Ctrl-C, Ctrl-D, a closed terminal and SIGINT, SIGTERM, SIGHUP end the question as `cancelled`; the caller's
 *   AbortSignal ends it with its own reason (a connection that was lost). Whatever the end, the terminal is left
 *   cooked and its cursor shown.
 * - What is shown is escaped here, whoever wrote it.
 */

import { PosternError } from "../errors.js";
import { escapeForTerminal } from "../escape.js";
import { endedBy } from "./ended-by.js";
import { dim, red, type Sayable, say, showsColour, type TerminalStream } from "./terminal-text.js";

export interface Prompter {
  /** A secret, typed unseen. */
  password(message: string, options?: QuestionOptions): Promise<string>;
  /** A line of text; an empty one stands for `default` where there is one. */
  text(message: string, options?: QuestionOptions & { readonly default?: string }): Promise<string>;
  /** One of a menu, by arrows or by number. */
  choose<T>(message: string, choices: readonly Choice<T>[], options?: Interruptible): Promise<T>;
  /** Yes or no; Enter alone, or anything that is neither, means `byDefault`. */
  confirm(message: string, byDefault: boolean, options?: Interruptible): Promise<boolean>;
}

export interface Interruptible {
  readonly signal?: AbortSignal;
}

export interface QuestionOptions extends Interruptible {
  /** What is wrong with an answer, or undefined when nothing is. A wrong one is asked for anew, from an empty line. */
  readonly validate?: (answer: string) => string | undefined | Promise<string | undefined>;
}

export interface Choice<T> {
  readonly value: T;
  readonly label: string;
  /** Shown below the menu while this choice is marked. */
  readonly description?: string;
}

export interface TerminalInput extends NodeJS.ReadableStream {
  readonly isTTY?: boolean | undefined;
  readonly isRaw?: boolean | undefined;
}

/** Where the process learns of signals. */
export interface SignalSource {
  on(signal: NodeJS.Signals, listener: () => void): unknown;
  off(signal: NodeJS.Signals, listener: () => void): unknown;
}

export interface PrompterOptions {
  /** `--no-input`: never ask. */
  readonly noInput?: boolean;
  readonly input?: TerminalInput;
  readonly output?: TerminalStream;
  readonly env?: NodeJS.ProcessEnv;
  readonly signals?: SignalSource;
}

const endingSignals = ["SIGINT", "SIGTERM", "SIGHUP"] as const satisfies readonly NodeJS.Signals[];

/** The kinds of question that are used of inquirer, by its names. */
type Kind = "password" | "input" | "select" | "confirm";
type Inquire = (config: object, context: InquireContext) => Promise<unknown>;
interface InquireContext {
  readonly input: TerminalInput;
  readonly output: TerminalStream;
  readonly signal: AbortSignal;
}

export function createPrompter(options: PrompterOptions = {}): Prompter {
  const terminal = () => ({
    input: options.input ?? process.stdin,
    output: options.output ?? process.stderr,
    signals: options.signals ?? process,
  });

  async function ask(kind: Kind, config: object, signal: AbortSignal | undefined): Promise<unknown> {
    const { input, output, signals } = terminal();
    if (options.noInput === true || input.isTTY !== true || output.isTTY !== true)
      throw new PosternError("input_needed");
    const inquire = await loadInquirer(kind);
    return untilEnded({ input, signals, signal }, (ending) => inquire(config, { input, output, signal: ending }));
  }

  async function askUntilValid(kind: Kind, config: object, { validate, signal }: QuestionOptions): Promise<string> {
    // inquirer's own validation keeps the refused answer in the line: a hidden one would be typed on to, unseen.
    for (;;) {
      const answer = String(await ask(kind, config, signal));
      const wrong = await validate?.(answer);
      if (wrong === undefined) return answer;
      const { output } = terminal();
      const complaint: Sayable = say`${red(">")} ${wrong}\n`;
      output.write(complaint.render(showsColour(output, options.env ?? process.env)));
    }
  }

  return {
    password: (message, question = {}) => {
      const { output } = terminal();
      const help = dim("(typing is not shown)").render(showsColour(output, options.env ?? process.env));
      return askUntilValid("password", { ...named(message), theme: { style: { help: () => help } } }, question);
    },
    text: (message, question = {}) => {
      const byDefault = question.default === undefined ? {} : { default: escapeForTerminal(question.default) };
      return askUntilValid("input", { ...named(message), ...byDefault }, question);
    },
    choose: async (message, choices, { signal } = {}) => {
      const index = await ask("select", { ...named(message), ...menu(choices) }, signal);
      const chosen = choices[Number(index)];
      if (chosen === undefined) throw new PosternError("bug", { detail: "a choice that was not offered" });
      return chosen.value;
    },
    confirm: async (message, byDefault, { signal } = {}) =>
      (await ask("confirm", { ...named(message), default: byDefault }, signal)) === true,
  };
}

function named(message: string): { message: string } {
  return { message: escapeForTerminal(message) };
}

/** Every choice on the screen at once, numbered from 1; their values stay on this side. */
function menu(choices: readonly Choice<unknown>[]): object {
  return {
    choices: choices.map(({ label, description }, index) => ({
      name: escapeForTerminal(label),
      value: index,
      ...(description === undefined ? {} : { description: escapeForTerminal(description) }),
    })),
    pageSize: Math.max(choices.length, 1),
    loop: false,
    theme: { indexMode: "number" },
  };
}

/** inquirer costs some 100 ms to import: only who is really asked pays. */
async function loadInquirer(kind: Kind): Promise<Inquire> {
  const { createPromptModule } = await import("inquirer");
  return createPromptModule().prompts[kind] as Inquire;
}

interface Ends {
  readonly input: TerminalInput;
  readonly signals: SignalSource;
  readonly signal: AbortSignal | undefined;
}

/** Runs one question with a signal that fires on everything which must end it, and turns its end into our error. */
async function untilEnded<T>(ends: Ends, question: (ending: AbortSignal) => Promise<T>): Promise<T> {
  const { input, signals, signal } = ends;
  if (signal?.aborted) throw endedBy(signal);
  const ending = new AbortController();
  const cancel = () => ending.abort(new PosternError("cancelled"));
  const giveUp = () => ending.abort(endedBy(signal));
  // On Ctrl-D readline closes and inquirer never learns of it: it would wait for as long as a socket is open. Closing
  // shows as a pause, after which the terminal is not raw; a pause that comes of `fg` after Ctrl-Z leaves it raw.
  const onPause = () => setImmediate(() => (input.isRaw === true ? input.resume() : cancel()));
  input.on("pause", onPause);
  signal?.addEventListener("abort", giveUp);
  for (const name of endingSignals) signals.on(name, cancel);
  try {
    return await question(ending.signal);
  } catch (thrown) {
    throw asEnding(thrown, ending.signal);
  } finally {
    for (const name of endingSignals) signals.off(name, cancel);
    signal?.removeEventListener("abort", giveUp);
    input.off("pause", onPause);
    input.pause();
  }
}

/** inquirer tells its ends apart by the names of its errors; what has another name is no end but a bug. */
function asEnding(thrown: unknown, ending: AbortSignal): unknown {
  const name = thrown instanceof Error ? thrown.name : undefined;
  if (name === "AbortPromptError") return endedBy(ending);
  return name === "ExitPromptError" ? new PosternError("cancelled") : thrown;
}
