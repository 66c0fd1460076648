import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { systemClock, targetOf } from "../support/crash-load.js";
import { logIn, type Person, registered } from "../support/person.js";
import { Machine, onlyLine, type RunOptions, type Server } from "../support/programs.js";
import { Terminal } from "../support/terminal.js";
import { WireClient } from "../support/wire-client.js";

const operator = new Machine();
const passwordFile = join(operator.home, "admin-password");
const clock = systemClock();
let server: Server;
let alice: Person;
let client: WireClient;

beforeAll(async () => {
  server = await operator.startServer(["--http", "off"]);
  const target = { ...targetOf(server), clock };
  alice = await registered(target);
  await registered(target, "x".repeat(64));
  client = await WireClient.open(target);
  await logIn(client, alice, alice.code(clock));
});
afterAll(() => operator.close());

const run = (args: readonly string[], options?: RunOptions) =>
  operator.run("posternd", [...args, "--admin-password-file", passwordFile], options);

describe("posternd user and session, while the server runs,", () => {
  it("list people in 80 columns, and one JSON line each", async () => {
    const { code, stdout, stderr } = await run(["user", "list"]);
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    const lines = stdout.trimEnd().split("\n");
    expect(lines[0]).toMatch(/^name +state +factors +codes +last login$/);
    expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(80);
    expect(stdout).toMatch(/^alice +active +1 +10 +\d{4}-\d\d-\d\d \d\d:\d\d$/m);
    const json = await run(["user", "list", "--match", "al*", "--json"]);
    expect(onlyLine(json.stdout)).toMatchObject({ name: "alice", account: alice.account, state: "active", factors: 1 });
  });

  it("show one person, and no secret", async () => {
    const { code, stdout } = await run(["user", "show", "Alice"]);
    expect(code).toBe(0);
    for (const line of stdout.split("\n")) expect(line.length).toBeLessThanOrEqual(80);
    expect(stdout).toMatch(/^alice {2}acc_[0-9a-f]{32}\nstate +active\n/);
    expect(stdout).toMatch(/^authenticator +TOTP/m);
    expect(stdout).toMatch(/^strangers +passwords judged, codes judged$/m);
    const unknown = await run(["user", "show", "nobody", "--json"]);
    expect(unknown.code).toBe(1);
    expect(onlyLine(unknown.stdout)).toMatchObject({ error: { code: "user_unknown" } });
  });

  it("end the session of a person who is disabled; enabled, they can log in", async () => {
    const sessions = onlyLine((await run(["session", "list", "--json"])).stdout);
    expect(sessions).toMatchObject({ sessions: [{ name: "alice", address: "127.0.0.1" }] });
    const disabled = await run(["user", "disable", "alice"]);
    expect(disabled).toMatchObject({ code: 0, stdout: "alice is disabled. One session was ended.\n" });
    expect(await client.outcome("session.whoami", {})).toBe("session_invalid");
    const enabled = await run(["user", "enable", "alice", "--json"]);
    expect(onlyLine(enabled.stdout)).toMatchObject({ name: "alice", disabled: false, changed: true });
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
    await terminal.shows("Type the name to delete it");
    terminal.type("alicia\r");
    expect(await terminal.left()).toMatchObject({ code: 130, cooked: true });
    const deleted = await run(["user", "delete", "alice", "--yes"]);
    expect(deleted).toMatchObject({ code: 0, stdout: "alice is deleted.\n" });
    const log = await run(["audit", "list", "--event", "user.*"]);
    expect(log.stdout).not.toContain("alice");
    expect(log.stdout.trimEnd().split("\n")).toHaveLength(3);
  });
});
