import { existsSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { adminPassword, Machine, onlyLine, type Server } from "../support/programs.js";
import { type Key, Terminal } from "../support/terminal.js";
import { password, registerByScript } from "./account.js";

const operator = new Machine();
const newcomer = new Machine();
const person = new Machine();
const stranger = new Machine();
const machines = [operator, newcomer, person, stranger];
let server: Server;
beforeAll(async () => {
  server = await operator.startServer();
  await registerByScript(person, server, "alice");
});
afterAll(() => Promise.all(machines.map((machine) => machine.close())));

const posternd = (machine: Machine) => new Terminal(machine, "posternd", ["start", "--listen", "127.0.0.1:0"]);
const postern = (machine: Machine, ...args: string[]) =>
  new Terminal(machine, "postern", [...args, "--server", server.listen]);

async function answered(terminal: Terminal, ...pairs: readonly (readonly [string, string])[]): Promise<Terminal> {
  for (const [question, answer] of pairs) await terminal.answer(question, answer);
  return terminal;
}

const chosen = [
  ["? New password", password],
  ["? Once more", password],
] as const;
const named = ["? Name", "alice"] as const;

/** Every question of both programs: what it shows, and the way to it. */
const questions: readonly (readonly [string, string, () => Promise<Terminal>])[] = [
  ["the new admin password", "? New admin password", async () => posternd(newcomer)],
  [
    "the new admin password once more",
    "? Once more",
    () => answered(posternd(newcomer), ["? New admin password", adminPassword]),
  ],
  ["the admin password", "? Admin password", async () => posternd(operator)],
  ["the first contact", "do you trust it from now on?", async () => postern(stranger, "login")],
  ["the menu", "? Postern at", async () => postern(person)],
  ["the name to register", "? Name", async () => postern(person, "register")],
  ["the new password", "? New password", async () => postern(person, "register", "mallory")],
  [
    "the new password once more",
    "? Once more",
    () => answered(postern(person, "register", "mallory"), ...chosen.slice(0, 1)),
  ],
  ["the first code", "it shows:", () => answered(postern(person, "register", "mallory"), ...chosen)],
  ["the name to log in", "? Name", async () => postern(person, "login")],
  ["the password", "? Password", () => answered(postern(person, "login"), named)],
  ["the code", "? Code", () => answered(postern(person, "login"), named, ["? Password", password])],
];
const keys = ["ctrl-c", "ctrl-d"] as const satisfies readonly Key[];

describe.concurrent("at the question for", () => {
  for (const key of keys) {
    it.for(questions)(`%s, ${key} ends the program and leaves the terminal as it was`, async ([, question, reach]) => {
      const terminal = await reach();
      await terminal.shows(question);
      terminal.press(key);
      expect(await terminal.left()).toEqual({ code: 130, cooked: true, cursorShown: true });
      expect(terminal.history()).toMatch(/\ncancelled$/);
      expect(terminal.history()).not.toContain("    at ");
    });
  }

  it.for([questions[0], questions[2]])("%s, SIGTERM ends posternd and leaves the terminal as it was", async (row) => {
    const [, question, reach] = row ?? questions[0] ?? expect.fail();
    const terminal = await reach();
    await terminal.shows(question);
    process.kill(terminal.pid, "SIGTERM");
    expect(await terminal.left()).toEqual({ code: 130, cooked: true, cursorShown: true });
  });
});

describe("after all that", () => {
  it("no store was made, and no server was trusted", () => {
    expect(existsSync(newcomer.data)).toBe(false);
    expect(existsSync(stranger.config)).toBe(false);
  });

  it("nobody was registered or let in, and the server goes on", async () => {
    await registerByScript(person, server, "mallory");
    const whoami = await person.run("postern", ["whoami", "--server", server.listen, "--json"]);
    expect(onlyLine(whoami.stdout)).toMatchObject({ error: { code: "not_logged_in" } });
    expect(server.process.stderr).not.toMatch(/"level":(50|60)|ERROR/);
  });
});
