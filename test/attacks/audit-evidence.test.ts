import { randomBytes } from "node:crypto";
import { chmodSync, cpSync, existsSync, mkdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it, onTestFinished, vi } from "vitest";
import { createBarrier } from "../../packages/server/src/barrier/barrier.js";
import { putErasure } from "../../packages/server/src/records/audit-erasure.js";
import { appendAudit } from "../../packages/server/src/records/audit-log.js";
import { startServer } from "../../packages/server/src/server.js";
import { initialiseStore, readSettings } from "../../packages/server/src/services/store.js";
import { openLmdbStorage } from "../../packages/server/src/storage/lmdb.js";
import { auditRows, CapturedLog, Clock, DAY, HOUR, newStore } from "../support/in-process.js";
import { adminPassword, type HostedOptions, Machine, onlyLine } from "../support/programs.js";
import { leastStretch } from "../support/ready-store.js";
import { Terminal } from "../support/terminal.js";

/** The audit log as evidence: what `posternd audit` does with it, by the program itself. */

const ALICE = `acc_${"a".repeat(32)}`;
/** A name that is none: what a stranger sent, with all that could break out of a line. */
const HOSTILE = "=HYPERLINK(1)\r\n\u001b]52;c;x\u0007\u2028\u202e,\"';\t@";

const operator = new Machine();
/** Has nothing of the operator's: no store, and no password. */
const auditor = new Machine();
const passwordFile = operator.write("admin-password", `${adminPassword}\n`);
/** The beginning of the log: two years ago. */
const began = Date.now() - 730 * DAY;

/** `store.create` and six entries of alice from two years ago, a hostile one from a year ago, and one of today. */
beforeAll(async () => {
  mkdirSync(operator.data, { recursive: true, mode: 0o700 });
  const storage = await openLmdbStorage({ directory: operator.data, create: true });
  const barrier = await createBarrier(storage, Buffer.from(adminPassword), leastStretch);
  await initialiseStore(barrier, { now: () => began, random: randomBytes }, ["localhost"]);
  const { node } = await readSettings(barrier);
  const personal = { name: "alice", address: "127.0.0.1", client: "postern 0.1.0" };
  const refused = { event: "register", outcome: "refused", reason: "closed" } as const;
  const login = { event: "login", outcome: "granted", account: ALICE, personal } as const;
  await barrier.transact(async (tx) => {
    for (let hour = 1; hour <= 6; hour++)
      await appendAudit(tx, node, { ...login, time: began + hour * HOUR }, randomBytes);
    await appendAudit(tx, node, { ...refused, time: began + 365 * DAY, personal: { name: HOSTILE } }, randomBytes);
    await appendAudit(tx, node, { ...login, device: "dev_1", session: "ses_1", time: Date.now() }, randomBytes);
  });
  await barrier.close();
  await storage.close();
});
afterAll(() => Promise.all([operator.close(), auditor.close()]));

/** `posternd audit …` on the operator's store. */
function audit(args: readonly string[], options?: HostedOptions) {
  return operator.hosted("posternd", ["audit", ...args, "--admin-password-file", passwordFile], options);
}

/** As the store's own directory: Node 22 and newer copy a directory's files with their modes, and not its own. */
function copyStore(to: string): void {
  cpSync(operator.data, to, { recursive: true });
  chmodSync(to, 0o700);
}

async function auditJson(...args: string[]): Promise<unknown[]> {
  const { code, stdout, stderr } = await audit([...args, "--json"]);
  expect([code, stderr]).toEqual([0, ""]);
  return stdout
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line));
}

async function errorOf(args: readonly string[], machine = operator) {
  const { code, stdout } = await machine.hosted("posternd", ["audit", ...args, "--json"]);
  const { error } = onlyLine(stdout) as { error?: { code: string; message: string } };
  return { code, error: error?.code, message: error?.message };
}

const key = async () => (await audit(["key"])).stdout.trim();

describe("posternd audit list", () => {
  it("shows the usual entries in 80 columns, and attack 46: a hostile name on one line, harmless", async () => {
    const { code, stdout } = await audit(["list"]);
    const lines = stdout.trimEnd().split("\n");
    expect([code, lines.length]).toEqual([0, 9]);
    expect(lines.filter((line) => line.includes("alice")).every((line) => line.length <= 80)).toBe(true);
    expect(lines[7]).toContain("\\x0d\\x0a");
    expect(stdout).not.toMatch(/[^\n\x20-\x7e]/);
  });

  it("filters by person, event and time", async () => {
    expect(await auditJson("list", "--user", "ALICE", "--since", "1d")).toMatchObject([
      { index: 8, account: ALICE, session: "ses_1", device: "dev_1", name: "alice", client: "postern 0.1.0" },
    ]);
    expect(await auditJson("list", "--user", ALICE, "--limit", "2")).toMatchObject([{ index: 6 }, { index: 8 }]);
    expect(await auditJson("list", "--event", "reg*,store.create")).toMatchObject([
      { index: 0 },
      { index: 7, name: HOSTILE },
    ]);
    const none = await audit(["list", "--until", "2001-01-01"]);
    expect(none).toEqual({ code: 0, stdout: "", stderr: "No entry matches.\n" });
  });
});

describe("posternd audit export", () => {
  it("writes a file for the operator only, that anyone verifies with the key alone", async () => {
    const file = join(operator.home, "log.jsonl");
    expect(await auditJson("export", file)).toMatchObject([{ file }]);
    expect(statSync(file).mode & 0o777).toBe(0o600);
    const copy = auditor.write("log.jsonl", readFileSync(file, "utf8"));
    const offline = ["audit", "verify", copy, "--public-key", await key()];
    const verified = await auditor.hosted("posternd", [...offline, "--json"]);
    expect([verified.code, onlyLine(verified.stdout)]).toMatchObject([0, { ok: true, entries: 9, erased: 0 }]);
    const told = await auditor.hosted("posternd", offline);
    expect(told.stdout).toMatch(/^The export holds: 9 entries, until \d{4}-/);
    expect(existsSync(auditor.data)).toBe(false);
  });

  it("writes the same to stdout, which is read from stdin again; attack 63: every line is quoted JSON", async () => {
    const { stdout } = await audit(["export"]);
    expect(stdout.split("\n")).toHaveLength(12);
    for (const line of stdout.trimEnd().split("\n")) expect(line).toMatch(/^\{"[ -~]*\}$/);
    const args = ["audit", "verify", "-", "--public-key", await key(), "--json"];
    const piped = await auditor.hosted("posternd", args, { stdin: { text: stdout } });
    expect(onlyLine(piped.stdout)).toMatchObject({ ok: true, entries: 9 });
  });

  it("attack 45: that was edited, cut off or signed by another is refused, and the first bad entry named", async () => {
    const { stdout } = await audit(["export"]);
    const lines = stdout.trimEnd().split("\n");
    const judge = (changed: readonly string[]) => {
      const file = auditor.write("changed.jsonl", changed.map((line) => `${line}\n`).join(""));
      return key().then((publicKey) => errorOf(["verify", file, "--public-key", publicKey], auditor));
    };
    const edited = lines.map((line, at) => (at === 4 ? line.replace("granted", "refused") : line));
    expect(await judge(edited)).toMatchObject({
      code: 1,
      error: "audit_damaged",
      message: expect.stringContaining("entry 3 is edited"),
    });
    expect(await judge(lines.slice(0, 6))).toMatchObject({
      code: 1,
      message: expect.stringContaining("entry 5 is missing"),
    });
    expect(await judge(lines.toSpliced(3, 1))).toMatchObject({
      code: 1,
      message: expect.stringContaining("entry 2 is missing"),
    });
    const otherKey = `ed25519:${randomBytes(32).toString("base64url")}`;
    const whole = auditor.write("log.jsonl", stdout);
    expect(await errorOf(["verify", whole, "--public-key", otherKey], auditor)).toMatchObject({
      code: 1,
      error: "audit_damaged",
      message: expect.stringContaining("another key"),
    });
  });
});

describe("promise 8: a checkpoint that was kept elsewhere", () => {
  it("shows that the store was put back to an earlier state, which verify alone cannot see", async () => {
    const earlier = join(operator.home, "earlier");
    copyStore(earlier);
    const grown = join(operator.home, "grown");
    copyStore(grown);
    await audit(["prune", "--older-than", "720d", "--yes", "--data", grown]);
    const { stdout } = await audit(["export", "--checkpoint-only", "--data", grown]);
    expect(Object.keys(onlyLine(stdout))).toEqual(["format", "version", "store", "time", "key", "chains", "signature"]);
    const checkpoint = auditor.write("checkpoint", stdout);
    const verify = (data: string, ...more: string[]) =>
      audit(["verify", "--data", data, "--json", ...more]).then((ended) => onlyLine(ended.stdout));
    expect(await verify(grown, "--checkpoint", checkpoint)).toMatchObject({ ok: true });
    expect(await verify(earlier)).toMatchObject({ ok: true });
    expect(await verify(earlier, "--checkpoint", checkpoint)).toMatchObject({
      error: { code: "audit_damaged", message: expect.stringContaining("entry 9 is missing") },
    });
  });
});

describe("posternd audit prune", () => {
  it("asks a person, does nothing when told no, and removes when told yes; the rest holds", async () => {
    const data = join(operator.home, "pruned");
    copyStore(data);
    const args = ["audit", "prune", "--older-than", "400d", "--data", data, "--admin-password-file", passwordFile];
    const refusing = new Terminal(operator, "posternd", args);
    await refusing.answer("Remove the oldest entries for good: 7, all before entry 7?", "n");
    expect((await refusing.left()).code).toBe(130);
    expect(await auditJson("verify", "--data", data)).toMatchObject([{ ok: true, entries: 9, first: 0 }]);
    const agreeing = new Terminal(operator, "posternd", args);
    await agreeing.answer("Remove the oldest entries for good: 7, all before entry 7?", "y");
    await agreeing.shows("7 entries were removed.");
    expect((await agreeing.left()).code).toBe(0);
    expect(await auditJson("verify", "--data", data)).toMatchObject([{ ok: true, entries: 3, first: 7 }]);
    const { stdout } = await audit(["export", "--data", data]);
    const file = auditor.write("pruned.jsonl", stdout);
    const offline = await auditor.hosted("posternd", ["audit", "verify", file, "--public-key", await key(), "--json"]);
    expect(onlyLine(offline.stdout)).toMatchObject({ ok: true, entries: 3 });
  });
});

describe("what is typed wrong has a code of its own, and loses nothing", () => {
  const store = ["--admin-password-file", passwordFile];
  const garbage = operator.write("garbage", "no log\n");
  /** What stands for a path, or a key, in the commands below. */
  const meant: Readonly<Record<string, string>> = {
    GARBAGE: garbage,
    HOME: operator.home,
    NONE: join(operator.home, "no", "log"),
    KEY: `ed25519:${Buffer.alloc(32).toString("base64url")}`,
  };

  it.concurrent.each([
    ["list --since yesterday", 2, "usage"],
    ["list --since 1h --until 2h", 2, "usage"],
    ["list --event (a+)+", 2, "usage"],
    ["list --limit 0", 2, "usage"],
    ["list --user a:b", 1, "name_invalid"],
    ["export GARBAGE", 2, "file_unwritable"],
    ["export HOME --force", 2, "file_unwritable"],
    ["export NONE", 2, "file_unwritable"],
    ["verify GARBAGE", 2, "usage"],
    ["verify GARBAGE --public-key ed25519:AAAA", 2, "usage"],
    ["verify GARBAGE --public-key KEY", 1, "audit_damaged"],
    ["verify NONE --public-key KEY", 2, "file_unreadable"],
    ["verify HOME --public-key KEY", 2, "file_unreadable"],
    ["verify --checkpoint GARBAGE", 2, "usage"],
    ["verify --checkpoint NONE", 2, "file_unreadable"],
    ["verify --public-key KEY", 1, "audit_damaged"],
    ["prune", 2, "usage"],
    ["prune --older-than 12m", 2, "usage"],
    ["prune --older-than 400d", 6, "input_needed"],
  ] as const)("posternd audit %s", async (line, code, error) => {
    const args = line.split(" ").map((word) => meant[word] ?? word);
    expect(await errorOf([...args, ...store])).toMatchObject({ code, error });
  });

  it("posternd start --audit-retention 1y, by option or environment", async () => {
    const args = ["start", "--init", ...store, "--json"];
    for (const ended of [
      await operator.hosted("posternd", [...args, "--audit-retention", "1y"]),
      await operator.hosted("posternd", args, { env: { POSTERND_AUDIT_RETENTION: "12m" } }),
    ]) {
      expect([ended.code, onlyLine(ended.stdout)]).toMatchObject([2, { error: { code: "usage" } }]);
    }
  });

  it("and the log and the file are as they were", async () => {
    expect(await auditJson("verify")).toMatchObject([{ ok: true, entries: 9, first: 0 }]);
    expect(readFileSync(garbage, "utf8")).toBe("no log\n");
  });
});

describe("the hourly upkeep", () => {
  it("forgets who was deleted, and what is older than --audit-retention", async () => {
    vi.useFakeTimers({ toFake: ["setInterval", "clearInterval"] });
    onTestFinished(() => {
      vi.useRealTimers();
    });
    const clock = new Clock();
    const { barrier } = await newStore({ clock });
    const { node } = await readSettings(barrier);
    clock.advance(100 * DAY);
    const personal = { name: "alice", address: "192.0.2.7" };
    await barrier.transact(async (tx) => {
      const event = { event: "account.delete", outcome: "done", account: ALICE, time: clock.now(), personal } as const;
      await appendAudit(tx, node, event, randomBytes);
      await putErasure(tx, ALICE, { name: "alice" });
    });
    const log = new CapturedLog();
    const loopback = { host: "127.0.0.1", port: 0, key: "127.0.0.1:0" };
    const wired = {
      barrier,
      listen: loopback,
      http: undefined,
      registration: "open",
      publicUrl: undefined,
      log,
    } as const;
    const server = await startServer({ ...wired, now: clock.now, auditRetention: 30 * DAY });
    onTestFinished(() => server.close());
    vi.advanceTimersByTime(HOUR);
    await vi.waitFor(async () => {
      const rows = await auditRows(barrier);
      expect(rows[0]).toMatchObject({ index: 1, event: "account.delete", account: ALICE, personal: {} });
      const events = rows.map(({ event }) => event).filter((event) => event !== "signing-key.rotate");
      // The two tasks have no order.
      expect(events.sort()).toEqual(["account.delete", "audit.erase", "audit.prune", "server.start"]);
    });
    expect(log.errors).toEqual([]);
  });
});
