import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { newDatabase } from "../support/postgres.js";
import { adminPassword, Machine, onlyLine, type Server } from "../support/programs.js";
import { Terminal } from "../support/terminal.js";
import { type Account, password, registerByScript } from "./account.js";

/** A store on its way from a data directory into a database and back, with a person who stays logged in. */

const operator = new Machine();
const alice = new Machine();
const passwordFile = operator.write("admin-password", `${adminPassword}\n`);
const directory = `lmdb:${operator.data}`;
let opened: Awaited<ReturnType<typeof newDatabase>>;
let server: Server;
let account: Account;

beforeAll(async () => {
  [opened, server] = await Promise.all([newDatabase(), operator.startServer()]);
  account = await registerByScript(alice, server, "alice");
});
afterAll(async () => {
  await Promise.all([operator.close(), alice.close()]);
  await opened.remove();
});

const migrateArgs = (from: string, to: string, ...more: string[]) => [
  ...["migrate", "--from", from, "--to", to, "--admin-password-file", passwordFile],
  ...more,
];
const thither = (...more: string[]) => migrateArgs(directory, opened.database.url, ...more);

async function run(args: readonly string[]) {
  const { code, stdout, stderr } = await operator.hosted("posternd", [...args, "--json"]);
  return { code, stderr, line: onlyLine(stdout) };
}
const errorOf = async (args: readonly string[]) => {
  const { code, line } = await run(args);
  return { exit: code, ...(line["error"] as { code: string; message: string }) };
};

/** Where the clients know it: what they have of it goes by that. */
const startOn = (...place: string[]) => operator.startFirstServer([...place, "--listen", server.listen]);
const postern = (...args: string[]) => alice.hosted("postern", [...args, "--server", server.listen, "--json"]);
const logIn = async (code: string) => {
  const file = alice.write("password", `${password}\n`);
  const { code: exit, stdout } = await postern("login", "alice", "--password-file", file, "--code", code);
  return (onlyLine(stdout)["error"] as { code: string } | undefined)?.code ?? exit;
};

describe("posternd migrate", () => {
  it("moves nothing while a server runs, and names it; nor unasked", async () => {
    const used = await logIn(account.authenticator.next());
    expect(used).toBe(0);
    const inUse = await errorOf(thither("--yes"));
    expect(inUse).toMatchObject({ exit: 1, code: "store_in_use" });
    expect(inUse.message).toContain(`the server at ${server.listen} (process ${server.process.pid})`);
    const asking = new Terminal(operator, "posternd", thither());
    await asking.shows("error: another process has the store open");
    expect((await asking.left()).code).toBe(1);
    expect(asking.history()).not.toContain("Move it?");
    await server.process.stop();
    expect(await errorOf(thither())).toMatchObject({ exit: 6, code: "input_needed" });
    expect(
      await opened.database.sql("SELECT 1 FROM pg_namespace WHERE nspname = $1", [opened.database.schema]),
    ).toEqual([]);
  });

  it.each([
    ["no place", "/var/lib/postern", "lmdb:/x", "--from takes lmdb:DIR"],
    [
      "a password in a URL",
      "lmdb:/x",
      "postgres://me:s3cr3t@h/d",
      "--to takes no password: give it by --to-password-file",
    ],
    [
      "a password file for a directory",
      "lmdb:/x",
      "lmdb:/y",
      "--to-password-file is for a database, and --to names none",
    ],
    ["one place twice", "lmdb:/x", "lmdb:/y/../x", "--from and --to name the same place"],
  ])("refuses %s", async (what, from, to, message) => {
    const more = what.startsWith("a password file") ? ["--to-password-file", passwordFile] : [];
    const error = await errorOf(migrateArgs(from, to, "--yes", ...more));
    expect(error).toMatchObject({ code: "usage", message: expect.stringContaining(message) });
    expect(error.message).not.toContain("s3cr3t");
  });

  it("killed on the way leaves one store; the next run moves it, and the person notices nothing", async () => {
    const killed = operator.start("posternd", thither("--yes"));
    await killed.says(/^Copying \d+ records$/m);
    await killed.stop("SIGKILL");
    const { code, line } = await run(thither("--yes"));
    expect({ code, line }).toMatchObject({ code: 0, line: { from: directory } });
    expect((await run(thither("--yes"))).line).toMatchObject({ begun: "done" });

    server = await startOn("--store", opened.database.url);
    expect(JSON.parse((await postern("whoami")).stdout)).toMatchObject({ name: "alice" });
    expect(await logIn(account.authenticator.again())).toBe("code_refused");
    expect(await logIn(account.recoveryCodes[0] ?? "")).toBe(0);
    const moved = await errorOf(["start", "--data", operator.data, "--init", "--admin-password-file", passwordFile]);
    expect(moved).toMatchObject({
      code: "store_moved",
      message: expect.stringMatching(/moved from here: to postgres:/),
    });
    expect(moved.message).toContain(`schema=${opened.database.schema}`);
    await server.process.stop();
  });

  it("asks a person at a terminal, shows how far it is, and moves back to where the store had been", async () => {
    const agreeing = new Terminal(operator, "posternd", migrateArgs(opened.database.url, directory));
    await agreeing.shows("What moved away from there earlier is kept beside it.");
    await agreeing.answer("Move it?", "y");
    await agreeing.shows("compared byte for byte");
    expect((await agreeing.left()).code).toBe(0);
    expect(agreeing.output).toMatch(/\rComparing \[#{30}\] 100 % {2}\d+ records/);
    expect(agreeing.history()).not.toContain("%");
    const lines = agreeing.history().split("\n");
    for (const line of lines.filter((one) => !/postgres:|\/postern/.test(one)))
      expect(line.length).toBeLessThanOrEqual(80);
    const kept = readdirSync(operator.data).filter((name) => name.includes("replaced"));
    expect([kept.length, existsSync(join(operator.data, "store.mdb"))]).toEqual([1, true]);

    server = await startOn();
    expect(JSON.parse((await postern("whoami")).stdout)).toMatchObject({ name: "alice" });
    expect(await logIn(account.recoveryCodes[0] ?? "")).toBe("code_refused");
    expect(await logIn(account.recoveryCodes[1] ?? "")).toBe(0);
    const withPassword = ["--admin-password-file", passwordFile];
    expect((await run(["audit", "verify", ...withPassword])).line).toMatchObject({ ok: true });
    const log = await operator.hosted("posternd", ["audit", "list", "--event", "store.migrate", ...withPassword]);
    expect(log.stdout).toMatch(/store\.migrate {2,}done: from lmdb:.*\n.*done: from postgres:\/\//);
    expect(await errorOf(["status", "--store", opened.database.url, ...withPassword])).toMatchObject({
      code: "store_moved",
    });
  });
});
