import { chmodSync, existsSync, mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { TLSSocket } from "node:tls";
import { afterAll, describe, expect, it } from "vitest";
import { Machine, onlyLine } from "../support/programs.js";
import { Terminal } from "../support/terminal.js";
import { password } from "./account.js";
import { closingServer, type FakeServer, httpServer, type Impostor, impostor, plainServer } from "./fake-servers.js";

const opened: { close(): unknown }[] = [];
afterAll(() => Promise.all(opened.map((thing) => thing.close())));

function newMachine(): Machine {
  const machine = new Machine();
  opened.push(machine);
  machine.write("password", `${password}\n`);
  return machine;
}

async function newImpostor(...options: Parameters<typeof impostor>): Promise<Impostor> {
  const made = await impostor(...options);
  opened.push(made.server);
  return made;
}

/** Logs in by script; gives the exit code and the code of the error. */
async function login(machine: Machine, listen: string, ...options: string[]): Promise<[number, unknown]> {
  const args = ["login", "alice", "--password-file", "password", "--code", "123456", "--server", listen, "--json"];
  const { code, stdout } = await machine.hosted("postern", [...args, ...options]);
  return [code, (onlyLine(stdout)["error"] as { code: string } | undefined)?.code];
}

const methodsIn = (heard: string) =>
  heard
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line).method);

const pinFile = (machine: Machine) => join(machine.config, "known-servers.json");

function pin(machine: Machine, listen: string, fingerprint: string): string {
  const servers = { [listen]: { fingerprint, first_seen: "2026-01-01T00:00:00.000Z" } };
  return writePins(machine, JSON.stringify({ version: 1, servers }));
}

function writePins(machine: Machine, text: string): string {
  mkdirSync(machine.config, { recursive: true, mode: 0o700 });
  return machine.write("config/postern/known-servers.json", text);
}

describe.concurrent("an address where no Postern server answers", () => {
  it("is unreachable when nothing listens there", async () => {
    const gone = await plainServer();
    const { listen } = gone;
    gone.close();
    expect(await login(newMachine(), listen, "--trust-on-first-use")).toEqual([3, "server_unreachable"]);
  });

  const others: readonly (readonly [string, string, () => Promise<FakeServer>])[] = [
    ["a server that speaks in clear", "server_failed", plainServer],
    ["an HTTP server", "server_failed", httpServer],
    ["a server that closes at once", "server_unreachable", closingServer],
    ["a TLS server without ALPN", "server_failed", async () => (await newImpostor({ ALPNProtocols: [] })).server],
    ["a web server", "server_failed", async () => (await newImpostor({ ALPNProtocols: ["h2", "http/1.1"] })).server],
    [
      "a server of TLS 1.2",
      "server_failed",
      async () => (await newImpostor({ minVersion: "TLSv1.2", maxVersion: "TLSv1.2" })).server,
    ],
  ];
  it.for(others)("is told when there is %s, which hears no name", async ([, error, start]) => {
    const server = await start();
    opened.push(server);
    expect(await login(newMachine(), server.listen, "--trust-on-first-use")).toEqual([3, error]);
    expect(server.connections).toBe(1);
    expect(server.heard).not.toContain("alice");
  });
});

describe.concurrent("a server that is not trusted hears not one byte", () => {
  it("when it is unknown and nobody can be asked", async () => {
    const machine = newMachine();
    const { server } = await newImpostor();
    expect(await login(machine, server.listen)).toEqual([4, "server_unknown"]);
    expect([server.connections, server.heard]).toEqual([1, ""]);
    expect(existsSync(pinFile(machine))).toBe(false);
  });

  it("when another fingerprint was given, even with --trust-on-first-use", async () => {
    const machine = newMachine();
    const [{ server }, { fingerprint }] = await Promise.all([newImpostor(), newImpostor()]);
    const options = ["--fingerprint", fingerprint, "--trust-on-first-use"];
    expect(await login(machine, server.listen, ...options)).toEqual([4, "server_fingerprint_mismatch"]);
    expect([server.connections, server.heard]).toEqual([1, ""]);
    expect(existsSync(pinFile(machine))).toBe(false);
  });
});

/** Ends the connection at the first line, without a word of how its identity came to be the one. */
const curt = (socket: TLSSocket) => void socket.on("data", () => socket.destroy());

describe.concurrent("attack 57: a server of another identity than the pinned one hears a hello, and no name", () => {
  it("whatever the options say; and the pin stays", async () => {
    const machine = newMachine();
    const [impostor, before] = await Promise.all([newImpostor({}, curt), newImpostor()]);
    const { listen } = impostor.server;
    const pins = readFileSync(pin(machine, listen, before.fingerprint), "utf8");
    for (const options of [[], ["--trust-on-first-use"], ["--fingerprint", impostor.fingerprint]]) {
      expect(await login(machine, listen, ...options)).toEqual([4, "server_identity_changed"]);
    }
    const register = ["register", "alice", "--password-file", "password", "--server", listen, "--json"];
    const { code, stdout } = await machine.hosted("postern", register);
    expect([code, onlyLine(stdout)]).toMatchObject([4, { error: { code: "server_identity_changed" } }]);
    expect(impostor.server.connections).toBe(4);
    expect(methodsIn(impostor.server.heard)).toEqual(Array(4).fill("hello"));
    expect(impostor.server.heard).not.toContain("alice");
    expect(readFileSync(pinFile(machine), "utf8")).toBe(pins);
  });

  it("and where a person sits there, it is told, and not asked about", async () => {
    const machine = newMachine();
    const [impostor, before] = await Promise.all([newImpostor({}, curt), newImpostor()]);
    pin(machine, impostor.server.listen, before.fingerprint);
    const terminal = new Terminal(machine, "postern", ["login", "--server", impostor.server.listen]);
    expect(await terminal.left()).toEqual({ code: 4, cooked: true, cursorShown: true });
    expect(terminal.history()).toMatch(/^error: the server shows another identity than before/);
    expect(terminal.history()).toContain(impostor.fingerprint);
    expect(methodsIn(impostor.server.heard)).toEqual(["hello"]);
  });
});

describe.concurrent("a file of known servers that cannot be read", () => {
  const whole = (listen: string, fingerprint: string) => {
    const servers = { [listen]: { fingerprint, first_seen: "2026-01-01T00:00:00.000Z" } };
    return JSON.stringify({ version: 1, servers });
  };
  const damages: readonly (readonly [string, (text: string) => string])[] = [
    ["is empty", () => ""],
    ["is cut short", (text) => text.slice(0, -2)],
    ["is of zeros", (text) => "\0".repeat(text.length)],
    ["is of a later version", (text) => text.replace('"version":1', '"version":2')],
  ];

  it.for(damages)("because it %s stops the client before it connects, right fingerprint or not", async ([, damage]) => {
    const machine = newMachine();
    const { server, fingerprint } = await newImpostor();
    const path = writePins(machine, damage(whole(server.listen, fingerprint)));
    const before = readFileSync(path);
    expect(await login(machine, server.listen, "--fingerprint", fingerprint)).toEqual([4, "pins_unreadable"]);
    expect(server.connections).toBe(0);
    expect(readFileSync(path).equals(before)).toBe(true);
  });

  it("because others may write to it does so too", async () => {
    const machine = newMachine();
    const { server, fingerprint } = await newImpostor();
    chmodSync(pin(machine, server.listen, fingerprint), 0o666);
    expect(await login(machine, server.listen)).toEqual([4, "pins_unreadable"]);
    expect(server.connections).toBe(0);
  });
});
