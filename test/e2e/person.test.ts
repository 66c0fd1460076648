import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { adminPassword, Machine } from "../support/programs.js";
import { Terminal } from "../support/terminal.js";
import { Authenticator, password } from "./account.js";

const operator = new Machine();
const person = new Machine();
const server = { listen: "", fingerprint: "" };
let posternd: Terminal;
let alice: Authenticator;
afterAll(() => Promise.all([operator.close(), person.close()]));

/** Opens the menu, which trusts the server already, and takes the choice of this number. */
async function menu(choice: number): Promise<Terminal> {
  const terminal = new Terminal(person, "postern", ["--server", server.listen]);
  await choose(terminal, choice);
  return terminal;
}

async function choose(terminal: Terminal, choice: number): Promise<void> {
  await terminal.shows("? Postern at");
  terminal.type(String(choice));
  terminal.press("enter");
}

const widest = (terminal: Terminal) => Math.max(...terminal.window().map((line) => line.length));

describe("an operator who starts posternd for the first time", () => {
  it("chooses the admin password twice, is told what is wrong with it, and sees the ready line", async () => {
    posternd = new Terminal(operator, "posternd", ["start", "--listen", "127.0.0.1:0", "--http", "off"]);
    await posternd.shows("There is no store yet");
    await posternd.answer("? New admin password", "short");
    await posternd.shows("the password is too short");
    await posternd.answer("? New admin password", "password1");
    await posternd.shows("the password is too easy to guess");
    await posternd.answer("? New admin password", adminPassword);
    await posternd.answer("? Once more", `${adminPassword}s`);
    await posternd.shows("the two passwords differ");
    expect(existsSync(join(operator.data, "store.mdb"))).toBe(false);
    await posternd.answer("? New admin password", adminPassword);
    await posternd.answer("? Once more", adminPassword);

    const ready = await posternd.shows(/^posternd ready listen=127\.0\.0\.1:\d+ http=off fingerprint=SHA256:\S{43}$/);
    await posternd.shows("Ctrl-C here stops the server.");
    const [, listen = "", fingerprint = ""] = /listen=(\S+) .* fingerprint=(\S+)/.exec(ready) ?? [];
    Object.assign(server, { listen, fingerprint });
    expect(posternd.history()).toContain(`--server ${listen} register`);
    expect(posternd.output).not.toContain(adminPassword);
  });
});

describe("a person at the menu", () => {
  beforeAll(() => {
    expect(server.listen).not.toBe("");
  });

  it("is shown the fingerprint at the first contact; after a no nothing is pinned, and the menu comes back", async () => {
    const terminal = await menu(1);
    await terminal.answer("? Name", "Alice");
    await terminal.shows("This is the first contact with");
    await terminal.shows(`  ${server.fingerprint}`);
    await terminal.answer("do you trust it from now on?", "n");
    await terminal.shows("error: you did not trust the server");
    await choose(terminal, 4);
    expect(await terminal.left()).toEqual({ code: 0, cooked: true, cursorShown: true });
    expect(existsSync(join(person.config, "known-servers.json"))).toBe(false);
  });

  it("registers: name, trust, password twice, QR code, first code, recovery codes, and back to the menu", async () => {
    const terminal = await menu(1);
    await terminal.answer("? Name", "Alice");
    await terminal.answer("do you trust it from now on?", "y");
    await terminal.answer("? New password", "alice");
    await terminal.shows("the password is too short");
    await terminal.answer("? New password", password);
    await terminal.answer("? Once more", "seven quiet lighthouse");
    await terminal.shows("the two passwords differ");
    await terminal.answer("? New password", password);
    await terminal.answer("? Once more", password);

    const question = "? Scan it with an authenticator app, then type the code it shows:";
    await terminal.shows(question);
    const window = terminal.window();
    const secret = /^secret: ([A-Z2-7 ]+)$/m.exec(window.join("\n"))?.[1]?.replaceAll(" ", "") ?? "";
    const whole = window.join("");
    expect(whole).toContain(`otpauth://totp/Postern:alice?issuer=Postern&secret=${secret}`);
    expect(window.indexOf(question)).toBe(window.length - 1);
    // The QR code's first line, with the upper edges of two finder patterns, has not scrolled away.
    expect(window[0]).toMatch(/^ ▀{7} .* ▀{7}$/);
    expect(widest(terminal)).toBeLessThanOrEqual(80);

    alice = new Authenticator(secret);
    terminal.type(alice.wrong(1)[0] ?? "");
    terminal.press("enter");
    await terminal.shows("That code was not right.");
    await terminal.answer(question, "12345");
    await terminal.shows("A code has 6 digits");
    await terminal.answer(question, alice.next());
    await terminal.shows("Registered as alice.");
    await terminal.shows("Your recovery codes.");
    await choose(terminal, 4);
    expect(await terminal.left()).toEqual({ code: 0, cooked: true, cursorShown: true });
    expect(terminal.history().match(/^ {2}([0-9a-z]{5}-){4}[0-9a-z]{5}$/gm)).toHaveLength(10);
    expect(terminal.output).not.toContain(password);
    expect(readFileSync(join(person.config, "known-servers.json"), "utf8")).toContain(server.fingerprint);
  });

  it("is told the same of a wrong password and of an unknown name, and comes back to the menu", async () => {
    const terminal = await menu(2);
    await terminal.answer("? Name", "alice");
    await terminal.answer("? Password", "three loud harbours");
    const wrong = await terminal.shows("error:");
    await choose(terminal, 2);
    await terminal.answer("? Name", "bob");
    await terminal.answer("? Password", "three loud harbours");
    expect(await terminal.shows("error:")).toBe(wrong);
    expect(wrong).toBe("error: the name or the password is not right");
    expect(terminal.history()).not.toContain("? Code");
    await choose(terminal, 4);
    expect((await terminal.left()).code).toBe(0);
  });

  it("may type three wrong codes, each of which is said, and is then refused", async () => {
    const terminal = await menu(2);
    await terminal.answer("? Name", "alice");
    await terminal.answer("? Password", password);
    await terminal.shows("the server has proved itself");
    const [first = "", ...others] = alice.wrong(3);
    await terminal.answer("? Code (a new one comes in", first);
    for (const code of others) {
      await terminal.shows("That code was not accepted.");
      await terminal.answer("? Code (a new one comes in", code);
    }
    await terminal.shows("error: the code was not accepted");
    await choose(terminal, 4);
    expect((await terminal.left()).code).toBe(0);
  });

  it("logs in, sees who it is, logs out, and quits", async () => {
    const terminal = await menu(2);
    await terminal.answer("? Name", "ALICE");
    await terminal.answer("? Password", password);
    await terminal.answer("? Code", alice.next().replace(/^(...)/, "$1 "));
    await terminal.shows("Login successful. You are alice");
    await choose(terminal, 3);
    await terminal.shows(`alice on ${server.listen}`);
    await choose(terminal, 5);
    await terminal.shows("Logged out.");
    await choose(terminal, 4);
    expect(await terminal.left()).toEqual({ code: 0, cooked: true, cursorShown: true });
    expect(terminal.output).not.toContain(password);
  });

  it("is told when the window is too narrow for the QR code, and may change it while a question stands", async () => {
    const terminal = new Terminal(person, "postern", ["--server", server.listen], { columns: 36, rows: 20 });
    await choose(terminal, 1);
    await terminal.answer("? Name", "carol");
    await terminal.answer("? New password", password);
    await terminal.answer("? Once more", password);
    await terminal.shows("The QR code needs 39 columns and this window has 36");
    await terminal.shows("it shows:");
    terminal.resize(80, 24);
    terminal.press("ctrl-c");
    expect(await terminal.left()).toEqual({ code: 130, cooked: true, cursorShown: true });
  });
});

describe("the operator's terminal afterwards", () => {
  it("says nothing of names, addresses or codes, and Ctrl-C stops the server in good order", async () => {
    posternd.press("ctrl-c");
    await posternd.shows("Stopping.");
    expect(await posternd.left()).toEqual({ code: 0, cooked: true, cursorShown: true });
    expect(posternd.history()).not.toMatch(/alice|bob|lighthouses/);
  });
});
