import { chmodSync, existsSync, mkdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { firstStretchGeneration, stretchFloor } from "@postern/shared/kdf";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Ended, type HostedOptions, Machine, onlyLine, type Server } from "../support/programs.js";
import { Terminal } from "../support/terminal.js";
import { type Account, Authenticator, at, loginArgs, password, registerByScript } from "./account.js";
import { type Answer, greeting, type Impostor, impostor, talker } from "./fake-servers.js";
import { Relay } from "./relay.js";

/** What a hostile review of the client found, each kept from coming back. */

const operator = new Machine();
const opened: { close(): unknown }[] = [operator];
let server: Server;
let account: Account;
beforeAll(async () => {
  server = await operator.startServer();
  account = await registerByScript(newMachine(), server, "alice");
});
afterAll(() => Promise.all(opened.map((thing) => thing.close())));

function keep<T extends { close(): unknown }>(thing: T): T {
  opened.push(thing);
  return thing;
}

function newMachine(): Machine {
  const machine = keep(new Machine());
  machine.write("password", `${password}\n`);
  return machine;
}

async function newTalker(answer: (method: string) => Answer): Promise<Impostor> {
  const made = await talker(answer);
  keep(made.server);
  return made;
}

/** Runs the client with --json; gives its exit code and the code of its error. */
async function outcomeOf(machine: Machine, args: readonly string[], options: HostedOptions = {}): Promise<unknown[]> {
  const { code, stdout } = await machine.hosted("postern", [...args, "--json"], options);
  return [code, errorOf(stdout)];
}

function errorOf(stdout: string): unknown {
  const last = stdout.trimEnd().split("\n").at(-1) ?? "";
  return JSON.parse(last).error?.code;
}

const sessionFile = (machine: Machine) => join(machine.state, "sessions.json");
const sessionsOf = (machine: Machine) => readFileSync(sessionFile(machine), "utf8");
const aSecret = (digit: string) => `pss_${digit.repeat(64)}_${digit.repeat(64)}`;

/** Writes the session that a login at this address, at a server of this identity, would have left. */
function plantSession(machine: Machine, listen: string, fingerprint: string, secret = aSecret("a")): string {
  mkdirSync(machine.state, { recursive: true, mode: 0o700 });
  const sessions = { [listen]: { name: "alice", secret, fingerprint } };
  machine.write("state/postern/sessions.json", JSON.stringify({ version: 1, sessions }));
  return secret;
}

function plantPin(machine: Machine, listen: string, fingerprint: string): void {
  mkdirSync(machine.config, { recursive: true, mode: 0o700 });
  const servers = { [listen]: { fingerprint, first_seen: "2026-01-01T00:00:00.000Z" } };
  machine.write("config/postern/known-servers.json", JSON.stringify({ version: 1, servers }));
}

/** The audit log's `event outcome reason` of each entry. */
async function auditTrail(): Promise<string[]> {
  const file = join(operator.home, "admin-password");
  const args = ["audit", "list", "--admin-password-file", file, "--limit", "1000", "--json"];
  const { code, stdout } = await operator.hosted("posternd", args);
  expect(code).toBe(0);
  const lines = stdout.trimEnd().split("\n");
  return lines.map((line) => {
    const { event, outcome, reason } = JSON.parse(line);
    return [event, outcome, reason].join(" ");
  });
}

/** What was granted and what was charged to somebody: whoever only leaves at the code is neither. */
async function spent(): Promise<string[]> {
  const trail = await auditTrail();
  return trail.filter((entry) => /^(login|register)/.test(entry) && !entry.endsWith(" no_code"));
}

describe.concurrent("a session is shown only to the identity that gave it", () => {
  it.for(["whoami", "token", "logout"])("%s with another identity pinned since is not_logged_in", async (command) => {
    const machine = newMachine();
    const [now, before] = await Promise.all([newTalker(() => greeting), impostor()]);
    keep(before.server);
    const { listen } = now.server;
    plantPin(machine, listen, now.fingerprint);
    const secret = plantSession(machine, listen, before.fingerprint);
    expect(await outcomeOf(machine, [command, "--server", listen])).toEqual([1, "not_logged_in"]);
    expect(now.server.heard).toContain('"hello"');
    expect(now.server.heard).not.toContain("session.resume");

    plantSession(machine, listen, now.fingerprint);
    await outcomeOf(machine, ["whoami", "--server", listen]);
    expect(now.server.heard).toContain(secret.slice(36, 68));
    expect(now.server.heard).not.toContain(secret.slice(-64));
  });

  it("`server forget` forgets session and devices with the pin, and no others", async () => {
    const machine = newMachine();
    const [here, there] = ["forgotten.example:7465", "other.example:7465"];
    const fingerprint = `SHA256:${"A".repeat(43)}`;
    plantPin(machine, here, fingerprint);
    const kept = (secret: string) => ({ name: "alice", secret, fingerprint });
    const sessions = { [here]: kept(aSecret("a")), [there]: kept(aSecret("b")) };
    plantSession(machine, here, fingerprint);
    machine.write("state/postern/sessions.json", JSON.stringify({ version: 1, sessions }));
    const device = (server: string, name: string) => {
      return { server, name, fingerprint, device: `dev_${"c".repeat(32)}`, secret: "d".repeat(64) };
    };
    const devices = [device(here, "alice"), device(here, "bob"), device(there, "alice")];
    machine.write("state/postern/devices.json", JSON.stringify({ version: 1, devices }));
    expect(await outcomeOf(machine, ["server", "forget", here])).toEqual([0, undefined]);
    expect(JSON.parse(sessionsOf(machine)).sessions).toEqual({ [there]: kept(aSecret("b")) });
    const left = JSON.parse(readFileSync(join(machine.state, "devices.json"), "utf8"));
    expect(left.devices).toEqual([device(there, "alice")]);
  });
});

describe("a password in the place of a code is not sent", () => {
  it("as --code: it is a usage error before a connection", async () => {
    const machine = newMachine();
    const relay = keep(await Relay.start(server.listen));
    const args = ["login", "alice", "--server", relay.listen, "--fingerprint", server.fingerprint];
    const before = await auditTrail();
    const { code, stdout } = await machine.hosted("postern", [
      ...[...args, "--password-file", "password", "--code", password, "--json"],
    ]);
    expect([code, errorOf(stdout)]).toEqual([2, "usage"]);
    expect(stdout).not.toContain(password);
    expect(relay.connections).toBe(0);
    expect(await auditTrail()).toEqual(before);
  });

  it.for(["login", "register"])("as the second line of stdin to %s: nothing is charged or granted", async (command) => {
    const machine = newMachine();
    const name = command === "login" ? "alice" : "bob";
    const before = await spent();
    const args = [command, name, ...at(server), "--password-file", "-", "--json"];
    const { code, stdout } = await machine.hosted("postern", args, { stdin: { text: `${password}\n${password}\n` } });
    expect([code, errorOf(stdout)]).toEqual([2, "usage"]);
    expect(stdout).not.toContain(password);
    expect(await spent()).toEqual(before);
  });
});

describe("a connection that ends while a question stands", () => {
  it.for(["RST", "FIN"] as const)("by %s at the first contact: a yes goes on over a new one", async (how) => {
    const machine = newMachine();
    const relay = keep(await Relay.start(server.listen));
    const terminal = new Terminal(machine, "postern", ["login", "--server", relay.listen]);
    await terminal.shows("do you trust it from now on?");
    await relay.cut(how);
    terminal.type("y");
    terminal.press("enter");
    await terminal.answer("? Name", "alice");
    await terminal.answer("? Password", password);
    await terminal.answer("? Code", account.recoveryCodes[how === "RST" ? 0 : 1] ?? "");
    await terminal.shows("Login successful.");
    await terminal.answer("Is your authenticator lost?", "n");
    expect(await terminal.left()).toEqual({ code: 0, cooked: true, cursorShown: true });
    expect(relay.connections).toBe(2);
    expect(terminal.history().match(/do you trust it/g)).toHaveLength(1);
  });

  it("at the very first moment is exit code 3, and no bug", async () => {
    const { server: fake } = await impostor({}, (socket) => void socket.destroy());
    keep(fake);
    const args = ["login", "alice", "--password-file", "password", "--code", "123456", "--trust-on-first-use"];
    const outcome = await outcomeOf(newMachine(), [...args, "--server", fake.listen]);
    expect(outcome).toEqual([3, expect.stringMatching(/^(connection_lost|server_unreachable)$/)]);
  });

  it("at the code, and a wrong code three times: the program ends, though two connections were made", async () => {
    const machine = newMachine();
    const relay = keep(await Relay.start(server.listen));
    plantPin(machine, relay.listen, server.fingerprint);
    const terminal = new Terminal(machine, "postern", ["login", "alice", "--server", relay.listen]);
    await terminal.answer("? Password", password);
    await terminal.shows("? Code");
    await relay.cut("FIN");
    const [first = "", ...others] = account.authenticator.wrong(3);
    terminal.type(first);
    terminal.press("enter");
    for (const code of others) await terminal.answer("? Code", code);
    await terminal.shows("error: the code was not accepted");
    // Not after the minute that the server waits for a next step.
    expect(await terminal.left()).toEqual({ code: 1, cooked: true, cursorShown: true });
    expect(relay.connections).toBe(2);
  }, 55_000);
});

describe("the session file", () => {
  it("keeps a session that was put there while the one before it was logged out", async () => {
    const machine = newMachine();
    const relay = keep(await Relay.start(server.listen));
    plantPin(machine, relay.listen, server.fingerprint);
    plantSession(machine, relay.listen, server.fingerprint, aSecret("a"));
    const release = relay.hold();
    const running = machine.start("postern", ["logout", "--server", relay.listen, "--json"]);
    await relay.connected(1);
    const newer = plantSession(machine, relay.listen, server.fingerprint, aSecret("b"));
    release();
    const { code, stdout } = await running.ended;
    expect([code, onlyLine(stdout)]).toEqual([0, { logged_out: true, name: "alice" }]);
    expect(sessionsOf(machine)).toContain(newer);
  });

  const hindrances: readonly (readonly [string, string, (machine: Machine) => void])[] = [
    [
      "a file stands where its folder should be",
      "file_unwritable",
      (machine) => {
        mkdirSync(join(machine.home, "state"));
        machine.write("state/postern", "");
      },
    ],
    [
      "others may write to its folder",
      "file_unwritable",
      (machine) => {
        mkdirSync(machine.state, { recursive: true });
        chmodSync(machine.state, 0o777);
      },
    ],
    [
      "others may write to it",
      "file_unreadable",
      (machine) => {
        plantSession(machine, server.listen, server.fingerprint);
        chmodSync(sessionFile(machine), 0o666);
      },
    ],
  ];
  it.for(hindrances)("ends a login before it costs a code when %s", async ([, error, hinder]) => {
    const machine = newMachine();
    const args = loginArgs(machine, server, "alice", account.recoveryCodes[2] ?? "");
    hinder(machine);
    const before = await spent();
    expect(await outcomeOf(machine, args)).toEqual([2, error]);
    expect(await spent()).toEqual(before);
  });

  it("once it can be used again takes the login with that same code", async () => {
    const machine = newMachine();
    const args = loginArgs(machine, server, "alice", account.recoveryCodes[2] ?? "");
    expect(await outcomeOf(machine, args)).toEqual([0, undefined]);
    expect(sessionsOf(machine)).toContain(server.fingerprint);
    rmSync(sessionFile(machine));
  });
});

describe.concurrent("a false server", () => {
  const clientOnly = ["pins_unreadable", "cancelled", "usage", "server_identity_changed", "bug", "file_unwritable"];
  it.for(clientOnly)("that says %s, which is the client's to say, is shown as server_failed", async (error) => {
    const machine = newMachine();
    const { server: fake, fingerprint } = await newTalker(() => ({ error }));
    plantPin(machine, fake.listen, fingerprint);
    const args = ["login", "alice", "--password-file", "password", "--code", "123456", "--server", fake.listen];
    expect(await outcomeOf(machine, args)).toEqual([3, "server_failed"]);
    const { code, stderr } = await machine.hosted("postern", args);
    expect([code, stderr]).toMatchObject([3, expect.stringMatching(/^error: /)]);
  });

  const secret = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ";
  const other = "MFRGGZDFMZTWQ2LKMFRGGZDFMZTWQ2LK";
  const uri = (text: string) => `otpauth://totp/Postern:alice?issuer=Postern&secret=${text}`;

  async function enrolBy(enrolment: object): Promise<Ended> {
    const machine = newMachine();
    const answers: Readonly<Record<string, Answer>> = {
      hello: greeting,
      "register.start": {
        result: {
          identity: "alice",
          salt: "5a".repeat(32),
          stretch: { generation: firstStretchGeneration, ...stretchFloor },
        },
      },
      "register.verifier": {
        result: { secret, uri: uri(secret), algorithm: "SHA1", digits: 6, period: 30, expires_in: 600, ...enrolment },
      },
    };
    const { server: fake, fingerprint } = await newTalker((method) => answers[method] ?? { error: "internal" });
    plantPin(machine, fake.listen, fingerprint);
    return machine.hosted("postern", ["register", "alice", "--password-file", "password", "--server", fake.listen]);
  }

  const misfits: readonly (readonly [string, object])[] = [
    ["of another secret", { uri: uri(other) }],
    ["of other digits", { uri: `${uri(secret)}&digits=8` }],
    ["of another period", { uri: `${uri(secret)}&period=60` }],
    ["of another hash", { uri: `${uri(secret)}&algorithm=SHA512` }],
    ["for counters", { uri: `${uri(secret).replace("totp", "hotp")}&counter=0` }],
    ["that is none", { uri: "https://evil.example/" }],
  ];
  it.for(misfits)("that enrols with a URI %s gets nothing drawn", async ([, enrolment]) => {
    const { code, stdout, stderr } = await enrolBy(enrolment);
    expect([code, stdout]).toEqual([3, ""]);
    expect(stderr).toMatch(/^error: .*its URI does not fit its secret/);
    expect(stderr).not.toMatch(/otpauth|secret=|evil|▀/);
  });

  it("is shown as any other while its URI fits", async () => {
    const { stdout } = await enrolBy({});
    expect(stdout).toContain(uri(secret));
  });
});

describe.concurrent("a no at the first contact", () => {
  it("ends a command with exit code 4; the server heard nothing, and no pin was made", async () => {
    const machine = newMachine();
    const { server: fake } = await impostor();
    keep(fake);
    const terminal = new Terminal(machine, "postern", ["login", "alice", "--server", fake.listen]);
    await terminal.answer("do you trust it from now on?", "n");
    expect(await terminal.left()).toEqual({ code: 4, cooked: true, cursorShown: true });
    expect(fake.heard).toBe("");
    expect(existsSync(machine.config)).toBe(false);
  });

  it("brings the menu back", async () => {
    const { server: fake } = await impostor();
    keep(fake);
    const terminal = new Terminal(newMachine(), "postern", ["--server", fake.listen]);
    await terminal.answer("? Postern at", "2");
    await terminal.answer("do you trust it from now on?", "n");
    await terminal.shows("error:");
    await terminal.answer("? Postern at", "4");
    expect(await terminal.left()).toEqual({ code: 0, cooked: true, cursorShown: true });
  });
});

describe.concurrent("a name that the protocol cannot carry", () => {
  const names = [
    ["that is empty", ""],
    ["of 300 characters", "a".repeat(300)],
  ] as const;
  it.for(names)("%s is refused here, and not sent", async ([, name]) => {
    const machine = newMachine();
    const { server: fake, fingerprint } = await newTalker((method) =>
      method === "hello" ? greeting : { error: "busy" },
    );
    plantPin(machine, fake.listen, fingerprint);
    const login = ["login", name, "--server", fake.listen, "--password-file", "password", "--code", "123456"];
    expect(await outcomeOf(machine, login)).toEqual([1, "name_invalid"]);
    const register = ["register", name, "--server", fake.listen, "--password-file", "password"];
    expect(await outcomeOf(machine, register)).toEqual([1, "name_invalid"]);
    expect(fake.heard).not.toMatch(/login\.start|register\.start/);
  });

  it("is asked for anew from a person", async () => {
    const terminal = new Terminal(newMachine(), "postern", ["register", ...at(server)]);
    await terminal.answer("? Name", "");
    await terminal.shows("A name has 1 to 64 characters");
    await terminal.shows("? Name");
    terminal.press("ctrl-c");
    expect((await terminal.left()).code).toBe(130);
  });
});

describe.concurrent("the offline toolkit", () => {
  const secret = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ";

  function newToolkit(): Machine {
    const machine = newMachine();
    machine.write("secret", `${secret}\n`);
    machine.write("uri", `otpauth://totp/Postern:alice?issuer=Postern&secret=${secret}\n`);
    return machine;
  }

  it("refuses each option that a URI says already, instead of ignoring it", async () => {
    const machine = newToolkit();
    const options = ["--digits=8", "--period=60", "--algorithm=SHA512", "--issuer=Other", "--account=bob"];
    const contradicted = options.map((option) => outcomeOf(machine, ["otp", "code", "--uri-file", "uri", option]));
    expect(await Promise.all(contradicted)).toEqual(options.map(() => [2, "usage"]));
    expect(await outcomeOf(machine, ["otp", "code", "--uri-file", "uri"])).toEqual([0, undefined]);
    const both = ["otp", "code", "--uri-file", "uri", "--secret-file", "secret"];
    expect(await outcomeOf(machine, both)).toEqual([2, "usage"]);
  });

  it("verifies a code: exit code 0 for a right one, 1 for a wrong one and for what can be none", async () => {
    const machine = newToolkit();
    const authenticator = new Authenticator(secret);
    const verify = ["otp", "verify", "--secret-file", "secret", "--code"];
    expect(await outcomeOf(machine, [...verify, authenticator.next()])).toEqual([0, undefined]);
    for (const wrong of [authenticator.wrong(1)[0] ?? "", "12345", password]) {
      expect(await outcomeOf(machine, [...verify, wrong])).toEqual([1, "otp_wrong"]);
    }
  });

  it("takes the code from stdin's second line when the secret, or the URI, is the first", async () => {
    const machine = newToolkit();
    const authenticator = new Authenticator(secret);
    const right = authenticator.next();
    const wrong = authenticator.wrong(1)[0] ?? "";
    const uri = readFileSync(join(machine.home, "uri"), "utf8").trimEnd();
    const verify = (option: string, ...lines: string[]) =>
      outcomeOf(machine, ["otp", "verify", option, "-"], { stdin: { text: `${lines.join("\n")}\n` } });
    expect(await verify("--secret-file", secret, right)).toEqual([0, undefined]);
    expect(await verify("--secret-file", secret, wrong)).toEqual([1, "otp_wrong"]);
    expect(await verify("--uri-file", uri, right)).toEqual([0, undefined]);
    expect(await verify("--secret-file", secret)).toEqual([6, "input_needed"]);
  });

  it("and the rest are explained by `help` as by --help", async () => {
    const machine = newToolkit();
    const [help, option] = await Promise.all([
      machine.hosted("postern", ["help", "login"]),
      machine.hosted("postern", ["login", "--help"]),
    ]);
    expect(help).toMatchObject({ code: 0, stdout: expect.stringContaining("postern login"), stderr: "" });
    expect(help.stdout).toBe(option.stdout);
    expect(await outcomeOf(machine, ["otp"])).toEqual([2, "usage"]);
  });
});
