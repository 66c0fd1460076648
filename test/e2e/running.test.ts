import { writeFileSync } from "node:fs";
import { get } from "node:https";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { adminPassword, Machine, onlyLine, type Server } from "../support/programs.js";
import { Terminal } from "../support/terminal.js";
import { type Account, at, registerByScript } from "./account.js";

const operator = new Machine();
const alice = new Machine();
const passwordFile = operator.write("admin-password", `${adminPassword}\n`);
const config = operator.write("posternd.toml", 'log-level = "info"\nlog-format = "json"\ndrain = "40s"\n');
let server: Server;
let account: Account;
beforeAll(async () => {
  server = await operator.startServer(["--config", config]);
  account = await registerByScript(alice, server, "alice");
});
afterAll(() => Promise.all([operator.close(), alice.close()]));

const run = (...args: string[]) =>
  operator.hosted("posternd", [...args, "--config", config, "--admin-password-file", passwordFile]);

function scrape(path: string): Promise<{ status: number | undefined; body: string }> {
  return new Promise((resolve, reject) => {
    get(`https://${server.http}${path}`, { rejectUnauthorized: false, agent: false }, (response) => {
      text(response).then((body) => resolve({ status: response.statusCode, body }), reject);
    }).once("error", reject);
  });
}

describe("a server that runs", () => {
  it("shows in status, with its store; and to the doctor, who finds its ports taken by it", async () => {
    const { code, stdout } = await run("status", "--json");
    expect(code).toBe(0);
    expect(onlyLine(stdout)).toMatchObject({
      store: { directory: operator.data, format: 1, terms: [{ term: 1 }] },
      fingerprint: server.fingerprint,
      accounts: 1,
      servers: [{ pid: server.process.pid, listen: server.listen, http: server.http, draining: false }],
    });
    const person = await run("status");
    expect(person.stdout).toMatch(/^accounts {6}1$/m);
    for (const line of person.stdout.split("\n").slice(1)) expect(line.length).toBeLessThanOrEqual(80);

    const doctor = await run("doctor", "--listen", server.listen, "--http", server.http, "--json");
    const [first = ""] = doctor.stdout.split("\n");
    const { checks } = JSON.parse(first) as { checks: { check: string; verdict: string; what: string }[] };
    const verdicts = Object.fromEntries(checks.map(({ check, verdict }) => [check, verdict]));
    expect(verdicts).toMatchObject({
      node: "ok",
      store: "ok",
      audit: "ok",
      certificate: "ok",
      listen: "ok",
      http: "ok",
    });
    expect(checks.find(({ check }) => check === "listen")?.what).toContain("a posternd listens");
  });

  it("is scraped from this machine", async () => {
    const { status, body } = await scrape("/metrics");
    expect(status).toBe(200);
    expect(body).toContain('posternd_registrations_total{outcome="done"} 1');
    expect(body).toMatch(/^posternd_store_bytes [1-9]/m);
    expect(body).toMatch(/^posternd_store_disk_free_bytes [1-9]/m);
  });

  it("takes up another log level from the store, and from its file at SIGHUP", async () => {
    const { code, stdout } = await run("log-level", "set", "debug", "--for", "1h");
    expect([code, stdout]).toEqual([0, expect.stringMatching(/^All servers of this store log at debug, until /)]);
    await server.process.says(/"logLevel":"debug","from":"store"/);
    expect((await run("log-level", "clear")).code).toBe(0);
    await server.process.says(/"logLevel":"info","from":"start"/);
    writeFileSync(config, 'log-level = "debug"\nlog-format = "json"\ndrain = "40s"\n');
    server.process.signal("SIGHUP");
    await server.process.says(/"logLevel":"debug","from":"reload"/);
  });

  it("finishes, when it is stopped, the login of a person who is between password and code", async () => {
    const login = new Terminal(alice, "postern", ["login", "alice", ...at(server), "--password-file", "password"]);
    await login.shows("? Code");
    server.process.signal("SIGTERM");
    await server.process.says(/"connections":1,"seconds":40,"msg":"waiting for what is under way"/);
    const ready = await scrape("/readyz");
    expect([ready.status, JSON.parse(ready.body)]).toMatchObject([503, { code: "shutting_down" }]);
    const late = await alice.hosted("postern", [
      "login",
      "alice",
      ...at(server),
      "--password-file",
      "password",
      "--code",
      "123456",
      "--json",
    ]);
    expect([late.code, onlyLine(late.stdout)]).toMatchObject([3, { error: { code: "server_unreachable" } }]);
    login.type(account.authenticator.next());
    login.press("enter");
    await login.shows("Login successful.");
    expect((await login.left()).code).toBe(0);
    expect((await server.process.ended).code).toBe(0);
  });
});

describe("a server with nobody to wait for", () => {
  it("ends at once at a second signal, with exit code 0, and says in its log what it cut off", async () => {
    server = await operator.startServer(["--config", config]);
    const login = new Terminal(alice, "postern", ["login", "alice", ...at(server), "--password-file", "password"]);
    await login.shows("? Code");
    server.process.signal("SIGTERM");
    await server.process.says(/waiting for what is under way/);
    expect((await server.process.stop("SIGTERM")).code).toBe(0);
    expect(server.process.stderr).toMatch(/"connections":1,"msg":"cut off"/);
    login.press("ctrl-c");
    await login.left();
  });

  it("shows as none that runs, in status, and its ports as free", async () => {
    const { stdout } = await run("status", "--json");
    expect(onlyLine(stdout)).toMatchObject({ servers: [], last_stop: expect.stringMatching(/Z$/) });
    const doctor = await operator.hosted("posternd", ["doctor", "--listen", server.listen, "--http", "off"]);
    expect(doctor.stdout).toMatch(/^\[ok\] listen: .* is free$/m);
    expect(doctor.stderr).toContain("Skipped:");
  });
});

describe("a configuration file that is not understood", () => {
  it("stops every command with its line, and the doctor says so among the rest", async () => {
    const bad = operator.write("bad.toml", '\nlissten = "a:1"\n');
    const started = await operator.hosted("posternd", ["start", "--config", bad, "--json"]);
    expect([started.code, onlyLine(started.stdout)]).toMatchObject([2, { error: { code: "config_invalid" } }]);
    expect(started.stdout).toContain(
      `${join(operator.home, "bad.toml")}:2: unknown key \\"lissten\\"; did you mean \\"listen\\"?`,
    );
    const doctor = await operator.hosted("posternd", ["doctor", "--config", bad]);
    expect(doctor.code).toBe(1);
    expect(doctor.stdout).toMatch(/^\[fail\] config: /m);
    expect(doctor.stdout).toMatch(/^\[ok\] node: /m);
  });

  it("is found where no option names it", async () => {
    const { mkdirSync } = await import("node:fs");
    mkdirSync(operator.config, { recursive: true });
    writeFileSync(join(operator.config, "posternd.toml"), 'registration = "closed"\n', { mode: 0o600 });
    const { stdout } = await operator.hosted("posternd", ["config", "show"]);
    expect(stdout).toMatch(/^registration = "closed" +# line 1$/m);
  });
});
