import { spawnSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { mkdirSync, readdirSync, readFileSync, renameSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createBarrier } from "../../packages/server/src/barrier/barrier.js";
import { initialiseStore } from "../../packages/server/src/services/store.js";
import { openLmdbStorage } from "../../packages/server/src/storage/lmdb.js";
import { adminPassword, type HostedOptions, Machine, onlyLine, type Server } from "../support/programs.js";
import { leastStretch } from "../support/ready-store.js";
import { Terminal } from "../support/terminal.js";
import { type Account, loginArgs, registerByScript } from "./account.js";

/** The admin password, the keys and the copies of a store, by the programs themselves. */

const operator = new Machine();
const alice = new Machine();
const passwordFile = operator.write("admin-password", `${adminPassword}\n`);
const NEXT = "another harbour umbrella";
const nextFile = operator.write("next-password", `${NEXT}\n`);
const backupFile = join(operator.home, "backup");
let server: Server;
let account: Account;

beforeAll(async () => {
  server = await operator.startServer();
  account = await registerByScript(alice, server, "alice");
});
afterAll(() => Promise.all([operator.close(), alice.close()]));

const run = (args: readonly string[], options?: HostedOptions) => operator.hosted("posternd", args, options);
const withPassword = (...args: string[]) => [...args, "--admin-password-file", passwordFile];

/** The one line of JSON of a command that is expected to do its work. */
async function json(...args: string[]): Promise<Record<string, unknown>> {
  const { code, stdout, stderr } = await run([...withPassword(...args), "--json"]);
  expect({ code, stdout, stderr }).toMatchObject({ code: 0 });
  return onlyLine(stdout);
}

async function errorOf(args: readonly string[], options?: HostedOptions) {
  const { code, stdout } = await run([...args, "--json"], options);
  const { error } = onlyLine(stdout) as { error?: { code: string; message: string } };
  return { code, error: error?.code, message: error?.message };
}

const logIn = (code: string) => alice.hosted("postern", [...loginArgs(alice, server, "alice", code), "--json"]);

const events = async (data = operator.data, file = passwordFile) => {
  const { stdout } = await run(["audit", "list", "--data", data, "--admin-password-file", file, "--json"]);
  const rows = stdout.trim().split("\n");
  return rows.map((line) => (JSON.parse(line) as { event: string }).event);
};

describe("posternd backup, while the server runs,", () => {
  it("writes a new file that only its owner may read, and says what is in it", async () => {
    const { records, bytes, file } = await json("backup", backupFile);
    const facts = statSync(backupFile);
    expect({ file, bytes, mode: facts.mode & 0o777 }).toEqual({ file: backupFile, bytes: facts.size, mode: 0o600 });
    expect(records).toBeGreaterThan(8);
    const contents = readFileSync(backupFile);
    for (const word of ["alice", "127.0.0.1", "login", adminPassword]) expect(contents.includes(word)).toBe(false);
  });

  it("replaces no file without --force", async () => {
    const before = readFileSync(backupFile);
    expect(await errorOf(withPassword("backup", backupFile))).toMatchObject({ code: 2, error: "file_unwritable" });
    expect(readFileSync(backupFile)).toEqual(before);
    const { code, stdout } = await run(withPassword("backup", backupFile, "--force"));
    expect({ code, stdout }).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(/^Written to .*\n {2}\d+ records, /),
    });
  });

  it("writes to stdout what restores, and nothing else; not to a terminal", async () => {
    const { code, stdout, stderr } = await run(withPassword("backup", "-"));
    expect([code, stdout.startsWith("POSTERN BACKUP\0\0")]).toEqual([0, true]);
    expect(stderr).toMatch(/^Sent: \d+ records/m);
    const terminal = new Terminal(operator, "posternd", withPassword("backup", "-"));
    await terminal.shows("send it to a file or a pipe");
    expect((await terminal.left()).code).toBe(2);
  });
});

describe("posternd restore", () => {
  it("does nothing while a server has the store open, and says which process", async () => {
    const { code, error, message } = await errorOf(withPassword("restore", backupFile, "--yes"));
    expect({ code, error }).toEqual({ code: 1, error: "store_in_use" });
    expect(message).toContain(`process ${server.process.pid}`);
    expect(readdirSync(operator.data).sort()).toEqual(["store.mdb", "store.mdb-lock"]);
  });

  it("the drill: the directory is lost, and restored; who was registered logs in, with nothing of before", async () => {
    const used = account.authenticator.next();
    expect((await logIn(used)).code).toBe(0);
    const [, port = ""] = server.listen.split(":");
    expect((await server.process.stop()).code).toBe(0);
    renameSync(operator.data, `${operator.data}.lost`);

    const restored = await json("restore", backupFile);
    expect(restored).toMatchObject({ file: backupFile, data: operator.data, accounts: 1 });
    expect(restored["replaced"]).toBeUndefined();
    expect(await events()).toContain("store.restore");
    const again = await operator.startServer(["--listen", `127.0.0.1:${port}`]);
    expect([again.fingerprint, again.listen]).toEqual([server.fingerprint, server.listen]);
    server = again;

    const whoami = await alice.hosted("postern", ["whoami", "--server", server.listen, "--json"]);
    expect(onlyLine(whoami.stdout)).toMatchObject({ error: { code: "session_invalid" } });
    for (const code of [used, account.recoveryCodes[0] ?? ""]) {
      expect(onlyLine((await logIn(code)).stdout)).toMatchObject({ error: { code: "code_refused" } });
    }
  });

  it("asks on a terminal before it replaces, and keeps what was there; with another word it does nothing", async () => {
    expect((await server.process.stop()).code).toBe(0);
    expect(await errorOf(withPassword("restore", backupFile))).toMatchObject({ code: 6, error: "input_needed" });
    const start = () => new Terminal(operator, "posternd", ["restore", backupFile]);
    const refusing = start();
    await refusing.answer("Type replace to replace it", "yes");
    expect(await refusing.left()).toEqual({ code: 130, cooked: true, cursorShown: true });
    const agreeing = start();
    await agreeing.answer("Type replace to replace it", "replace");
    await agreeing.answer("? Admin password of the backup", "wrong wrong wrong");
    await agreeing.shows("A backup opens with the admin password of the day");
    await agreeing.answer("? Admin password of the backup", adminPassword);
    await agreeing.shows("Everybody logs in again");
    expect((await agreeing.left()).code).toBe(0);
    const paths = [operator.data, backupFile];
    const lines = agreeing.history().split("\n");
    for (const line of lines.filter((one) => !paths.some((path) => one.includes(path)))) {
      expect(line.length).toBeLessThanOrEqual(80);
    }
    const kept = readdirSync(operator.data).filter((name) => name.includes("replaced"));
    expect(kept).toHaveLength(1);
    const aside = join(operator.home, "aside");
    mkdirSync(aside, { mode: 0o700 });
    renameSync(join(operator.data, kept[0] ?? ""), join(aside, "store.mdb"));
    expect(await events(aside)).toContain("server.stop");
  });

  it("refuses what is no backup, and one in which a byte was changed; the store stays as it is", async () => {
    const before = readFileSync(join(operator.data, "store.mdb"));
    const changed = readFileSync(backupFile);
    changed.writeUInt8(changed.readUInt8(2000) ^ 1, 2000);
    for (const [bytes, code, error] of [
      [Buffer.from(changed.toString("hex")), 2, "backup_foreign"],
      [changed, 3, "backup_damaged"],
    ] as const) {
      writeFileSync(join(operator.home, "changed"), bytes);
      expect(await errorOf(withPassword("restore", "changed", "--yes"))).toMatchObject({ code, error });
    }
    expect(readFileSync(join(operator.data, "store.mdb"))).toEqual(before);
    expect(readdirSync(operator.data).sort()).toEqual(["store.mdb", "store.mdb-lock"]);
  });

  it("attack 37: leaves the store as it is where the disk is full", async () => {
    const before = readFileSync(join(operator.data, "store.mdb"));
    const script = 'ulimit -f 12; exec "$0" "$@"';
    const node = [process.execPath, join(import.meta.dirname, "../../packages/server/bin/posternd.js")];
    const args = [...withPassword("restore", backupFile, "--yes"), "--json"];
    const { status, stdout } = spawnSync("bash", ["-c", script, ...node, ...args], { env: operator.env });
    expect([status, onlyLine(String(stdout))]).toMatchObject([3, { error: { code: "store_failed" } }]);
    expect(readFileSync(join(operator.data, "store.mdb"))).toEqual(before);
    expect(readdirSync(operator.data).sort()).toEqual(["store.mdb", "store.mdb-lock"]);
  });

  it.each([
    ["no file", ["restore"], 2, "usage"],
    ["a file that is not there", ["restore", "nowhere"], 2, "file_unreadable"],
    ["no store to back up", ["backup", "x", "--data", "nowhere"], 2, "store_missing"],
  ] as const)("given %s: says so", async (_what, args, code, error) => {
    expect(await errorOf(withPassword(...args), { stdin: "open" })).toMatchObject({ code, error });
  });
});

describe("posternd admin-password change", () => {
  const both = ["admin-password", "change", "--admin-password-file", "-", "--new-admin-password-file", "-", "--json"];

  it("is refused a wrong old one, and a weak new one", async () => {
    const weak = operator.write("weak", "password\n");
    for (const [old, next, error] of [
      [nextFile, nextFile, "admin_password_wrong"],
      [passwordFile, weak, "password_too_weak"],
    ] as const) {
      const args = ["admin-password", "change", "--admin-password-file", old, "--new-admin-password-file", next];
      expect(await errorOf(args)).toMatchObject({ code: 1, error });
    }
  });

  it("takes effect at once, while the server goes on; old backups open with the old one", async () => {
    server = await operator.startServer();
    const { code, stdout, stderr } = await run(both, { stdin: { text: `${adminPassword}\n${NEXT}\n` } });
    expect({ code, ...onlyLine(stdout) }).toEqual({ code: 0, changed: true });
    expect(stderr).toMatch(/still open with the old one/);
    expect(await errorOf(withPassword("audit", "verify"))).toMatchObject({ error: "admin_password_wrong" });
    expect(await events(operator.data, nextFile)).toContain("admin-password.change");
    const wrong = await logIn("000000");
    expect(onlyLine(wrong.stdout)).toMatchObject({ error: { code: "code_refused" } });
    const args = ["restore", backupFile, "--data", "elsewhere", "--admin-password-file", nextFile];
    expect(await errorOf(args)).toMatchObject({
      error: "admin_password_wrong",
      message: expect.stringContaining("of the day it was made"),
    });
  });

  it("asks a person for the old one, and twice for the new one", async () => {
    const terminal = new Terminal(operator, "posternd", ["admin-password", "change"]);
    await terminal.answer("? Admin password", NEXT);
    await terminal.answer("? New admin password", NEXT);
    await terminal.shows("the new password is the old one");
    await terminal.answer("? New admin password", adminPassword);
    await terminal.answer("? Once more", adminPassword);
    await terminal.shows("The admin password is changed");
    expect((await terminal.left()).code).toBe(0);
    for (const line of terminal.history().split("\n")) expect(line.length).toBeLessThanOrEqual(80);
  });

  it("with a server that runs, another root key is refused: it would know the old one only", async () => {
    expect(await errorOf(withPassword("rekey", "--new-root"))).toMatchObject({ code: 1, error: "store_in_use" });
    await server.process.stop();
  });
});

describe("posternd rekey", () => {
  const RECORDS = 20_000;
  const data = join(operator.home, "large");

  it("killed in the middle, goes on with what is left, and says so; piped it tells how far it is, line by line", async () => {
    mkdirSync(data, { mode: 0o700 });
    const storage = await openLmdbStorage({ directory: data, create: true });
    const barrier = await createBarrier(storage, Buffer.from(adminPassword), leastStretch);
    await initialiseStore(barrier, { now: Date.now, random: randomBytes }, ["localhost"]);
    await barrier.transact(async (tx) => {
      for (let at = 0; at < RECORDS; at++) {
        const key = Buffer.alloc(33, 0x7f);
        key.writeUInt32BE(at, 1);
        await tx.put(key, Buffer.alloc(100));
      }
    });
    const first = operator.start("posternd", withPassword("rekey", "--data", data));
    await first.says(/Sealing/);
    expect((await first.stop("SIGKILL")).code).toBe(137);
    const counts = await barrier.countTerms();
    await barrier.close();
    await storage.close();
    expect([counts.get(1), counts.get(2)].every((count) => count !== undefined && count > 0)).toBe(true);

    const { code, stdout, stderr } = await run(withPassword("rekey", "--data", data));
    expect(code).toBe(0);
    expect(stdout).toMatch(
      /^Went on with a rekey that had not come to its end\.\n\d+ records were sealed anew; all are in term 2\.\n/,
    );
    expect(stderr).toMatch(/^Sealing [1-9]0 %\n/);
    expect(stdout).toContain(`${counts.get(1)} records`);
    expect((await events(data)).filter((event) => event.startsWith("rekey"))).toEqual([
      "rekey.begin",
      "rekey.begin",
      "rekey.end",
    ]);
  });

  it("shows a person a bar, which goes again; with another root key too", async () => {
    const args = withPassword("rekey", "--new-root", "--data", data);
    const terminal = new Terminal(operator, "posternd", args, { env: { NO_COLOR: "1" } });
    await terminal.shows("The store has another root key.");
    await terminal.shows("all are in term 3.");
    expect((await terminal.left()).code).toBe(0);
    expect(terminal.output).toMatch(/\rSealing \[#+-+\] +\d+ %/);
    expect(terminal.history()).not.toContain("%");
  });

  it("under --json prints the result and nothing else", async () => {
    const { stderr, stdout, code } = await run([...withPassword("rekey", "--data", data), "--json"]);
    expect({ stderr, code }).toEqual({ stderr: "", code: 0 });
    expect(onlyLine(stdout)).toMatchObject({ term: 4, dropped: [3], left: [], resumed: false });
  });
});
