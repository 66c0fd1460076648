/** The top of both programs: runs `main`, prints what it throws, and sets the exit code from the table of errors. */
import { asPosternError, exitCodes, PosternError } from "../errors.js";
import { createOutput, type Output } from "./output.js";
import type { TerminalStream } from "./terminal-text.js";

/** What of `process` is used. */
export interface ProgramHost {
  readonly argv: readonly string[];
  readonly env: NodeJS.ProcessEnv;
  readonly stdout: TerminalStream;
  readonly stderr: TerminalStream;
  exitCode?: number | string | null | undefined;
  on(event: "uncaughtException", listener: (error: unknown) => void): unknown;
  once(event: "beforeExit", listener: () => void): unknown;
  exit(code: number): void;
}

/**
 * Runs a program to its end and sets `host.exitCode`; the process then ends by itself once nothing is open any more.
 *
 * - What `main` throws is printed once. commander's own errors become `usage`; its help and version are no errors (the
 *   program calls `exitOverride()`, and silences `outputError`, since this prints).
 * - What is thrown outside of `main`'s promise ends the process at once: its state is unknown.
 * - A program that ends before `main` does, its event loop having run empty, was not done: exit code 70, never 0.
 */
export async function runProgram(main: (output: Output) => Promise<void>, host: ProgramHost = process): Promise<void> {
  const { stdout, stderr, env } = host;
  const output = createOutput({ json: asksForJson(host.argv), stdout, stderr, env });
  let running = true;
  host.on("uncaughtException", (thrown) => host.exit(output.fail(thrown).exit));
  // Not set before: commander takes an exit code that is there for that of its help.
  host.once("beforeExit", () => {
    if (running)
      host.exitCode = output.fail(new PosternError("bug", { detail: "the program ended before its work" })).exit;
  });
  try {
    await main(output);
    await output.flush();
    host.exitCode = exitCodes.done;
  } catch (thrown) {
    const error = fromCommander(thrown);
    host.exitCode = error === "done" ? exitCodes.done : output.fail(error).exit;
  } finally {
    running = false;
  }
}

/** Whether `--json` stands among the options. Read before they are parsed, since a usage error too must know. */
export function asksForJson(argv: readonly string[]): boolean {
  const end = argv.indexOf("--");
  return (end === -1 ? argv : argv.slice(0, end)).includes("--json");
}

/** commander throws its help and version as errors with exit code 0, and its usage errors with another. */
function fromCommander(thrown: unknown): PosternError | "done" {
  if (!isCommanderError(thrown)) return asPosternError(thrown);
  return thrown.exitCode === 0 ? "done" : new PosternError("usage", usageDetail(thrown));
}

interface CommanderError extends Error {
  readonly code: string;
  readonly exitCode: number;
}

function isCommanderError(thrown: unknown): thrown is CommanderError {
  return (
    thrown instanceof Error &&
    "code" in thrown &&
    typeof thrown.code === "string" &&
    thrown.code.startsWith("commander.") &&
    "exitCode" in thrown &&
    typeof thrown.exitCode === "number"
  );
}

/** The value of a mistyped `--passwrd=…` is left out: it may be a secret, and stderr may be a log. */
function usageDetail({ code, message }: CommanderError): { detail?: string } {
  if (code === "commander.help") return {};
  const detail = message.replace(/^error: /, "").replaceAll(/\s*\n\s*/g, " ");
  return { detail: detail.replaceAll(/'(--[^'=\s]*)=.*'/g, "'$1=…'") };
}
