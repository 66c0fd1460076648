import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { newDatabase } from "../support/postgres.js";
import { adminPassword, Machine, onlyLine, type Server } from "../support/programs.js";
import { makeReadyDatabase } from "../support/ready-store.js";
import { type Account, at, loginArgs, registerByScript } from "./account.js";

/** Two nodes of the real program on one database, and the operator's commands beside them. */

const operator = new Machine();
const alice = new Machine();
const passwordFile = operator.write("admin-password", `${adminPassword}\n`);
let opened: Awaited<ReturnType<typeof newDatabase>>;
let nodes: [Server, Server];
let account: Account;

/** A store of its own for each node would be made there: none is. */
const onDatabase = () => ["--store", opened.database.url];

beforeAll(async () => {
  opened = await newDatabase();
  await makeReadyDatabase(opened.database.url, adminPassword);
  nodes = [await operator.startFirstServer(onDatabase()), await operator.startFirstServer(onDatabase())];
  account = await registerByScript(alice, nodes[0], "alice");
});
afterAll(async () => {
  await Promise.all([operator.close(), alice.close()]);
  await opened.remove();
});

async function run(args: readonly string[]) {
  const ended = await operator.hosted("posternd", [...args, "--admin-password-file", passwordFile]);
  return { ...ended, ...(args.includes("--json") ? { line: onlyLine(ended.stdout) } : { line: {} }) };
}
const json = (...args: string[]) => run([...args, ...onDatabase(), "--json"]);

describe("posternd --store postgres://…", () => {
  it("serves a person who registered at one node at the other one, until a logout at either", async () => {
    const [first, second] = nodes;
    expect(first.fingerprint).toBe(second.fingerprint);
    const code = account.authenticator.next();
    const logIn = await alice.hosted("postern", [...loginArgs(alice, second, "alice", code), "--json"]);
    expect(logIn.code).toBe(0);
    const again = await alice.hosted("postern", [...loginArgs(alice, first, "alice", code), "--json"]);
    expect(onlyLine(again.stdout)).toMatchObject({ error: { code: "code_refused" } });
    const session = await json("session", "list", "--user", "alice");
    expect(session.stdout).toContain("ses_");
    expect((await json("session", "revoke", "--user", "alice")).code).toBe(0);
    const after = await alice.hosted("postern", ["whoami", ...at(second), "--json"]);
    expect(onlyLine(after.stdout)).toMatchObject({ error: { code: "session_invalid" } });
  });

  it("is one store for status and doctor, which know what is not theirs to see", async () => {
    const { code, line } = await json("status");
    expect(code).toBe(0);
    expect(line).toMatchObject({ accounts: 1, servers: nodes.map(({ listen }) => ({ listen })) });
    const { store } = line as { store: Record<string, unknown> };
    expect(store["database"]).toMatch(/^postgres:\/\/postgres@127\.0\.0\.1:\d+\/postgres$/);
    expect(store["bytes"]).toBeGreaterThan(10_000);
    expect([store["directory"], store["free"]]).toEqual([undefined, undefined]);
    const person = await run(["status", ...onDatabase()]);
    for (const text of person.stdout.split("\n")) expect(text.length).toBeLessThanOrEqual(80);

    const doctor = await run(["doctor", ...onDatabase(), "--listen", "127.0.0.1:0", "--http", "off", "--json"]);
    const { checks } = JSON.parse(doctor.stdout.split("\n")[0] ?? "") as {
      checks: { check: string; verdict: string }[];
    };
    const verdicts = Object.fromEntries(checks.map(({ check, verdict }) => [check, verdict]));
    // The tests' database does not sync.
    expect(verdicts).toMatchObject({ database: "warn", store: "ok", audit: "ok", version: "ok" });
    expect(verdicts).not.toHaveProperty("disk");
  });

  it("is backed up while nodes run, also for a data directory; a restore, and another root key, wait until none does", async () => {
    const file = `${operator.home}/backup`;
    expect((await json("backup", file)).line).toMatchObject({ file, records: expect.any(Number) });
    expect((await json("restore", file, "--yes")).line).toMatchObject({ error: { code: "store_in_use" } });
    expect((await json("rekey", "--new-root")).line).toMatchObject({ error: { code: "store_in_use" } });
    for (const { process } of nodes) process.signal("SIGTERM");
    expect((await Promise.all(nodes.map(({ process }) => process.ended))).map(({ code }) => code)).toEqual([0, 0]);
    const unasked = await json("restore", file);
    expect([unasked.code, unasked.line]).toMatchObject([6, { error: { code: "input_needed" } }]);
    const restored = await json("restore", file, "--yes");
    expect(restored.line).toMatchObject({
      accounts: 1,
      replaced: expect.stringMatching(`^${opened.database.schema}_\\d`),
    });
    await opened.database.sql(`DROP SCHEMA ${(restored.line as { replaced: string }).replaced} CASCADE`);
    const inFile = await run(["restore", file, "--json"]);
    expect(inFile.line).toMatchObject({ data: operator.data, accounts: 1 });
    expect((await json("rekey", "--new-root")).code).toBe(0);
    expect((await json("audit", "verify")).line).toMatchObject({ ok: true });
  });
});

describe("--store and what is not there", () => {
  it.each([
    ["a password in it", (url: string) => url.replace("postgres@", "postgres:s3cr3t@"), 2, "usage"],
    ["no such database", (url: string) => url.replace("/postgres?", "/nowhere?"), 1, "store_denied"],
    ["a schema without a store", (url: string) => url.replace(/schema=.*/, "schema=nothing_here"), 2, "store_missing"],
    ["nobody who listens", () => "postgres://nobody@127.0.0.1:1/x", 3, "store_unreachable"],
    ["something else", () => "mysql://x@y/z", 2, "usage"],
  ])("says so of %s", async (_what, changed, code, error) => {
    const { line, ...ended } = await run(["status", "--store", changed(opened.database.url), "--json"]);
    expect([ended.code, line]).toMatchObject([code, { error: { code: error } }]);
    expect(ended.stdout + ended.stderr).not.toContain("s3cr3t");
  });

  it("takes the password from a file alone, and only for a database", async () => {
    const file = operator.write("db-password", "s3cr3t\n");
    const without = await run(["status", "--store-password-file", file, "--json"]);
    expect([without.code, without.line]).toMatchObject([2, { error: { code: "usage" } }]);
    const stdin = await run(["status", ...onDatabase(), "--store-password-file", "-", "--json"]);
    expect([stdin.code, stdin.line]).toMatchObject([2, { error: { code: "usage" } }]);
    expect((await json("status", "--store-password-file", file)).code).toBe(0);
  });
});
