/**
 * This folder is the one room of `shared` that touches the terminal, standard input and secret files: what `posternd`
 * and `postern` have in common there. Nothing outside of it reads or prints.
 *
 * The result goes to stdout, everything else (progress, warnings, prompts, errors for a person) to stderr. With
 * `--json` each result, and an error, is exactly one line of JSON on stdout.
 */
import { asPosternError, PosternError } from "../errors.js";
import { bold, red, say, showsColour, type TerminalStream, type TerminalText, yellow } from "./terminal-text.js";

export type Json = string | number | boolean | null | readonly Json[] | { readonly [key: string]: Json | undefined };
export type JsonObject = { readonly [key: string]: Json | undefined };

export interface Output {
  readonly json: boolean;
  /** A result: `facts` as one line of JSON under `--json`, else the lines for a person. */
  result(facts: JsonObject, ...lines: readonly TerminalText[]): void;
  /** Progress, for a person, on stderr. */
  note(...lines: readonly TerminalText[]): void;
  /** Something that the person should change, on stderr. */
  warn(line: TerminalText): void;
  /** Prints what was thrown and returns it as the error that decides the exit code. */
  fail(thrown: unknown): PosternError;
  /**
   * Waits until stdout took everything. Throws `file_unwritable` when it did not (a full disk): a token or recovery
   * code that nobody saw is not a success. A reader that went away (`| head -1`) is none of our failures.
   */
  flush(): Promise<void>;
}

export interface OutputOptions {
  readonly json: boolean;
  readonly stdout: TerminalStream;
  readonly stderr: TerminalStream;
  readonly env: NodeJS.ProcessEnv;
}

export function createOutput({ json, stdout, stderr, env }: OutputOptions): Output {
  const out = openSink(stdout);
  const err = openSink(stderr);
  const print = (lines: readonly TerminalText[], sink: Sink, stream: TerminalStream) => {
    const colour = showsColour(stream, env);
    for (const line of lines) sink.write(`${line.render(colour)}\n`);
  };
  return {
    json,
    result: (facts, ...lines) => (json ? out.write(`${jsonLine(facts)}\n`) : print(lines, out, stdout)),
    note: (...lines) => print(lines, err, stderr),
    warn: (line) => print([say`${yellow("warning:")} ${line}`], err, stderr),
    fail: (thrown) => {
      const error = asPosternError(thrown);
      if (json) out.write(`${jsonLine(errorFields(error))}\n`);
      else print(errorLines(error), err, stderr);
      if (env.POSTERN_DEBUG === "1") print(stackLines(error), err, stderr);
      return error;
    },
    flush: () => out.flush(),
  };
}

/**
 * `{"error":{"code","message","hint","retry_after","clock_behind"}}`, the last two in seconds; all but the first two only
 * where there is something to say.
 */
export function errorFields({ code, message, hint, retryAfter, clockBehind }: PosternError): JsonObject {
  return { error: { code, message, hint, retry_after: retryAfter, clock_behind: clockBehind } };
}

/**
 * JSON on one line. Beyond what JSON itself asks, every invisible character (C1, DEL, bidi controls, U+2028) is
 * written as \uXXXX: the same value, but harmless when the line is shown on a terminal.
 */
export function jsonLine(value: Json): string {
  return JSON.stringify(value).replace(/[\p{C}\p{Zl}\p{Zp}]/gu, (character) =>
    Array.from({ length: character.length }, (_, index) => unicodeEscape(character.charCodeAt(index))).join(""),
  );
}

function unicodeEscape(unit: number): string {
  return `\\u${unit.toString(16).padStart(4, "0")}`;
}

function errorLines(error: PosternError): readonly TerminalText[] {
  if (error.code === "cancelled") return [say`${error.message}`];
  const hint = hintOf(error);
  const first = say`${bold(red("error:"))} ${error.message}`;
  return hint === undefined ? [first] : [first, say`${bold("hint:")} ${hint}`];
}

function hintOf({ hint, retryAfter, clockBehind }: PosternError): string | undefined {
  if (retryAfter !== undefined) return `try again in ${duration(retryAfter)}`;
  return clockBehind === undefined
    ? hint
    : `your device's clock is about ${duration(clockBehind)} behind: set it right`;
}

/** A wait or a delay in whole seconds, or beyond two minutes in whole minutes, rounded up so that nobody comes too early. */
export function duration(seconds: number): string {
  if (seconds <= 1) return "1 second";
  return seconds <= 120 ? `${Math.ceil(seconds)} seconds` : `${Math.ceil(seconds / 60)} minutes`;
}

function stackLines(error: unknown): readonly TerminalText[] {
  if (!(error instanceof Error)) return [];
  const own = (error.stack ?? error.message).split("\n").map((line) => say`${line}`);
  return error.cause === undefined ? own : [...own, say`caused by:`, ...stackLines(error.cause)];
}

interface Sink {
  write(text: string): void;
  flush(): Promise<void>;
}

/** A stream that may go away: writing goes on into the void, so that a transaction is never cut in half by a pipe. */
function openSink(stream: TerminalStream): Sink {
  let failure: NodeJS.ErrnoException | undefined;
  stream.on("error", (error: NodeJS.ErrnoException) => {
    failure ??= error;
  });
  const write = (text: string, written?: () => void) => {
    if (failure === undefined) stream.write(text, written);
    else written?.();
  };
  return {
    write,
    flush: async () => {
      // The callback comes before the "error" event does.
      await new Promise<void>((resolve) => write("", () => setImmediate(resolve)));
      if (failure !== undefined && failure.code !== "EPIPE") {
        throw new PosternError("file_unwritable", { detail: "standard output", cause: failure });
      }
    },
  };
}
