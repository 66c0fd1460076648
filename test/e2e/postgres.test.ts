import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { version } from "../../packages/server/src/version.js";
import { posterndOf } from "../support/next-version.js";
import { newDatabase } from "../support/postgres.js";
import { adminPassword, Machine, onlyLine, type Server } from "../support/programs.js";
import { makeReadyDatabase } from "../support/ready-store.js";
import { WireClient } from "../support/wire-client.js";
import { type Account, at, loginArgs, registerByScript } from "./account.js";

/** Two nodes of the real program on one database, of two versions, and the operator's commands beside them. */

const NEXT = "0.99.0";

const operator = new Machine();
const alice = new Machine();
const passwordFile = operator.write("admin-password", `${adminPassword}\n`);
let opened: Awaited<ReturnType<typeof newDatabase>>;
let nodes: [Server, Server];
let account: Account;

/** A store of its own for each node would be made there: none is. */
const onDatabase = () => ["--store", opened.database.url];

beforeAll(async () => {
  opened = await newDatabase({ ours: true });
  await makeReadyDatabase(opened.database.url, adminPassword);
  const next = posterndOf(NEXT, join(operator.home, "next"));
  const named = (name: string) => [...onDatabase(), "--node", name];
  nodes = [await operator.startFirstServer(named("web-1")), await operator.startFirstServer(named("web-2"), next)];
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
    const { sessions } = JSON.parse(readFileSync(join(alice.state, "sessions.json"), "utf8"));
    const client = await WireClient.open({ port: Number(first.listen.split(":")[1]) });
    await client.resume(sessions[second.listen].secret);
    expect(await client.ok("session.whoami", {})).toMatchObject({ name: "alice" });
    await client.close();
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
    expect(line).toMatchObject({
      accounts: 1,
      servers: nodes.map(({ listen }, index) => ({
        listen,
        node: `web-${index + 1}`,
        version: [version, NEXT][index],
      })),
    });
    const { store } = line as { store: Record<string, unknown> };
    expect(store["database"]).toMatch(/^postgres:\/\/postgres@127\.0\.0\.1:\d+\/postgres$/);
    expect(store["bytes"]).toBeGreaterThan(10_000);
    expect([store["directory"], store["free"]]).toEqual([undefined, undefined]);
    const person = await run(["status", ...onDatabase()]);
    for (const text of person.stdout.split("\n")) expect(text.length).toBeLessThanOrEqual(80);
    for (const text of ["  web-1: ", `web-2: ${nodes[1].listen}`, `version ${NEXT}`])
      expect(person.stdout).toContain(text);

    const doctor = await run(["doctor", ...onDatabase(), "--listen", "127.0.0.1:0", "--http", "off", "--json"]);
    const { checks } = JSON.parse(doctor.stdout.split("\n")[0] ?? "") as {
      checks: { check: string; verdict: string }[];
    };
    const verdicts = Object.fromEntries(checks.map(({ check, verdict }) => [check, verdict]));
    // The tests' database does not sync, and a node is of another version than this program.
    expect(verdicts).toMatchObject({ database: "warn", store: "ok", audit: "ok", version: "warn" });
    expect(verdicts).not.toHaveProperty("disk");
  });

  it("is one log of what each node wrote, which is listed by node, and verified with all of them", async () => {
    const rows = (await run(["audit", "list", ...onDatabase()])).stdout;
    expect(rows).toMatch(/^store {4}1 \S+ \S+ node\.add +done: web-1 nod_[0-9a-f]{32}/m);
    expect(rows).toMatch(/^web-1 +\d+ .* register +done +alice/m);
    expect(rows).toMatch(/^web-2 +\d+ .* login +granted: totp new_device alice/m);
    const only = (await json("audit", "list", "--node", "web-2", "--event", "server.start")).line;
    expect(only).toMatchObject({ node: "web-2", event: "server.start", outcome: "done" });
    expect((await json("audit", "list", "--node", "web-9")).line).toMatchObject({ error: { code: "node_unknown" } });
    const verified = (await run(["audit", "verify", ...onDatabase()])).stdout;
    expect(verified).toMatch(/^The audit log holds: \d+ entries of 3 nodes\.\n {2}store: \d+ entries\n {2}web-1: /);
    expect(nodes[1].process.stderr).not.toMatch(/"level":(40|50)/);
  });

  it("is no store for a program that is older than it", async () => {
    const { schema, sql } = opened.database;
    await sql(`UPDATE ${schema}.format SET version = version + 1`);
    const [refused, person] = [await json("status"), await run(["status", ...onDatabase()])];
    await sql(`UPDATE ${schema}.format SET version = version - 1`);
    expect([refused.code, refused.line]).toMatchObject([2, { error: { code: "store_future" } }]);
    expect(person.stderr).toContain("the store was written by a newer Postern");
  });

  it("goes on by the next version when the old one is stopped", async () => {
    expect((await nodes[0].process.stop()).code).toBe(0);
    expect((await json("status")).line).toMatchObject({ servers: [{ node: "web-2", version: NEXT }] });
    const code = account.recoveryCodes[0] ?? "";
    const logIn = await alice.hosted("postern", [...loginArgs(alice, nodes[1], "alice", code), "--json"]);
    expect(logIn.code).toBe(0);
  });

  it("is backed up while nodes run, also for a data directory; a restore, and another root key, wait until none does", async () => {
    const file = `${operator.home}/backup`;
    expect((await json("backup", file)).line).toMatchObject({ file, records: expect.any(Number) });
    expect((await json("restore", file, "--yes")).line).toMatchObject({ error: { code: "store_in_use" } });
    expect((await json("rekey", "--new-root")).line).toMatchObject({ error: { code: "store_in_use" } });
    expect((await nodes[1].process.stop()).code).toBe(0);
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
    const chains = [{ node: "store" }, { node: "web-1" }, { node: "web-2" }];
    expect((await json("audit", "verify")).line).toMatchObject({ ok: true, chains });
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
