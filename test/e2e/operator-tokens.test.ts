import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Machine, onlyLine, type Running, type Server } from "../support/programs.js";
import { Terminal } from "../support/terminal.js";
import { Authenticator, password } from "./account.js";

const operator = new Machine();
const alice = new Machine();
const bob = new Machine();
const newPassword = "four quiet lighthouses";
/** Used up by the end of the tests that made them; what they are shows all the same. */
const made = { invite: "", reset: "" };
let server: Server;
beforeAll(async () => {
  server = await operator.startServer(["--registration", "invite"]);
});
afterAll(() => Promise.all([operator.close(), alice.close(), bob.close()]));

/** What an operator's command prints, with the admin password from its file. */
async function operate(...args: string[]) {
  return operator.hosted("posternd", [...args, "--admin-password-file", join(operator.home, "admin-password")]);
}

const tokenForm = /^ptk_[A-Za-z0-9_-]{72}\n$/;

/** A token as a command printed it: alone on stdout, what is said of it on stderr. */
async function tokenBy(...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await operate(...args);
  expect({ code, stdout }).toEqual({ code: 0, stdout: expect.stringMatching(tokenForm) });
  expect(stderr).toContain("It is shown this one time.");
  expect(Math.max(...`${stdout}${stderr}`.split("\n").map(({ length }) => length))).toBeLessThanOrEqual(80);
  return stdout;
}

/** The end of what shows an authenticator first: its first code is a line of standard input. */
async function enrolled(running: Running): Promise<{ authenticator: Authenticator; done: Record<string, unknown> }> {
  const [, secret = ""] = await running.prints(/"secret":"([A-Z2-7]+)"/);
  const authenticator = new Authenticator(secret);
  running.say(authenticator.next());
  const { code, stdout, stderr } = await running.ended;
  expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
  return { authenticator, done: JSON.parse(stdout.split("\n")[1] ?? "") };
}

describe("a script whose operator invites, and helps out", () => {
  const to = () => ["--server", server.listen];
  let account: Record<string, unknown>;
  let codes: readonly string[];

  it("is refused without an invite, before it is asked for anything else", async () => {
    const file = alice.write("password", `${password}\n`);
    const args = ["register", "alice", ...to(), "--fingerprint", server.fingerprint, "--password-file", file, "--json"];
    const { code, stdout } = await bob.hosted("postern", args);
    expect(code).toBe(1);
    expect(onlyLine(stdout)).toMatchObject({ error: { code: "invite_needed" } });
  });

  it("registers by an invite alone: it says which server it is, and that one is known from then on", async () => {
    const invite = await tokenBy("invite", "create", "--note", "for alice");
    made.invite = invite;
    const files = ["--invite-file", alice.write("invite", invite), "--password-file", join(alice.home, "password")];
    const running = alice.start("postern", ["register", "alice", ...to(), ...files, "--json"], { stdin: "open" });
    const { done } = await enrolled(running);
    account = done;
    codes = done["recovery_codes"] as readonly string[];
    expect(readFileSync(join(alice.config, "known-servers.json"), "utf8")).toContain(server.fingerprint);
    const again = await alice.hosted("postern", ["register", "carol", ...to(), ...files, "--json"], { stdin: "open" });
    expect(again.code).toBe(1);
    expect(onlyLine(again.stdout)).toMatchObject({ error: { code: "token_invalid" } });
    const { stdout } = await operate("invite", "list", "--json");
    expect(onlyLine(stdout)).toMatchObject({ invites: [{ state: "used", uses: 1, used: 1, note: "for alice" }] });
  });

  it("withdraws an invite, by the beginning of its id", async () => {
    const { stdout } = await operate("invite", "create", "--json");
    const { id, token } = onlyLine(stdout) as { id: string; token: string };
    const revoked = await operate("invite", "revoke", id.slice(0, 12), "--json");
    expect(onlyLine(revoked.stdout)).toMatchObject({ id, state: "revoked" });
    const args = ["register", "carol", ...to(), "--invite", token, "--json"];
    const refused = await bob.hosted("postern", [...args, "--password-file", join(alice.home, "password")]);
    expect(onlyLine(refused.stdout)).toMatchObject({ error: { code: "token_invalid" } });
  });

  it("sets a new password by a token and a code, once", async () => {
    const token = await tokenBy("user", "reset-password", "Alice");
    made.reset = token;
    const args = ["recover", "alice", ...to(), "--token-file", "-", "--new-password-file", "-", "--json"];
    const lines = (code = "") => ({ stdin: { text: `${token}${newPassword}\n${code}\n` } });
    const { code, stdout } = await alice.hosted("postern", args, lines(codes[0]));
    expect({ code, result: onlyLine(stdout) }).toEqual({
      code: 0,
      result: { reset: "password", account: account["account"], name: "alice" },
    });
    const again = await alice.hosted("postern", args, lines(codes[1]));
    expect(onlyLine(again.stdout)).toMatchObject({ error: { code: "token_invalid" } });
  });

  it("replaces the authenticator by a token and the password, and logs in with both new", async () => {
    const token = await tokenBy("user", "reset-factors", "alice", "--expires", "1h");
    const files = ["--token-file", alice.write("token", token), "--password-file", alice.write("new", newPassword)];
    const running = alice.start("postern", ["recover", "alice", ...to(), ...files, "--json"], { stdin: "open" });
    const { authenticator, done } = await enrolled(running);
    expect(done).toMatchObject({ reset: "factors", account: account["account"], name: "alice" });
    expect(done["recovery_codes"]).toHaveLength(10);
    const login = ["login", "alice", ...to(), "--password-file", join(alice.home, "new"), "--json"];
    const old = await alice.hosted("postern", [...login, "--code", codes[2] ?? ""]);
    expect(onlyLine(old.stdout)).toMatchObject({ error: { code: "code_refused" } });
    const { code } = await alice.hosted("postern", [...login, "--code", authenticator.next()]);
    expect(code).toBe(0);
  });

  it.each<[string, keyof typeof made | undefined, readonly string[], { code: number; error: string }]>([
    ["what is no token", undefined, [], { code: 2, error: "token_malformed" }],
    ["an invite", "invite", [], { code: 2, error: "token_of_other_kind" }],
    ["an option that the token has no use for", "reset", ["--password-file", "x"], { code: 2, error: "usage" }],
    ["no code", "reset", ["--new-password-file", "x"], { code: 6, error: "input_needed" }],
  ])("is told of %s before it connects", async (_what, given, options, { code, error }) => {
    const token = given === undefined ? "ptk_AAAA" : made[given];
    const args = ["recover", "alice", "--server", "127.0.0.1:1", "--token-file", bob.write("token", token), ...options];
    const ended = await bob.hosted("postern", [...args, "--json"]);
    expect({ code: ended.code, error: onlyLine(ended.stdout)["error"] }).toMatchObject({
      code,
      error: { code: error },
    });
  });

  it("makes no token for nobody", async () => {
    const { code, stdout, stderr } = await operate("user", "reset-password", "nobody");
    expect({ code, stdout }).toEqual({ code: 1, stdout: "" });
    expect(stderr).toContain("there is nobody of that name here");
  });

  it("finds no token in the audit log", async () => {
    const { stdout } = await operate("audit", "list", "--json");
    expect(stdout).toContain('"invite.revoke"');
    expect(stdout).toContain('"user.reset-factors"');
    expect(stdout).not.toContain("ptk_");
  });
});

describe("a person at a terminal", () => {
  it("pastes an invite where the server wants one, unseen, and a reset token at the menu", async () => {
    const invite = (await tokenBy("invite", "create")).trim();
    const to = ["--server", server.listen, "--fingerprint", server.fingerprint];
    const terminal = new Terminal(bob, "postern", to);
    await terminal.answer("? Postern at", "1");
    await terminal.answer("? Name", "bob");
    await terminal.shows("This server takes registrations by invite only.");
    await terminal.answer("? Your invite", "ptk_oops");
    await terminal.shows("that is not a token");
    await terminal.answer("? Your invite", made.reset.trim());
    await terminal.shows("that token is for something else");
    await terminal.answer("? Your invite", invite);
    await terminal.answer("? New password", password);
    await terminal.answer("? Once more", password);
    const [, secret = ""] = /secret: ([A-Z2-7 ]+)/.exec(await terminal.shows("secret: ")) ?? [];
    const authenticator = new Authenticator(secret.replaceAll(" ", ""));
    await terminal.answer("it shows:", authenticator.next());
    await terminal.shows("Registered as bob.");
    const token = (await tokenBy("user", "reset-password", "bob")).trim();
    await terminal.answer("? Postern at", "3");
    await terminal.answer("? Token of the operator", token);
    await terminal.answer("? Name", "bob");
    await terminal.answer("? New password", newPassword);
    await terminal.answer("? Once more", newPassword);
    await terminal.answer("? Code", authenticator.next());
    await terminal.shows("Password set.");
    await terminal.answer("? Postern at", "4");
    expect(await terminal.left()).toEqual({ code: 0, cooked: true, cursorShown: true });
    for (const hidden of [invite, token, password, newPassword]) expect(terminal.output).not.toContain(hidden);
    expect(existsSync(join(bob.state, "sessions.json"))).toBe(false);
  });
});
