import { existsSync, mkdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { decodeSecret } from "@postern/shared/otp/secret";
import { describe, expect, it, onTestFinished } from "vitest";
import { raiseStretch } from "../../packages/server/src/services/stretching.js";
import { MINUTE, SECOND } from "../support/in-process.js";
import { guessPassword } from "../support/person.js";
import { type Machine, onlyLine } from "../support/programs.js";
import { WireClient } from "../support/wire-client.js";
import { at, password, registerByScript } from "./account.js";
import { hotp, type MovableOptions, movableServer, newMachine, Owner } from "./caretaker.js";
import { greeting, talker } from "./fake-servers.js";

/** How people look after an account by scripts: the real client, against a server whose clock is moved. */

const newPassword = "eleven patient harbours";

async function loggedIn(options?: MovableOptions): Promise<{ owner: Owner; machine: Machine }> {
  const owner = await Owner.register(await movableServer(options));
  const machine = newMachine();
  expect(await owner.logIn(machine)).toMatchObject({ code: 0 });
  return { owner, machine };
}

const devicesOf = (machine: Machine) => JSON.parse(readFileSync(join(machine.state, "devices.json"), "utf8")).devices;
const sessionsOf = (machine: Machine) =>
  JSON.parse(readFileSync(join(machine.state, "sessions.json"), "utf8")).sessions;

/** Lets a session's last code grow older than five minutes. */
const grow = ({ server }: Owner) => server.clock.advance(6 * MINUTE);

describe("sessions", () => {
  it("are listed, with the one that asks marked, and end by the beginning of an id or all at once", async () => {
    const { owner, machine } = await loggedIn();
    const other = newMachine();
    await owner.logIn(other);
    const here = String((await owner.run(machine, ["whoami"])).last["session"]);
    const there = String((await owner.run(other, ["whoami"])).last["session"]);

    const { last } = await owner.run(machine, ["session", "list"]);
    const listed = last["sessions"] as { session: string; current: boolean }[];
    expect(listed.map(({ session, current }) => [session, current]).sort()).toEqual(
      [
        [here, true],
        [there, false],
      ].sort(),
    );
    const shown = await machine.hosted("postern", ["session", "list", ...owner.at()]);
    expect(shown.stdout).toMatch(new RegExp(`^${here.slice(0, 12)} .* 127\\.0\\.0\\.1 .* this session$`, "m"));
    for (const line of shown.stdout.split("\n")) expect(line.length).toBeLessThanOrEqual(80);

    const revoke = (...args: string[]) => owner.run(machine, ["session", "revoke", ...args]);
    expect(await revoke("ses_")).toMatchObject({ code: 2, error: "usage" });
    expect(await revoke("ses_zz")).toMatchObject({ code: 1, error: "id_unknown" });
    expect(await revoke()).toMatchObject({ code: 2, error: "usage" });
    expect(await revoke(there, "--others")).toMatchObject({ code: 2, error: "usage" });
    expect(await revoke(there.slice(0, 20))).toMatchObject({ code: 0, last: { session: there } });
    expect(await owner.run(other, ["whoami"])).toMatchObject({ code: 1, error: "session_invalid" });

    await owner.logIn(other);
    expect(await revoke("--others")).toMatchObject({ code: 0, last: { revoked: 1 } });
    expect(await owner.run(other, ["whoami"])).toMatchObject({ code: 1, error: "session_invalid" });
    expect(await revoke(here)).toMatchObject({ code: 0 });
    expect(sessionsOf(machine)).toEqual({});
  });
});

describe("devices", () => {
  it("are known from the first login on, however the name is typed, and are kept where only their owner can read", async () => {
    const { owner, machine } = await loggedIn();
    const [kept] = devicesOf(machine);
    expect(kept).toMatchObject({ server: owner.server.listen, name: "alice", fingerprint: owner.server.fingerprint });
    expect(statSync(join(machine.state, "devices.json")).mode & 0o777).toBe(0o600);
    const again = await owner.logIn(machine, owner.code(), "ＡＬＩＣＥ");
    expect(again).toMatchObject({ code: 0, last: { device: kept.device } });
    expect(JSON.stringify(again.last)).not.toMatch(/secret|pss_/);
    expect(devicesOf(machine)).toEqual([kept]);
    const { last } = await owner.run(machine, ["device", "list"]);
    expect(last["devices"]).toMatchObject([{ device: kept.device, current: true }]);
  });

  it("log in while strangers are turned away (attack 48)", async () => {
    const { owner, machine } = await loggedIn();
    const code = owner.code();
    for (let guess = 0; guess < 5; guess += 1) {
      const stranger = await WireClient.open(owner.server);
      await guessPassword(stranger, "alice");
      await stranger.close();
    }
    expect(await owner.logIn(newMachine(), code)).toMatchObject({ code: 5, error: "throttled" });
    expect(await owner.logIn(machine, code)).toMatchObject({ code: 0 });
  });

  it("are shown to no other identity than the one that gave them, and for no other name", async () => {
    const machine = newMachine();
    const { server: fake, fingerprint } = await talker((method) => (method === "hello" ? greeting : { error: "busy" }));
    onTestFinished(() => fake.close());
    const device = `dev_${"c".repeat(32)}`;
    const plant = (name: string, giver: string) => {
      const kept = { server: fake.listen, name, fingerprint: giver, device, secret: "d".repeat(64) };
      mkdirSync(machine.state, { recursive: true, mode: 0o700 });
      machine.write("state/postern/devices.json", JSON.stringify({ version: 1, devices: [kept] }));
    };
    const at = ["--server", fake.listen, "--fingerprint", fingerprint];
    const logIn = () =>
      machine.hosted("postern", ["login", "alice", "--password-file", "password", "--code", "1 23456", ...at]);
    plant("alice", `SHA256:${"A".repeat(43)}`);
    await logIn();
    plant("bob", fingerprint);
    await logIn();
    expect(fake.heard).toContain('"login.start"');
    expect(fake.heard).not.toContain("dev_");
    plant("alice", fingerprint);
    await logIn();
    expect(fake.heard).toContain(device);
    expect(fake.heard).not.toContain("d".repeat(64));
  });

  it("are forgotten: this one here too, and the others all at once", async () => {
    const { owner, machine } = await loggedIn();
    await owner.logIn(newMachine());
    expect(await owner.run(machine, ["device", "forget", "--others"])).toMatchObject({ last: { forgotten: 1 } });
    const [{ device }] = devicesOf(machine);
    expect(await owner.run(machine, ["device", "forget", device.slice(0, 16)])).toMatchObject({ last: { device } });
    expect(devicesOf(machine)).toEqual([]);
    expect(await owner.run(machine, ["device", "list"])).toMatchObject({ code: 0, last: { devices: [] } });
    expect((await owner.logIn(machine)).last["device"]).not.toBe(device);
  });
});

describe("authenticators", () => {
  it("of SHA-256, 8 digits and 60 seconds: added, used at a login, listed, removed by label", async () => {
    const { owner, machine } = await loggedIn();
    const params = { algorithm: "SHA256", digits: 8, period: 60 } as const;
    const args = ["--label", "old phone", "--algorithm", "SHA256", "--digits", "8", "--period", "60"];
    const added = await owner.addFactor(machine, args, (secret) => owner.totp(secret, params));
    expect(added).toMatchObject({ code: 0, last: { kind: "totp", label: "old phone", ...params } });
    expect(added.lines[0]?.["uri"]).toMatch(/algorithm=SHA256&digits=8&period=60$/);

    owner.server.clock.advance(60 * SECOND);
    expect(await owner.logIn(machine, owner.totp(added.secret, params))).toMatchObject({ code: 0 });
    const { last } = await owner.run(machine, ["factor", "list"]);
    expect(last["factors"]).toMatchObject([{ label: "authenticator" }, { label: "old phone" }]);
    const shown = await machine.hosted("postern", ["factor", "list", ...owner.at()]);
    expect(shown.stdout).toContain("TOTP SHA256, 8 digits, 60 s");
    for (const line of shown.stdout.split("\n")) expect(line.length).toBeLessThanOrEqual(80);

    const remove = (...words: string[]) => owner.run(machine, ["factor", "remove", ...words]);
    expect(await remove("old phone")).toMatchObject({ code: 6, error: "input_needed" });
    expect(await remove("new phone", "--yes")).toMatchObject({ code: 1, error: "id_unknown" });
    expect(await remove("old phone", "--yes")).toMatchObject({ code: 0, last: { label: "old phone" } });
    expect(await remove("authenticator", "--yes")).toMatchObject({ code: 1, error: "last_factor" });
    owner.server.clock.advance(60 * SECOND);
    expect(await owner.logIn(machine, owner.totp(added.secret, params))).toMatchObject({ error: "code_refused" });
  });

  it("that count: a device that ran ahead is found again by two codes in a row, typed as one", async () => {
    const { owner, machine } = await loggedIn();
    const added = await owner.addFactor(machine, ["--hotp", "--label", "token"], (secret) => hotp(secret, 0));
    expect(added).toMatchObject({ code: 0, last: { kind: "hotp", label: "token" } });
    expect(added.last["period"]).toBeUndefined();
    const { secret } = added;
    expect(await owner.logIn(machine, hotp(secret, 1))).toMatchObject({ code: 0 });
    expect(await owner.logIn(machine, hotp(secret, 20))).toMatchObject({ code: 1, error: "code_refused" });
    expect(await owner.logIn(machine, `${hotp(secret, 20)} ${hotp(secret, 21)}`)).toMatchObject({ code: 0 });
    expect(await owner.logIn(machine, hotp(secret, 21))).toMatchObject({ code: 1, error: "code_refused" });
    expect(await owner.logIn(machine, hotp(secret, 22))).toMatchObject({ code: 0 });
  });

  it("are not added after a wrong first code, under a label that is taken, or with options that contradict", async () => {
    const { owner, machine } = await loggedIn();
    const wrong = await owner.addFactor(machine, ["--hotp"], (secret) => hotp(secret, 40));
    expect(wrong).toMatchObject({ code: 1, error: "code_refused" });
    const add = (...words: string[]) => owner.run(machine, ["factor", "add", ...words]);
    expect(await add("--label", "authenticator")).toMatchObject({ code: 1, error: "label_taken" });
    expect(await add("--label", "\u001b[2J")).toMatchObject({ code: 1, error: "label_invalid" });
    expect(await add("--label", "x".repeat(65))).toMatchObject({ code: 1, error: "label_invalid" });
    expect(await add("--hotp", "--period", "60")).toMatchObject({ code: 2, error: "usage" });
    expect(await add("--period", "5")).toMatchObject({ code: 2, error: "usage" });
    const { last } = await owner.run(machine, ["factor", "list"]);
    expect(last["factors"]).toHaveLength(1);
  });
});

describe("a fresh code", () => {
  it("is needed five minutes after the last one; given once, it serves for five more", async () => {
    const { owner, machine } = await loggedIn();
    grow(owner);
    expect(await owner.run(machine, ["factor", "list"])).toMatchObject({ code: 1, error: "step_up_needed" });
    const plain = await machine.hosted("postern", ["factor", "list", ...owner.at()]);
    expect(plain.stderr).toContain("hint: give one with --code");
    const wrong = ["factor", "list", "--code", owner.wrongCode()];
    expect(await owner.run(machine, wrong)).toMatchObject({ code: 1, error: "code_refused" });
    expect(await owner.run(machine, ["factor", "list", "--code", owner.code()])).toMatchObject({ code: 0 });
    expect(await owner.run(machine, ["recovery", "regenerate", "--yes"])).toMatchObject({ code: 0 });
  });

  it("that is wrong too often ends in throttled, with the time to wait", async () => {
    const { owner, machine } = await loggedIn();
    grow(owner);
    const guess = () => owner.run(machine, ["factor", "list", "--code", owner.wrongCode()]);
    for (let tries = 0; tries < 5; tries += 1) expect(await guess()).toMatchObject({ error: "code_refused" });
    expect(await guess()).toMatchObject({ code: 5, error: "throttled", last: { error: { retry_after: 30 } } });
  });

  it("that has passed tells how far the clock of its device is behind", async () => {
    const { owner, machine } = await loggedIn();
    owner.server.clock.advance(10 * MINUTE);
    const late = owner.person.code(owner.server.clock, -3);
    const { code, last } = await owner.logIn(machine, late);
    expect([code, last]).toMatchObject([1, { error: { code: "code_refused", clock_behind: 90 } }]);
    const again = await owner.logIn(machine, owner.person.code(owner.server.clock));
    expect(again).toMatchObject({ code: 0 });
    const used = await owner.logIn(machine, owner.person.code(owner.server.clock));
    expect(used.last["error"]).not.toHaveProperty("clock_behind");
  });
});

describe("recovery codes", () => {
  it("are counted, let in once, and die when new ones are made", async () => {
    const { owner, machine } = await loggedIn();
    const [first = "", second = ""] = owner.person.recoveryCodes;
    expect(await owner.run(machine, ["recovery", "status"])).toMatchObject({ last: { left: 10, total: 10 } });
    expect(await owner.logIn(machine, first)).toMatchObject({ code: 0, last: { recovery_codes_left: 9 } });
    expect(await owner.run(machine, ["recovery", "status"])).toMatchObject({ last: { left: 9 } });
    const { last } = await owner.run(machine, ["recovery", "regenerate", "--yes"]);
    const codes = last["recovery_codes"] as string[];
    expect(new Set(codes).size).toBe(10);
    expect(await owner.logIn(machine, second)).toMatchObject({ code: 1, error: "code_refused" });
    expect(await owner.logIn(machine, codes[0])).toMatchObject({ code: 0, last: { recovery_codes_left: 9 } });
  });

  it("used at a login, say what to do next, and ask a script nothing", async () => {
    const { owner, machine } = await loggedIn();
    const args = ["login", "alice", "--password-file", "password", "--code", owner.person.recoveryCodes[0] ?? ""];
    const { code, stderr } = await machine.hosted("postern", [...args, ...owner.at()], { stdin: "open" });
    expect(code).toBe(0);
    expect(stderr).toContain("you have 9 left");
    expect(stderr).toContain("factor add");
  });
});

describe("a new password", () => {
  const passwd = (...words: string[]) => ["passwd", "--password-file", "password", ...words];

  it("takes the place of the old one; other sessions and devices end, this machine has a new session", async () => {
    const { owner, machine } = await loggedIn();
    const other = newMachine();
    await owner.logIn(other);
    machine.write("new-password", `${newPassword}\n`);
    const [{ device }] = devicesOf(machine);
    const changed = await owner.run(machine, passwd("--new-password-file", "new-password", "--code", owner.code()));
    expect(changed).toMatchObject({ code: 0, last: { name: "alice", device } });
    expect(JSON.stringify(changed.last)).not.toMatch(/secret|pss_/);
    expect(await owner.run(machine, ["whoami"])).toMatchObject({ last: { session: changed.last["session"] } });
    expect(await owner.run(other, ["whoami"])).toMatchObject({ error: "session_invalid" });
    expect((await owner.run(machine, ["device", "list"])).last["devices"]).toMatchObject([{ device }]);
    expect(await owner.logIn(other)).toMatchObject({ code: 1, error: "login_failed" });
    other.write("password", `${newPassword}\n`);
    expect(await owner.logIn(other)).toMatchObject({ code: 0 });
  });

  it("takes old password, new password and code as three lines of stdin, and a name where nobody is logged in", async () => {
    const owner = await Owner.register(await movableServer());
    const machine = newMachine();
    const files = ["--password-file", "-", "--new-password-file", "-"];
    const text = `${password}\n${newPassword}\n${owner.code()}\n`;
    const changed = await owner.run(machine, ["passwd", "alice", ...files], { stdin: { text } });
    expect(changed).toMatchObject({ code: 0 });
    expect(devicesOf(machine)).toHaveLength(1);
    machine.write("password", `${newPassword}\n`);
    expect(await owner.logIn(machine)).toMatchObject({ code: 0 });
  });

  it("is not the old one, not a weak one, and not without the old one or a code: nothing changes", async () => {
    const { owner, machine } = await loggedIn();
    machine.write("weak", "password1\n");
    machine.write("new-password", `${newPassword}\n`);
    const outcomes = [
      [passwd("--new-password-file", "password", "--code", owner.code()), "password_unchanged"],
      [passwd("--new-password-file", "weak", "--code", owner.code()), "password_too_weak"],
      [passwd("--new-password-file", "new-password", "--code", owner.wrongCode()), "code_refused"],
      [
        ["passwd", "--password-file", "weak", "--new-password-file", "new-password", "--code", "123456"],
        "login_failed",
      ],
      [passwd("--new-password-file", "new-password"), "input_needed"],
    ] as const;
    for (const [args, error] of outcomes) expect(await owner.run(machine, args)).toMatchObject({ error });
    expect(await owner.run(machine, ["whoami"])).toMatchObject({ code: 0 });
    expect(await owner.logIn(machine)).toMatchObject({ code: 0 });
  });
});

describe("raised Argon2id parameters", () => {
  it("are taken over at the next login, and by a password change, without a word", async () => {
    const { owner, machine } = await loggedIn({ stretching: "real" });
    await raiseStretch(owner.server.context, 2);
    const generation = async () => {
      const client = await WireClient.open(owner.server);
      const { stretch } = await client.ok("login.start", { name: "alice", A: "2".padStart(512, "0") });
      await client.close();
      return stretch.generation;
    };
    expect(await generation()).toBe(1);
    expect(await owner.logIn(machine)).toMatchObject({ code: 0 });
    expect(await generation()).toBe(2);
    expect(await owner.logIn(machine)).toMatchObject({ code: 0 });

    await raiseStretch(owner.server.context, 3);
    machine.write("new-password", `${newPassword}\n`);
    const args = ["--password-file", "password", "--new-password-file", "new-password", "--code", owner.code()];
    expect(await owner.run(machine, ["passwd", ...args])).toMatchObject({ code: 0 });
    expect(await generation()).toBe(3);
    machine.write("password", `${newPassword}\n`);
    expect(await owner.logIn(machine)).toMatchObject({ code: 0 });
  });
});

describe("an account that is deleted", () => {
  it("is gone with its sessions, and this machine keeps nothing of it; it takes a code however fresh the session", async () => {
    const { owner, machine } = await loggedIn();
    const other = newMachine();
    await owner.logIn(other);
    const remove = (...words: string[]) => owner.run(machine, ["account", "delete", ...words]);
    expect(await remove("--code", owner.code())).toMatchObject({ code: 6, error: "input_needed" });
    expect(await remove("--yes")).toMatchObject({ code: 6, error: "input_needed" });
    expect(await remove("--yes", "--code", owner.wrongCode())).toMatchObject({ code: 1, error: "code_refused" });
    expect(await owner.run(other, ["whoami"])).toMatchObject({ code: 0 });

    expect(await remove("--yes", "--code", owner.code())).toMatchObject({ code: 0, last: { deleted: true } });
    expect(sessionsOf(machine)).toEqual({});
    expect(devicesOf(machine)).toEqual([]);
    expect(await owner.run(other, ["whoami"])).toMatchObject({ error: "session_invalid" });
    expect(await owner.logIn(machine)).toMatchObject({ error: "login_failed" });
    expect(existsSync(join(machine.config, "known-servers.json"))).toBe(true);
  });
});

describe("posternd itself", () => {
  it("goes along with all of it: device, counting authenticator, recovery codes, password, sessions, the end", async () => {
    const operator = newMachine();
    const machine = newMachine();
    const server = await operator.startServer();
    const { recoveryCodes } = await registerByScript(machine, server, "alice");
    const run = async (...args: string[]): Promise<Record<string, unknown>> => {
      const { code, stdout } = await machine.run("postern", [...args, ...at(server), "--json"]);
      return { code, ...onlyLine(stdout) };
    };
    const logIn = (code: string) => run("login", "alice", "--password-file", "password", "--code", code);
    expect(await logIn(recoveryCodes[0] ?? "")).toMatchObject({ code: 0, recovery_codes_left: 9 });

    const adding = machine.start("postern", ["factor", "add", "--hotp", ...at(server), "--json"], { stdin: "open" });
    const [, text = ""] = await adding.prints(/"secret":"([A-Z2-7]+)"/);
    const secret = decodeSecret(text);
    adding.say(hotp(secret, 0));
    expect(await adding.ended).toMatchObject({ code: 0 });

    machine.write("new-password", `${newPassword}\n`);
    const files = ["--password-file", "password", "--new-password-file", "new-password"];
    const changed = await run("passwd", ...files, "--code", hotp(secret, 1));
    expect(changed).toMatchObject({ code: 0, name: "alice" });
    expect(await run("session", "list")).toMatchObject({ sessions: [{ session: changed["session"], current: true }] });
    expect(await run("device", "list")).toMatchObject({ devices: [{ current: true }] });
    expect(await run("recovery", "regenerate", "--yes")).toMatchObject({ code: 0 });
    expect(await run("factor", "remove", "authenticator", "--yes")).toMatchObject({ code: 0 });
    expect(await run("account", "delete", "--yes", "--code", hotp(secret, 2))).toMatchObject({ code: 0 });
    machine.write("password", `${newPassword}\n`);
    expect(await logIn(hotp(secret, 3))).toMatchObject({ code: 1, error: { code: "login_failed" } });
    expect(server.process.stderr).not.toMatch(/"level":(50|60)|ERROR/);
  });
});
