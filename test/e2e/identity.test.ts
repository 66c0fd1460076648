import { spawnSync } from "node:child_process";
import { X509Certificate } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createIdentity } from "../../packages/server/src/identity/identity-key.js";
import { adminPassword, type HostedOptions, Machine, onlyLine, type Server } from "../support/programs.js";
import { Terminal } from "../support/terminal.js";
import { type Account, loginArgs, registerByScript } from "./account.js";

const operator = new Machine();
const person = new Machine();
const passwordFile = join(operator.home, "admin-password");
let server: Server;
let alice: Account;
beforeAll(async () => {
  server = await operator.startServer();
  alice = await registerByScript(person, server, "alice");
});
afterAll(() => Promise.all([operator.close(), person.close()]));

const fetchInPython = `
import ssl, sys, urllib.request
context = ssl.create_default_context(cafile=sys.argv[2])
context.verify_flags |= ssl.VERIFY_X509_STRICT
print(urllib.request.urlopen(sys.argv[1], context=context).read().decode())
`;

/** Other programs that fetch a page, and verify who gives it by a file of certificates. */
const verifiers = [
  { name: "curl", command: "curl", argsOf: (url: string, file: string) => ["-sS", "--cacert", file, url] },
  { name: "Python", command: "python3", argsOf: (url: string, file: string) => ["-c", fetchInPython, url, file] },
].filter(({ name, command }) => {
  const installed = spawnSync(command, ["--version"]).error === undefined;
  if (!installed) console.info(`${name} is not installed: it is not asked whether it verifies the HTTPS port`);
  return installed;
});

const identity = (args: readonly string[], options?: HostedOptions) =>
  operator.hosted("posternd", ["identity", ...args, "--admin-password-file", passwordFile], options);

/** The client without a fingerprint: it goes by its pin alone. */
const postern = (...args: string[]) => person.hosted("postern", [...args, "--server", server.listen]);

const login = (code: string) => {
  const args = loginArgs(person, server, "alice", code);
  const at = args.indexOf("--fingerprint");
  return person.hosted("postern", [...args.slice(0, at), ...args.slice(at + 2), "--json"]);
};

const pinned = () => {
  const { servers } = JSON.parse(readFileSync(join(person.config, "known-servers.json"), "utf8"));
  return servers[server.listen].fingerprint;
};

const shown = async () => {
  const { code, stdout } = await identity(["show", "--json"]);
  expect(code).toBe(0);
  return onlyLine(stdout) as { fingerprint: string; earlier: { fingerprint: string; successor: string }[] };
};

describe("posternd identity, while the server runs,", () => {
  it("shows the fingerprint, since when, and the certificate, for scripts and for people", async () => {
    expect(await shown()).toEqual({
      fingerprint: server.fingerprint,
      since: expect.stringMatching(/^20.*Z$/),
      leaf: { expires: expect.stringMatching(/^20.*Z$/), hosts: expect.arrayContaining(["localhost", "127.0.0.1"]) },
      earlier: [],
    });
    const { code, stdout, stderr } = await identity(["show"]);
    expect([code, stderr]).toEqual([0, ""]);
    expect(stdout).toMatch(new RegExp(`^${server.fingerprint.replaceAll("+", "\\+")}\n {2}since 20`));
  });

  it("prints its certificate alone, and with its fingerprint for scripts", async () => {
    const { code, stdout, stderr } = await identity(["show", "--pem"]);
    expect([code, stderr]).toEqual([0, ""]);
    expect(stdout).toMatch(/^-----BEGIN CERTIFICATE-----\n([A-Za-z0-9+/=]{1,64}\n)+-----END CERTIFICATE-----\n$/);
    const forScripts = await identity(["show", "--pem", "--json"]);
    expect(onlyLine(forScripts.stdout)).toEqual({ fingerprint: server.fingerprint, certificate: stdout });
  });

  it.each(verifiers)("is verified by $name with that certificate, and not with another one", async (verifier) => {
    const fetchBy = (pem: string) => {
      const args = verifier.argsOf(`https://${server.http}/livez`, operator.write("identity.pem", pem));
      return spawnSync(verifier.command, args, { encoding: "utf8" });
    };
    const { status, stdout, stderr } = fetchBy((await identity(["show", "--pem"])).stdout);
    expect([status, stdout.trim(), stderr]).toEqual([0, '{"status":"ok"}', ""]);
    const { certificateDer } = await createIdentity({ now: Date.now() });
    expect(fetchBy(new X509Certificate(certificateDer).toString())).toMatchObject({ stdout: "" });
  });

  it("asks before it rotates, and does nothing without a yes or a terminal", async () => {
    const { code, stdout } = await identity(["rotate", "--json"]);
    expect([code, onlyLine(stdout)]).toMatchObject([6, { error: { code: "input_needed" } }]);
    const terminal = new Terminal(operator, "posternd", ["identity", "rotate", "--no-successor"]);
    await terminal.shows("for which nothing vouches");
    await terminal.answer("? Replace the identity of this server?", "");
    expect(await terminal.left()).toEqual({ code: 130, cooked: true, cursorShown: true });
    expect((await shown()).fingerprint).toBe(server.fingerprint);
  });

  it("rotates: the client's other commands say what to do, and its next login goes on with the new identity", async () => {
    expect((await login(alice.authenticator.next())).code).toBe(0);
    expect((await postern("whoami")).code).toBe(0);
    const terminal = new Terminal(operator, "posternd", ["identity", "rotate"]);
    await terminal.answer("? Replace the identity of this server?", "y");
    await terminal.answer("? Admin password", adminPassword);
    await terminal.shows("Replaced the identity.");
    expect((await terminal.left()).code).toBe(0);
    for (const line of terminal.history().split("\n")) expect(line.length).toBeLessThanOrEqual(80);
    const { fingerprint, earlier } = await shown();
    expect(earlier).toMatchObject([{ fingerprint: server.fingerprint, successor: "published" }]);
    expect(terminal.history()).toContain(fingerprint);
    await takesUp(fingerprint);

    const before = await postern("whoami", "--json");
    expect([before.code, onlyLine(before.stdout)]).toMatchObject([
      4,
      { error: { code: "server_identity_succeeded", hint: expect.stringContaining("postern login") } },
    ]);
    expect(pinned()).toBe(server.fingerprint);
    const entered = await login(alice.recoveryCodes[0] ?? "");
    expect(entered.code).toBe(0);
    expect(onlyLine(entered.stdout)).toMatchObject({
      name: "alice",
      server_identity: { from: server.fingerprint, to: fingerprint },
    });
    expect(entered.stderr).toContain(fingerprint);
    expect(pinned()).toBe(fingerprint);
    const after = await postern("whoami", "--json");
    expect([after.code, after.stderr]).toEqual([0, ""]);
    const again = await login(alice.recoveryCodes[1] ?? "");
    expect(onlyLine(again.stdout)).not.toHaveProperty("server_identity");
    expect(again.stderr).not.toContain("new identity");
  });

  it("after a theft rotates without a word from the old key: every client refuses, and is told to ask", async () => {
    const { code, stdout } = await identity(["rotate", "--no-successor", "--yes", "--json"]);
    const { rotated, fingerprint } = onlyLine(stdout);
    expect([code, rotated]).toEqual([0, true]);
    await takesUp(String(fingerprint));
    const { code: refused, stdout: said } = await login(alice.recoveryCodes[2] ?? "");
    expect([refused, onlyLine(said)]).toMatchObject([4, { error: { code: "server_identity_changed" } }]);
    const { earlier } = await shown();
    expect(earlier.map(({ successor }) => successor)).toEqual(["none", "cut-off"]);
    const audit = ["audit", "list", "--event", "identity.*", "--admin-password-file", passwordFile];
    expect((await operator.hosted("posternd", audit)).stdout).toMatch(/done: successor .*\n.*done: no_successor /);
  });
});

/** The server looks by itself every few seconds; told to, at once. */
async function takesUp(fingerprint: string): Promise<void> {
  server.process.signal("SIGHUP");
  await server.process.says(new RegExp(`"fingerprint":"${fingerprint.replaceAll("+", "\\+")}"`));
}

describe("posternd start, given a certificate for the HTTPS port,", () => {
  it.each([
    ["without its key", ["--http-cert", "cert.pem"], "usage"],
    ["without an HTTPS port", ["--http", "off", "--http-cert", "cert.pem", "--http-key", "key.pem"], "usage"],
    ["that is not there", ["--http-cert", "none.pem", "--http-key", "none.pem"], "file_unreadable"],
    ["that is none", ["--http-cert", passwordFile, "--http-key", passwordFile], "http_certificate_invalid"],
  ])("%s, says so before it asks for the admin password", async (_name, args, error) => {
    const { code, stdout } = await operator.hosted("posternd", ["start", ...args, "--json", "--no-input"]);
    expect([code, onlyLine(stdout)]).toMatchObject([2, { error: { code: error } }]);
  });
});
