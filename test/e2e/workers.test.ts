import { readFileSync } from "node:fs";
import { get } from "node:https";
import { text } from "node:stream/consumers";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { eventually } from "../support/eventually.js";
import { adminPassword, Machine, onlyLine, type Server } from "../support/programs.js";
import { type Account, at, password, registerByScript } from "./account.js";

const operator = new Machine();
const alice = new Machine();
const passwordFile = operator.write("admin-password", `${adminPassword}\n`);
let server: Server;
let account: Account;
beforeAll(async () => {
  server = await operator.startServer(["--workers", "2", "--log-format", "json", "--address-limits", "off"]);
  account = await registerByScript(alice, server, "alice");
  alice.write("password", `${password}\n`);
});
afterAll(() => Promise.all([operator.close(), alice.close()]));

interface Line {
  readonly worker?: number;
  readonly pid?: number;
  readonly msg: string;
}

function logged(): Line[] {
  const lines = server.process.stderr.split("\n").filter((line) => line.startsWith("{"));
  return lines.map((line) => JSON.parse(line));
}

/** The processes that took up service, in order. */
const served = () => logged().filter(({ msg }) => msg === "a worker serves");

function isRunning(pid: number | undefined): boolean {
  try {
    return !readFileSync(`/proc/${pid}/stat`, "utf8").includes(") Z ");
  } catch {
    return false;
  }
}

function scrape(path: string): Promise<string> {
  return new Promise((resolve, reject) => {
    get(`https://${server.http}${path}`, { rejectUnauthorized: false, agent: false }, (response) => {
      text(response).then(resolve, reject);
    }).once("error", reject);
  });
}

function logIn(code: string) {
  const args = ["login", "alice", ...at(server), "--password-file", "password", "--code", code, "--json"];
  return alice.hosted("postern", args);
}

describe("posternd start --workers 2", () => {
  it("says once that it is ready, when both accept connections, and shows as one server", async () => {
    expect(server.process.stdout.match(/posternd ready/g)).toHaveLength(1);
    expect(served().map(({ worker }) => worker)).toEqual([1, 2]);
    const status = await operator.hosted("posternd", ["status", "--admin-password-file", passwordFile, "--json"]);
    expect(onlyLine(status.stdout)).toMatchObject({
      accounts: 1,
      servers: [{ pid: server.process.pid, workers: 2, listen: server.listen, http: server.http }],
    });
  });

  it("logs in at both, counts that as one server, and tells in each line of the log who wrote it", async () => {
    await operator.hosted("posternd", ["log-level", "set", "debug", "--admin-password-file", passwordFile]);
    await server.process.says(/"worker":1,"logLevel":"debug"/);
    await server.process.says(/"worker":2,"logLevel":"debug"/);
    const refused = await Promise.all(account.authenticator.wrong(2).map(logIn));
    expect(refused.map(({ code }) => code)).toEqual([1, 1]);
    await eventually(
      () => new Set(logged().flatMap(({ msg, worker }) => (msg === "refused" ? worker : []))).size === 2,
    );
    expect((await logIn(account.authenticator.next())).code).toBe(0);
    const metrics = await scrape("/metrics");
    expect(metrics).toContain('posternd_logins_total{outcome="granted"} 1\n');
    expect(metrics).toContain('posternd_logins_total{outcome="code_refused"} 2\n');
    expect(metrics).toContain('posternd_registrations_total{outcome="done"} 1\n');
  });

  it("goes on when a worker is killed, and starts another one in its place", async () => {
    const [first] = served();
    process.kill(first?.pid ?? 0, "SIGKILL");
    await server.process.says(/"worker":1,"end":"SIGKILL","msg":"a worker ended by itself"/);
    expect((await logIn(account.recoveryCodes[0] ?? "")).code).toBe(0);
    await eventually(() => served().length === 3);
    expect(served()[2]).toMatchObject({ worker: 1 });
    expect(await scrape("/metrics")).toContain('posternd_logins_total{outcome="granted"} 2\n');
  });

  it("ends at SIGTERM with exit code 0, to whichever of its processes that goes, and none stays", async () => {
    const pids = served().map(({ pid }) => pid);
    for (const pid of pids.filter(isRunning)) {
      for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.kill(pid ?? 0, signal);
    }
    expect(await scrape("/readyz")).toBe('{"status":"ready"}');
    const { code } = await server.process.stop("SIGTERM");
    expect(code).toBe(0);
    expect(pids.filter(isRunning)).toEqual([]);
    const audit = await operator.hosted("posternd", ["audit", "list", "--admin-password-file", passwordFile, "--json"]);
    const events = audit.stdout
      .trim()
      .split("\n")
      .map((line) => (JSON.parse(line) as { event: string }).event);
    expect(events.filter((event) => event === "server.start")).toHaveLength(1);
    expect(events.at(-1)).toBe("server.stop");
  });
});

describe("workers without their first process", () => {
  it("end by themselves", async () => {
    server = await operator.startServer(["--workers", "2", "--log-format", "json", "--http", "off"]);
    const pids = served().map(({ pid }) => pid);
    expect(pids.filter(isRunning)).toHaveLength(2);
    server.process.signal("SIGKILL");
    await eventually(() => !pids.some(isRunning));
  });
});
