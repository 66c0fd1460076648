import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Machine, onlyLine, type Program, type Server, type Stdin } from "../support/programs.js";
import { Terminal } from "../support/terminal.js";
import { type Account, at, loginArgs, password, registerByScript } from "./account.js";

const operator = new Machine();
const person = new Machine();
let server: Server;
let account: Account;
beforeAll(async () => {
  server = await operator.startServer();
  account = await registerByScript(person, server, "alice");
  const secret = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ\n";
  for (const { home } of [operator, person]) writeFileSync(join(home, "secret"), secret, { mode: 0o600 });
});
afterAll(() => Promise.all([operator.close(), person.close()]));

/** Every command that asks for something when it is not given, by the code that it asks in. */
const asking = [
  "postern",
  "postern register",
  "postern register bob",
  "postern login",
  "postern login alice",
  "postern login alice --password-file password",
  "postern passwd",
  "postern passwd alice --password-file password",
  "postern account delete",
  "postern account delete --yes",
  "postern factor remove",
  "postern factor remove phone",
  "postern recovery regenerate",
  "postern otp code",
  "postern otp code --type hotp",
  "postern otp code --watch",
  "postern otp uri",
  "postern otp qr --png qr.png",
  "postern otp import",
  "postern otp verify --secret-file secret",
  "posternd start",
  "posternd audit verify",
] as const;

function parse(line: string): { machine: Machine; program: Program; args: string[] } {
  const [program, ...args] = line.split(" ");
  return program === "posternd" ? { machine: operator, program, args } : { machine: person, program: "postern", args };
}

/** What comes of it against the server that is known; as JSON, so that the code of the error shows. */
async function outcomeOf(line: string, stdin: Stdin) {
  const { machine, program, args } = parse(line);
  const env = { POSTERN_SERVER: server.listen };
  const { code, stdout, stderr } = await machine.run(program, [...args, "--json"], { stdin, env });
  const { error } = onlyLine(stdout) as { error?: { code: string } };
  return { code, stderr, error: error?.code };
}

const needsInput = { code: 6, stderr: "", error: "input_needed" };

describe.concurrent("attack 67: without a terminal", () => {
  it.for(asking)("`%s` ends with exit code 6 while an empty pipe stays open as its stdin", async (line) => {
    expect(await outcomeOf(line, "open")).toEqual(needsInput);
  });

  it.for(["postern login alice", "posternd start"])("`%s` does so with any other stdin too", async (line) => {
    for (const stdin of ["null", "closed", { text: `${password}\n` }] as const) {
      expect(await outcomeOf(line, stdin)).toEqual(needsInput);
    }
  });

  it("a scripted registration whose stdin ends before the first code registers nobody", async () => {
    const args = ["register", "carol", "--server", server.listen, "--password-file", "password", "--json"];
    const { code, stdout } = await person.run("postern", args);
    expect(code).toBe(6);
    expect(JSON.parse(stdout.split("\n")[1] ?? "")).toMatchObject({ error: { code: "input_needed" } });
  });
});

describe.concurrent("with --no-input on a terminal", () => {
  it.for(["postern", "postern register bob", "postern passwd alice", "postern factor add", "posternd start"])(
    "`%s` asks nothing and ends with exit code 6",
    async (line) => {
      const { machine, program, args } = parse(line);
      const env = { POSTERN_SERVER: server.listen };
      const terminal = new Terminal(machine, program, [...args, "--no-input"], { env });
      expect(await terminal.left()).toEqual({ code: 6, cooked: true, cursorShown: true });
      expect(terminal.history()).toMatch(/^error: input is needed and there is no terminal to ask on/);
    },
  );
});

describe("what is printed", () => {
  const ESC = "\u001b";
  const anyColour = new RegExp(`${ESC}\\[[\\d;]*m`);
  /** The two ways in which the QR code sets and resets its colours. */
  const qrColour = new RegExp(`${ESC}\\[(38;5;\\d+;48;5;\\d+|0)m(?=[ ▀${ESC}\\r\\n])`, "gu");
  const withoutQr = (text: string) => text.replaceAll(qrColour, "");

  it("to a pipe has no control sequence in it but the colours of the QR code", async () => {
    const env = { POSTERN_SERVER: server.listen, FORCE_COLOR: "1", CLICOLOR_FORCE: "1" };
    const login = loginArgs(person, server, "alice", account.recoveryCodes[0] ?? "");
    const commands: readonly string[][] = [login, ["whoami"], ["token"], ["--help"], ["logout"], ["whoami"]];
    for (const args of commands) {
      const { stdout, stderr } = await person.run("postern", args, { env });
      expect(stdout + stderr).not.toContain(ESC);
      expect(stdout + stderr).not.toBe("");
    }
    const qr = await person.run("postern", ["otp", "qr", "--secret-file", "secret"], { env });
    expect(qr.stdout).toContain(ESC);
    expect(withoutQr(qr.stdout)).not.toContain(ESC);
    expect(server.process.stdout + server.process.stderr).not.toContain(ESC);
  });

  it("to a terminal under NO_COLOR has no colour in it but the QR code's, and fits into 80 columns", async () => {
    const terminal = new Terminal(person, "postern", ["register", "bob", ...at(server)], { env: { NO_COLOR: "1" } });
    await terminal.answer("? New password", "bob");
    await terminal.answer("? New password", password);
    await terminal.answer("? Once more", password);
    await terminal.shows("it shows:");
    terminal.press("ctrl-c");
    await terminal.left();
    expect(withoutQr(terminal.output)).not.toMatch(anyColour);
    const [uri = ""] = terminal.history().match(/^otpauth:.*$/m) ?? [];
    for (const line of terminal.history().replace(uri, "").split("\n")) expect(line.length).toBeLessThanOrEqual(80);
  });

  it.concurrent.for(["postern --help", "posternd start --help"])("`%s` fits into 80 columns", async (line) => {
    const { machine, program, args } = parse(line);
    const { code, stdout } = await machine.run(program, args);
    expect(code).toBe(0);
    for (const row of stdout.split("\n")) expect(row.length).toBeLessThanOrEqual(80);
  });
});
