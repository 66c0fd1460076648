import { execFileSync, spawn } from "node:child_process";
import { statSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { faultsStored, withStore } from "../support/crash-inspect.js";
import {
  faultsServing,
  type Login,
  logInWitness,
  newWitness,
  registerWitness,
  systemClock,
  targetOf,
  type Witness,
} from "../support/crash-load.js";
import { adminPassword, commandOf, Machine, Running } from "../support/programs.js";
import { type Target, WireClient } from "../support/wire-client.js";

const PEOPLE_BEFORE = 6;

/** More than fit on the disk: each one's record takes some 2 KiB. */
const PEOPLE_MORE = 400;

/** The two headers of the store, and its lock file: no page of a commit. */
const ROOM_FOR_NO_COMMIT = 12;

function newMachine(): Machine {
  const machine = new Machine();
  onTestFinished(() => machine.close());
  return machine;
}

/** Starts posternd where no file can grow beyond so many KiB: to it, that is a full disk. */
function startConfined(machine: Machine, kib: number | "unlimited"): Running {
  const file = machine.write("admin-password", `${adminPassword}\n`);
  const options = ["--http", "off", "--address-limits", "off"];
  const args = ["start", "--admin-password-file", file, "--listen", "127.0.0.1:0", ...options, "--json"];
  const confined = `ulimit -S -f ${kib}; exec "$0" "$@"`;
  const child = spawn("bash", ["-c", confined, ...commandOf("posternd", args)], {
    cwd: machine.home,
    env: machine.env,
    stdio: ["ignore", "pipe", "pipe"],
  });
  const running = new Running(child);
  machine.adopt(running.pid, running.ended);
  return running;
}

interface Started {
  readonly running: Running;
  readonly target: Target;
}

/** Gives a process its room back: on Linux while it runs, elsewhere by another one in its place. */
async function withRoom(machine: Machine, started: Started): Promise<Started> {
  if (process.platform === "linux") {
    execFileSync("prlimit", ["--pid", String(started.running.pid), "--fsize=unlimited"]);
    return started;
  }
  await started.running.stop();
  const running = startConfined(machine, "unlimited");
  return { running, target: await listening(running) };
}

async function listening(running: Running): Promise<Target> {
  const [, port] = await running.prints(/"listen":"127\.0\.0\.1:(\d+)"/);
  return { port: Number(port) };
}

/** `ok`, or how it failed. */
async function outcomeOf(work: Promise<unknown>): Promise<string> {
  return work.then(
    () => "ok",
    (thrown: Error) => thrown.message,
  );
}

async function register(target: Target, witness: Witness): Promise<void> {
  const client = await WireClient.open(target);
  await registerWitness(client, witness, systemClock());
  await client.close();
}

async function logIn(target: Target, witness: Witness): Promise<Login> {
  const code = witness.person.recoveryCodes[witness.logins.length] ?? "";
  const login: Login = { factor: "recovery", code, logout: "no" };
  await logInWitness(await WireClient.open(target), witness, login);
  return login;
}

describe("attack 37: a disk that is full", () => {
  it("grants nothing without its record, says so, keeps what it acknowledged, and goes on when there is room", async () => {
    const machine = newMachine();
    const people = Array.from({ length: PEOPLE_BEFORE }, (_, index) => newWitness(`before${index}`));
    const first = await machine.startServer(["--http", "off", "--address-limits", "off"]);
    for (const witness of people) await register(targetOf(first), witness);
    expect(await first.process.stop()).toMatchObject({ code: 0 });

    const size = statSync(join(machine.data, "store.mdb")).size;
    const full = startConfined(machine, size / 1024 + 40);
    const target = await listening(full);
    let refused = "ok";
    for (let count = 0; refused === "ok" && count < PEOPLE_MORE; count++) {
      const witness = newWitness(`more${count}`);
      people.push(witness);
      refused = await outcomeOf(register(target, witness));
    }
    expect(refused).toMatch(/ failed: internal$/);

    const unanswered: Witness[] = [];
    const known = people.filter(({ registered }) => registered);
    for (let turn = 0; unanswered.length < 3 && turn < known.length * 8; turn++) {
      const witness = known[turn % known.length] as Witness;
      const outcome = await outcomeOf(logIn(target, witness));
      expect(["ok", "login.code failed: internal"]).toContain(outcome);
      if (outcome !== "ok") unanswered.push(witness);
    }
    expect(unanswered).toHaveLength(3);
    expect(full.stderr).toContain('"code":"store_failed"');

    const roomy = await withRoom(machine, { running: full, target });
    for (const witness of unanswered) {
      const refusedLogin = witness.logins.pop();
      expect(await outcomeOf(logIn(roomy.target, witness))).toBe("ok");
      expect(witness.logins.at(-1)?.code).toBe(refusedLogin?.code);
    }
    for (const witness of people) expect(await faultsServing(roomy.target, systemClock(), witness)).toEqual([]);
    expect(await roomy.running.stop()).toMatchObject({ code: 0 });

    const password = Buffer.from(adminPassword);
    expect(await withStore(machine.data, (barrier) => faultsStored(barrier, people), { password })).toEqual([]);

    const again = await startConfined(machine, ROOM_FOR_NO_COMMIT).ended;
    expect(again).toMatchObject({
      code: 3,
      stdout: expect.stringMatching(/^\{"error":\{"code":"store_failed".*\}\n$/),
    });
    expect(await withStore(machine.data, (barrier) => faultsStored(barrier, people), { password })).toEqual([]);
  });
});
