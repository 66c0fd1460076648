import { readFileSync } from "node:fs";
import { join } from "node:path";
import { totpDefaults } from "@postern/shared/otp/parameters";
import { decodeSecret } from "@postern/shared/otp/secret";
import { describe, expect, it, onTestFinished } from "vitest";
import { MINUTE } from "../support/in-process.js";
import type { Machine } from "../support/programs.js";
import { type Key, Terminal } from "../support/terminal.js";
import { password } from "./account.js";
import { hotp, movableServer, newMachine, Owner } from "./caretaker.js";
import { Relay } from "./relay.js";

/** How people look after an account at a terminal: the real client, against a server whose clock is moved. */

const newPassword = "eleven patient harbours";
const well = { code: 0, cooked: true, cursorShown: true };

interface Visit {
  readonly owner: Owner;
  readonly machine: Machine;
  readonly open: (...args: string[]) => Terminal;
}

async function loggedIn(): Promise<Visit> {
  const owner = await Owner.register(await movableServer());
  const machine = newMachine();
  expect(await owner.logIn(machine)).toMatchObject({ code: 0 });
  return { owner, machine, open: (...args) => new Terminal(machine, "postern", [...args, ...owner.at()]) };
}

/** The secret that stands on the screen, grouped by four. */
async function secretOn(terminal: Terminal): Promise<Buffer> {
  await terminal.shows("otpauth://");
  const line = await terminal.shows(/^secret: [A-Z2-7 ]+$/);
  return decodeSecret(line.replace("secret: ", ""));
}

const state = (machine: Machine, file: string) => readFileSync(join(machine.state, file), "utf8");

describe("changing the password", () => {
  it("asks for the old one, the new one twice, and last for the code; and says what has ended", async () => {
    const { owner, machine, open } = await loggedIn();
    const terminal = open("passwd");
    await terminal.answer("? Password of alice", password);
    await terminal.shows("the server has proved itself");
    await terminal.answer("? New password", password);
    await terminal.shows("the new password is the old one");
    await terminal.answer("? New password", newPassword);
    await terminal.answer("? Once more", newPassword);
    await terminal.answer("? Code (a new one comes in", owner.wrongCode());
    await terminal.shows("That code was not accepted.");
    await terminal.answer("? Code (a new one comes in", owner.code());
    await terminal.shows("Password changed.");
    expect(await terminal.left()).toEqual(well);
    expect(terminal.output).not.toMatch(/lighthouses|harbours/);
    machine.write("password", `${newPassword}\n`);
    expect(await owner.logIn(machine)).toMatchObject({ code: 0 });
  });

  it("ends at once at a wrong old one", async () => {
    const { open } = await loggedIn();
    const terminal = open("passwd");
    await terminal.answer("? Password of alice", "three loud harbours");
    await terminal.shows("error: the name or the password is not right");
    expect(await terminal.left()).toMatchObject({ code: 1 });
  });

  it("goes on over another connection when the first one ended while the new one was chosen", async () => {
    const owner = await Owner.register(await movableServer());
    const relay = await Relay.start(owner.server.listen);
    onTestFinished(() => relay.close());
    const args = ["passwd", "alice", "--server", relay.listen, "--fingerprint", owner.server.fingerprint];
    const terminal = new Terminal(newMachine(), "postern", args);
    await terminal.answer("? Password of alice", password);
    await terminal.shows("? New password");
    await relay.cut("FIN");
    terminal.type(newPassword);
    terminal.press("enter");
    await terminal.answer("? Once more", newPassword);
    await terminal.answer("? Code", owner.code());
    await terminal.shows("Password changed.");
    expect(await terminal.left()).toEqual(well);
    expect(relay.connections).toBe(2);
  });
});

describe("a login with a recovery code", () => {
  it("offers another authenticator at once, and says how to end the lost one, which works", async () => {
    const { owner, machine, open } = await loggedIn();
    const login = open("login", "alice");
    await login.answer("? Password", password);
    await login.answer("? Code", owner.person.recoveryCodes[0] ?? "");
    await login.shows("Login successful.");
    await login.shows("warning: that recovery code is used up; you have 9 left");
    await login.answer("? Is your authenticator lost?", "y");
    const secret = await secretOn(login);
    await login.answer("it shows:", "000000");
    await login.shows("That code was not right.");
    await login.answer("it shows:", owner.totp(secret, totpDefaults));
    await login.shows("Added authenticator 2.");
    await login.shows("factor remove");
    expect(await login.left()).toEqual(well);

    const remove = open("factor", "remove");
    await remove.answer("? Which authenticator?", "1");
    await remove.answer('? Remove the authenticator "authenticator"?', "y");
    await remove.shows("Removed authenticator.");
    expect(await remove.left()).toEqual(well);
    expect(await owner.logIn(machine, owner.code())).toMatchObject({ error: "code_refused" });
    expect(await owner.logIn(machine, owner.totp(secret, totpDefaults))).toMatchObject({ code: 0 });
  });
});

describe("a fresh code", () => {
  it("is asked for where it is needed, three times, and then what was asked for goes on", async () => {
    const { owner, open } = await loggedIn();
    owner.server.clock.advance(6 * MINUTE);
    const terminal = open("factor", "add", "--hotp", "--label", "token");
    await terminal.shows("This needs a fresh code");
    await terminal.answer("? Code:", owner.wrongCode());
    await terminal.shows("That code was not accepted.");
    await terminal.answer("? Code:", owner.code());
    const secret = await secretOn(terminal);
    await terminal.answer("it shows:", hotp(secret, 0));
    await terminal.shows("Added token.");
    expect(await terminal.left()).toEqual(well);

    const login = open("login", "alice");
    await login.answer("? Password", password);
    await login.answer("? Code", hotp(secret, 30));
    await login.shows("type two codes in a row");
    await login.answer("? Code", `${hotp(secret, 30)} ${hotp(secret, 31)}`);
    await login.shows("Login successful.");
    expect(await login.left()).toEqual(well);
  });

  it("that is refused three times ends the command", async () => {
    const { owner, open } = await loggedIn();
    owner.server.clock.advance(6 * MINUTE);
    const terminal = open("recovery", "regenerate");
    await terminal.answer("? The recovery codes that you have stop working. Make new ones?", "y");
    for (let tries = 0; tries < 3; tries += 1) await terminal.answer("? Code:", owner.wrongCode());
    await terminal.shows("error: the code was not accepted");
    expect(await terminal.left()).toEqual({ ...well, code: 1 });
  });
});

describe("a connection that ends while a person thinks", () => {
  it("is made anew for what the session does next, by FIN or RST", async () => {
    const owner = await Owner.register(await movableServer());
    const machine = newMachine();
    const relay = await Relay.start(owner.server.listen);
    onTestFinished(() => relay.close());
    const at = ["--server", relay.listen, "--fingerprint", owner.server.fingerprint];
    const login = ["login", "alice", "--password-file", "password", "--code", owner.code()];
    expect(await machine.hosted("postern", [...login, ...at])).toMatchObject({ code: 0 });
    for (const how of ["FIN", "RST"] as const) {
      const before = relay.connections;
      const terminal = new Terminal(machine, "postern", ["recovery", "regenerate", ...at]);
      await terminal.shows("Make new ones?");
      await relay.cut(how);
      terminal.type("y");
      terminal.press("enter");
      await terminal.shows("Your recovery codes.");
      expect(await terminal.left()).toEqual(well);
      expect(relay.connections).toBe(before + 2);
    }
  });

  it("ends an enrolment, whose secret only it had: that is said at once, and nothing was added", async () => {
    const { owner, machine } = await loggedIn();
    const relay = await Relay.start(owner.server.listen);
    onTestFinished(() => relay.close());
    const at = ["--server", relay.listen, "--fingerprint", owner.server.fingerprint];
    const login = ["login", "alice", "--password-file", "password", "--code", owner.code()];
    expect(await machine.hosted("postern", [...login, ...at])).toMatchObject({ code: 0 });
    const terminal = new Terminal(machine, "postern", ["factor", "add", ...at]);
    await terminal.shows("it shows:");
    await relay.cut("FIN");
    await terminal.shows("error: the server closed the connection");
    expect(await terminal.left()).toEqual({ ...well, code: 3 });
    expect((await owner.run(machine, ["factor", "list"])).last["factors"]).toHaveLength(1);
  });
});

describe("the menu", () => {
  it("looks after the account of who is logged in, down to its end", async () => {
    const { owner, machine, open } = await loggedIn();
    await owner.logIn(newMachine());
    const terminal = open();
    const account = async (choice: number) => {
      await terminal.answer("? Postern at", "4");
      await terminal.answer("? Account", String(choice));
    };
    await account(5);
    await terminal.shows("You have 10 of 10 recovery codes left.");
    await terminal.answer("Make new ones?", "n");
    await terminal.shows("Nothing was changed.");
    await account(6);
    await terminal.shows("this session");
    await terminal.answer("? End all but this one?", "y");
    await terminal.shows("Ended 1 other session.");
    await account(7);
    await terminal.answer("? Forget all but this one?", "y");
    await terminal.shows("Forgot 1 other device.");
    await account(2);
    await terminal.shows("TOTP SHA1, 6 digits, 30 s");
    await account(8);
    await terminal.shows("This deletes the account alice");
    await terminal.answer("? Type its name to delete it:", "bob");
    await terminal.shows("That is not its name");
    await terminal.answer("? Type its name to delete it:", "alice");
    await terminal.answer("? Code:", owner.code());
    await terminal.shows("The account alice is deleted.");
    await terminal.answer("? Postern at", "4");
    expect(await terminal.left()).toEqual(well);
    expect(state(machine, "devices.json")).not.toContain("dev_");
    expect(state(machine, "sessions.json")).not.toContain("pss_");
  });
});

describe("Ctrl-C and Ctrl-D", () => {
  type Reach = (visit: Visit) => Promise<Terminal>;
  const typed =
    (args: readonly string[], ...pairs: readonly (readonly [string, string])[]): Reach =>
    async ({ open }) => {
      const terminal = open(...args);
      for (const [question, answer] of pairs) await terminal.answer(question, answer);
      return terminal;
    };
  const old = ["? Password of alice", password] as const;
  const chosen = [
    ["? New password", newPassword],
    ["? Once more", newPassword],
  ] as const;
  const questions: readonly (readonly [string, string, Reach])[] = [
    ["the old password", "? Password of alice", typed(["passwd"])],
    ["the new password", "? New password", typed(["passwd"], old)],
    ["the code of a password change", "? Code", typed(["passwd"], old, ...chosen)],
    ["the first code of another authenticator", "it shows:", typed(["factor", "add"])],
    ["which authenticator", "? Which authenticator?", typed(["factor", "remove"])],
    ["the removal", "? Remove the authenticator", typed(["factor", "remove", "authenticator"])],
    ["new recovery codes", "Make new ones?", typed(["recovery", "regenerate"])],
    ["the name of what is deleted", "? Type its name", typed(["account", "delete"])],
    ["the code of a deletion", "? Code:", typed(["account", "delete"], ["? Type its name", "alice"])],
  ];

  it("at any of these questions leave the terminal, the account and this machine as they were", async () => {
    const visit = await loggedIn();
    const { owner, machine } = visit;
    const kept = () => [state(machine, "sessions.json"), state(machine, "devices.json")];
    const before = kept();
    const keys: readonly Key[] = ["ctrl-c", "ctrl-d"];
    for (const [index, [name, question, reach]] of questions.entries()) {
      const terminal = await reach(visit);
      await terminal.shows(question);
      terminal.press(keys[index % 2] ?? "ctrl-c");
      expect([name, await terminal.left()]).toEqual([name, { ...well, code: 130 }]);
      expect(terminal.history()).toMatch(/\ncancelled$/);
    }
    expect(kept()).toEqual(before);
    expect((await owner.run(machine, ["factor", "list"])).last["factors"]).toHaveLength(1);
    expect(await owner.logIn(machine)).toMatchObject({ code: 0, last: { recovery_codes_left: 10 } });
  });
});
