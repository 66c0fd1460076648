import { EventEmitter } from "node:events";
import { describe, expect, it } from "vitest";
import { PosternError } from "../../src/errors.js";
import { asksForJson, type ProgramHost, runProgram } from "../../src/terminal/program.js";
import { say } from "../../src/terminal/terminal-text.js";
import { FakeScreen } from "./fake-terminal.js";

class FakeHost extends EventEmitter implements ProgramHost {
  readonly argv: readonly string[];
  readonly env = {};
  readonly stdout = new FakeScreen({ isTTY: false });
  readonly stderr = new FakeScreen({ isTTY: false });
  exitCode: ProgramHost["exitCode"];
  exited: number | undefined;

  constructor(...options: readonly string[]) {
    super();
    this.argv = ["node", "postern", ...options];
  }

  exit(code: number): void {
    this.exited = code;
  }
}

/** An error as commander throws it under `exitOverride()`. */
function commanderError(code: string, exitCode: number, message: string): Error {
  return Object.assign(new Error(message), { code, exitCode });
}

async function endOf(thrown: unknown, ...options: readonly string[]): Promise<FakeHost> {
  const host = new FakeHost(...options);
  await runProgram(async () => {
    throw thrown;
  }, host);
  return host;
}

describe("a program's exit code", () => {
  it("is 0 when it is done", async () => {
    const host = new FakeHost();
    await runProgram(async (output) => output.result({}, say`done`), host);
    expect(host.exitCode).toBe(0);
    expect(host.stdout.text).toBe("done\n");
  });

  it.each([
    ["login_failed", 1],
    ["usage", 2],
    ["server_unreachable", 3],
    ["server_identity_changed", 4],
    ["throttled", 5],
    ["input_needed", 6],
    ["bug", 70],
    ["cancelled", 130],
  ] as const)("for %s is %i", async (code, exit) => {
    expect((await endOf(new PosternError(code))).exitCode).toBe(exit);
  });

  it("is 70 for what nobody foresaw", async () => {
    expect((await endOf(new TypeError("x"))).exitCode).toBe(70);
    expect((await endOf("not even an error")).exitCode).toBe(70);
  });

  it("is 70, not 0, when the event loop runs empty before the work is done", () => {
    const host = new FakeHost();
    void runProgram(() => new Promise(() => {}), host);
    host.emit("beforeExit");
    expect(host.exitCode).toBe(70);
    expect(host.stderr.text).toContain("the program ended before its work");
  });

  it("is 70 at once when something is thrown outside of the work", () => {
    const host = new FakeHost("--json");
    void runProgram(() => new Promise(() => {}), host);
    host.emit("uncaughtException", new TypeError("x"));
    expect(host.exited).toBe(70);
    expect(JSON.parse(host.stdout.text)).toMatchObject({ error: { code: "bug" } });
  });
});

describe("the command line", () => {
  it.each([["commander.helpDisplayed"], ["commander.version"]])("may ask for help or version (%s)", async (code) => {
    const host = await endOf(commanderError(code, 0, "(outputHelp)"));
    expect(host.exitCode).toBe(0);
    expect(host.stdout.text + host.stderr.text).toBe("");
  });

  it("that is wrong is a usage error, on one line", async () => {
    const message = "error: unknown option '--jsn'\n(Did you mean --json?)";
    const host = await endOf(commanderError("commander.unknownOption", 1, message));
    expect(host.exitCode).toBe(2);
    expect(host.stderr.text).toBe(
      "error: the command line was not understood: unknown option '--jsn' (Did you mean --json?)\n",
    );
  });

  it("that is wrong is told as JSON under --json", async () => {
    const host = await endOf(commanderError("commander.unknownOption", 1, "error: unknown option '-x'"), "--json");
    expect(JSON.parse(host.stdout.text)).toMatchObject({ error: { code: "usage" } });
    expect(host.stderr.text).toBe("");
  });

  it("that lacks a command is a usage error without commander's inner words", async () => {
    const host = await endOf(commanderError("commander.help", 1, "(outputHelp)"));
    expect(host.exitCode).toBe(2);
    expect(host.stderr.text).toBe("error: the command line was not understood\n");
  });

  it("does not repeat the value of a mistyped option, which may be a secret", async () => {
    const message = "error: unknown option '--passwrd=it's=hunter2'";
    const host = await endOf(commanderError("commander.unknownOption", 1, message));
    expect(host.stderr.text).toContain("unknown option '--passwrd=…'");
    expect(host.stderr.text).not.toContain("hunter2");
  });

  it("asks for JSON only among the options", () => {
    expect(asksForJson(["node", "postern", "whoami", "--json"])).toBe(true);
    expect(asksForJson(["node", "postern", "login", "--", "--json"])).toBe(false);
  });
});
