import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Machine, onlyLine, type Server } from "../support/programs.js";

/** The real programs: a server that exempts this machine, and load from it. */

const operator = new Machine();
const machine = new Machine();
let server: Server;
beforeAll(async () => {
  server = await operator.startServer(["--address-limits", "127.0.0.0/8,::1/128"]);
});
afterAll(() => Promise.all([operator.close(), machine.close()]));

const few = ["--requests", "8", "--concurrency", "4"];
const login = (...args: string[]) =>
  machine.run("postern", ["loadtest", "login", "--server", server.listen, ...few, "--accounts", "1", ...args]);
const operate = (...args: string[]) =>
  operator.hosted("posternd", [...args, "--admin-password-file", join(operator.home, "admin-password")]);
const columns = (text: string) => Math.max(...text.split("\n").map((line) => line.length));

describe("postern loadtest login", () => {
  it("tells a person of full logins, in 80 columns, and leaves nobody registered", async () => {
    const { code, stdout, stderr } = await login("--fingerprint", server.fingerprint);
    expect({ code, stdout }).toEqual({
      code: 0,
      stdout: expect.stringContaining("\nrequests    8, 4 at once\nfailed      0\n"),
    });
    expect(stdout).toMatch(/^milliseconds +p50 +p95 +p99 +max\nlogin( +\d+\.\d){4}\n {2}connect( +\d+\.\d){4}\n/m);
    expect(stderr).toMatch(
      /^making accounts 100 %\n(logins {2}\d of 8 {2}[\d.]+ a second {2}0 failed\n)+(?:warning: .*\n)?deleting accounts 100 %\n/,
    );
    expect(columns(stdout + stderr)).toBeLessThanOrEqual(80);
    expect((await operate("user", "list", "--json")).stdout).toBe("");
  });

  it("tells a program the same as one object", async () => {
    const { code, stdout } = await login("--json");
    expect(code).toBe(0);
    expect(onlyLine(stdout)).toMatchObject({ load: "login", target: server.listen, succeeded: 8, errors: {} });
  });

  it("refuses a server elsewhere as a mistake of the command line", async () => {
    const args = ["loadtest", "login", "--server", "192.0.2.1:7465", "--trust-on-first-use"];
    expect(await machine.run("postern", args)).toEqual({
      code: 2,
      stdout: "",
      stderr: [
        "error: a load test is for a server of this machine, and that is not one: 192.0.2.1",
        "hint: nothing was sent; give --i-own-this-server if you may put it under load\n",
      ].join("\n"),
    });
  });
});

it("postern loadtest challenge trusts the server's own certificate when it is told to, and answers its pages", async () => {
  const { stdout: key } = await operate("apikey", "create", "--name", "bot", "--scope", "challenge");
  const { stdout: pem } = await operate("identity", "show", "--pem");
  const url = `https://localhost:${/:(\d+)$/.exec(server.http)?.[1]}`;
  const args = ["loadtest", "challenge", "--url", url, "--key-file", machine.write("bot.key", key), ...few];
  const untrusted = await machine.run("postern", [...args, "--json"]);
  expect(untrusted.code).toBe(4);
  expect(onlyLine(untrusted.stdout)).toMatchObject({ error: { code: "https_untrusted" } });
  const { code, stdout, stderr } = await machine.run("postern", [...args, "--ca", machine.write("ca.pem", pem)]);
  expect({ code, stdout }).toEqual({
    code: 0,
    stdout: expect.stringContaining("\nrequests    8, 4 at once\nfailed      0\n"),
  });
  expect(stdout).toMatch(
    /^challenge( +\d+\.\d){4}\n {2}create( +\d+\.\d){4}\n {2}view( +\d+\.\d){4}\n {2}answer( +\d+\.\d){4}\n/m,
  );
  expect(columns(stdout + stderr)).toBeLessThanOrEqual(80);
});
