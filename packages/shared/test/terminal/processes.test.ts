import { spawn as spawnProcess } from "node:child_process";
import { fileURLToPath } from "node:url";
import { spawn as spawnOnTerminal } from "@lydell/node-pty";
import { describe, expect, it } from "vitest";
import { FakeScreen } from "./fake-terminal.js";

const ask = fileURLToPath(new URL("fixtures/ask.mjs", import.meta.url));
const readLines = fileURLToPath(new URL("fixtures/read-lines.mjs", import.meta.url));

const SHOW_CURSOR = "\u001b[?25h";
const HIDE_CURSOR = "\u001b[?25l";

/** Starts the fixture in a shell on a pseudo-terminal; the shell tells afterwards what state that is in. */
function sitDown() {
  const script = '"$0" "$1"; echo "exit code $?"; stty -a';
  const pty = spawnOnTerminal("sh", ["-c", script, process.execPath, ask], { cols: 80, rows: 24 });
  const screen = new FakeScreen();
  pty.onData((data) => screen.write(data));
  const left = new Promise<void>((resolve) => pty.onExit(() => resolve()));
  return { pty, screen, left };
}

type Seat = ReturnType<typeof sitDown>;

function pidOn(screen: FakeScreen): number {
  return Number(/pid (\d+)\./.exec(screen.text)?.[1]);
}

describe("a question on a terminal, of a program that a socket keeps alive", () => {
  const ends: readonly (readonly [string, string, (seat: Seat) => unknown])[] = [
    ["an answer", "exit code 0", ({ pty }) => pty.write("hunter2\r")],
    ["Ctrl-C", "exit code 130", ({ pty }) => pty.write("\u0003")],
    ["Ctrl-D", "exit code 130", ({ pty }) => pty.write("\u0004")],
    ["SIGTERM", "exit code 130", ({ screen }) => process.kill(pidOn(screen), "SIGTERM")],
    ["SIGINT from outside", "exit code 130", ({ screen }) => process.kill(pidOn(screen), "SIGINT")],
  ];

  it.each(ends)("ends by %s with the terminal as it was, and the program with it", async (_, exitCode, end) => {
    const seat = sitDown();
    await seat.screen.shows("(typing is not shown)");
    end(seat);
    await seat.screen.shows(exitCode);
    await seat.left;
    // What the terminal still has may come after the news of the end.
    await seat.screen.shows("echoctl");
    const { text } = seat.screen;
    expect(text).toMatch(/ icanon /);
    expect(text).toMatch(/ echo /);
    expect(text.lastIndexOf(SHOW_CURSOR)).toBeGreaterThan(text.lastIndexOf(HIDE_CURSOR));
    expect(text).not.toContain("hunter2");
    expect(text).not.toContain("    at ");
  });
});

/** Runs a fixture on pipes, of which standard input stays open and gives `typed` only. */
function runOnPipes(fixture: string, typed: string, ...options: readonly string[]) {
  const child = spawnProcess(process.execPath, [fixture, ...options], { stdio: ["pipe", "pipe", "pipe"] });
  const stdout = new FakeScreen();
  const stderr = new FakeScreen();
  child.stdout.pipe(stdout);
  child.stderr.pipe(stderr);
  child.stdin.write(typed);
  const exitCode = new Promise<number | null>((resolve) => child.on("close", resolve));
  return { child, stdout, stderr, exitCode };
}

describe("a program without a terminal", () => {
  it("ends with exit code 6 at once where input is needed, with an open pipe as standard input", async () => {
    const { stdout, exitCode } = runOnPipes(ask, "", "--json");
    expect(await exitCode).toBe(6);
    expect(JSON.parse(stdout.text)).toMatchObject({ error: { code: "input_needed" } });
  });

  it("reads password and code line by line, and does not wait for the end of the pipe", async () => {
    const { child, stdout, stderr, exitCode } = runOnPipes(readLines, "hunter2\n", "--json");
    await stdout.shows('{"password":"hunter2"}\n');
    child.stdin.write("123456\n");
    expect(await exitCode).toBe(0);
    expect(stdout.text).toBe('{"password":"hunter2"}\n{"code":"123456"}\n');
    expect(stderr.text).toBe("");
  });

  it("goes on quietly when nobody reads its results any more", async () => {
    const { child, stdout, stderr, exitCode } = runOnPipes(readLines, "hunter2\n");
    await stdout.shows("password hunter2\n");
    child.stdout.destroy();
    child.stdin.write("123456\n");
    expect(await exitCode).toBe(0);
    expect(stderr.text).toBe("");
  });
});
