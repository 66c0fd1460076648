import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { systemClock, targetOf } from "../support/crash-load.js";
import { logIn, Person, register } from "../support/person.js";
import { type HostedOptions, Machine, onlyLine, type Server } from "../support/programs.js";
import { Terminal } from "../support/terminal.js";
import { WireClient } from "../support/wire-client.js";

const operator = new Machine();
const passwordFile = join(operator.home, "admin-password");
let server: Server;
let alice: Person;
let bob: Person;
let client: WireClient;

/** With a code of this moment: the server's clock is the machine's, and goes on meanwhile. */
async function newcomer(name: string): Promise<Person> {
  return register(await WireClient.open(targetOf(server)), new Person(name), { clock: systemClock(), offset: 0 });
}

beforeAll(async () => {
  server = await operator.startServer(["--http", "off"]);
  alice = await newcomer("alice");
  await newcomer("x".repeat(64));
  bob = await newcomer("bob");
  client = await WireClient.open(targetOf(server));
  await logIn(client, alice, alice.recoveryCodes[0] ?? "");
});
afterAll(() => operator.close());

const run = (args: readonly string[], options?: HostedOptions) =>
  operator.hosted("posternd", [...args, "--admin-password-file", passwordFile], options);

describe("posternd user and session, while the server runs,", () => {
  it("list people in 80 columns, and one JSON line each", async () => {
    const { code, stdout, stderr } = await run(["user", "list"]);
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    const lines = stdout.trimEnd().split("\n");
    expect(lines[0]).toMatch(/^name +state +factors +recovery +last login \(UTC\) +created$/);
    expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(80);
    expect(stdout).toMatch(/^alice +active +1 +9 +\d{4}-\d\d-\d\d \d\d:\d\d +\d{4}-\d\d-\d\d$/m);
    const json = await run(["user", "list", "--match", "al*", "--json"]);
    expect(onlyLine(json.stdout)).toMatchObject({ name: "alice", account: alice.account, state: "active", factors: 1 });
  });

  it("show one person, and no secret", async () => {
    const { code, stdout } = await run(["user", "show", "Alice"]);
    expect(code).toBe(0);
    for (const line of stdout.split("\n")) expect(line.length).toBeLessThanOrEqual(80);
    expect(stdout).toMatch(/^alice\naccount +acc_[0-9a-f]{32}\nstate +active\n/);
    expect(stdout).toMatch(/^authenticator +totp/m);
    expect(stdout).toMatch(/^wrong codes +none, by strangers$/m);
    const unknown = await run(["user", "show", "nobody", "--json"]);
    expect(unknown.code).toBe(1);
    expect(onlyLine(unknown.stdout)).toMatchObject({ error: { code: "user_unknown" } });
  });

  it("end the session of a person who is disabled; enabled, they can log in", async () => {
    const session = onlyLine((await run(["session", "list", "--json"])).stdout);
    expect(session).toMatchObject({ name: "alice", account: alice.account, address: "127.0.0.1" });
    const disabled = await run(["user", "disable", "alice"]);
    expect(disabled).toMatchObject({ code: 0, stdout: "alice is disabled, and 1 session ended.\n" });
    expect(await client.outcome("session.whoami", {})).toBe("session_invalid");
    const enabled = await run(["user", "enable", "alice", "--json"]);
    expect(onlyLine(enabled.stdout)).toMatchObject({ name: "alice", disabled: false, changed: true });
  });

  it("end one session by the beginning of its id, and all of them only after a yes", async () => {
    const logInBob = async (code = "") => logIn(await WireClient.open(targetOf(server)), bob, code);
    const { session } = await logInBob(bob.recoveryCodes[0]);
    const revoked = await run(["session", "revoke", session.slice(0, 12), "--json"]);
    expect(onlyLine(revoked.stdout)).toEqual({ revoked: 1, session, name: "bob" });
    await logInBob(bob.recoveryCodes[1]);
    const unasked = await run(["session", "revoke", "--all", "--json"]);
    expect({ code: unasked.code, ...onlyLine(unasked.stdout) }).toMatchObject({
      code: 6,
      error: { code: "input_needed" },
    });
    expect(await run(["session", "revoke", "--all", "--yes"])).toMatchObject({ code: 0, stdout: "Ended 1 session.\n" });
    expect(await run(["session", "list"])).toMatchObject({ code: 0, stdout: "", stderr: "No session.\n" });
  });

  it("delete nobody without a word: a typed name at a terminal, --yes elsewhere", async () => {
    const unasked = await run(["user", "delete", "alice", "--json"]);
    expect(unasked.code).toBe(6);
    expect(onlyLine(unasked.stdout)).toMatchObject({ error: { code: "input_needed" } });
    const terminal = new Terminal(operator, "posternd", [
      "user",
      "delete",
      "alice",
      "--admin-password-file",
      passwordFile,
    ]);
    await terminal.answer("? Type the name to delete it:", "alicia");
    expect(await terminal.left()).toMatchObject({ code: 130, cooked: true });
    for (const line of terminal.history().split("\n")) expect(line.length).toBeLessThanOrEqual(80);
    const deleted = await run(["user", "delete", "alice", "--yes"]);
    expect(deleted).toMatchObject({ code: 0, stdout: "The account alice is deleted.\n" });
    const log = await run(["audit", "list", "--event", "user.*"]);
    expect(log.stdout).not.toContain("alice");
    expect(log.stdout.trimEnd().split("\n")).toHaveLength(3);
  });
});

describe("posternd user and session, given what they do not take,", () => {
  it.each([
    [["user", "list", "--match", ""], 2, "usage"],
    [["user", "list", "--inactive-for", "soon"], 2, "usage"],
    [["user", "list", "--after", "a b"], 1, "name_invalid"],
    [["session", "revoke", "ses_1", "--all", "--yes"], 2, "usage"],
  ] as const)("%j: say so before the store is opened", async (args, code, error) => {
    const ended = await operator.hosted("posternd", [...args, "--data", "nowhere", "--json"]);
    expect({ code: ended.code, error: onlyLine(ended.stdout)["error"] }).toMatchObject({
      code,
      error: { code: error },
    });
  });
});
