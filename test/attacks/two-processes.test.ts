import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { sessionsOf } from "../../packages/server/src/records/session.js";
import { verifyTrail } from "../../packages/server/src/services/audit-trail.js";
import { allPaths, type Give } from "../support/code-paths.js";
import { Clock, newLmdbStore, startInProcess, temporaryDirectory } from "../support/in-process.js";
import {
  awaitingCode,
  becomeKnown,
  guessPassword,
  logIn,
  registered,
  tryCode,
  tryPassword,
} from "../support/person.js";
import { expectOneCount, expectOneLogin } from "../support/two-servers.js";
import { codeOf, type Target, WireClient } from "../support/wire-client.js";

const script = fileURLToPath(new URL("children/server.mjs", import.meta.url));

/** A server process on the store of a directory, told to end in order by `stop`. */
async function serve(
  verb: "create" | "open",
  directory: string,
  clock: Clock,
): Promise<Target & { stop(): Promise<number> }> {
  const child = spawn(process.execPath, [script, verb, directory, String(clock.now())], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  const ended = once(child, "exit") as Promise<[number]>;
  const [port] = (await once(createInterface(child.stdout), "line")) as [string];
  const stop = async () => {
    child.stdin.end();
    const [code] = await ended;
    return code;
  };
  return { port: Number(port), stop };
}

describe("two server processes on one file", () => {
  const clock = new Clock();
  const servers: Awaited<ReturnType<typeof serve>>[] = [];
  let directory = "";

  const both = (): [Target, Target] => {
    const [first, second] = servers;
    if (first === undefined || second === undefined) throw new Error("the servers are not there");
    return [first, second];
  };
  const newcomer = (name: string) => registered({ ...both()[0], clock }, name);

  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), "postern-attack-"));
    for (const verb of ["create", "open"] as const) servers.push(await serve(verb, directory, clock));
  });

  afterAll(async () => {
    expect(await Promise.all(servers.map(({ stop }) => stop()))).toEqual([0, 0]);
    await rm(directory, { recursive: true, force: true });
  });

  it("attack 20: 100 uses of one code at once, spread over both, give exactly one session", async () => {
    await expectOneLogin({ both: both(), person: await newcomer("alice"), clock }, 100);
  });

  it("attack 20: 200 uses of one code at login, step-up, password change and deletion, over both, give one", async () => {
    const erin = await newcomer("erin");
    const [first] = both();
    const { secret, new_device: device } = await logIn(await WireClient.open(first), erin, erin.code(clock));
    const gives: Give[] = [];
    // The paths are four and the servers two: each is at both once the order is turned.
    for (let made = 0; made < 200; made += 20) {
      const turned = made % 40 === 0 ? both() : both().reverse();
      const batch = Array.from({ length: 5 }, () => allPaths(turned, erin, { secret, device }));
      gives.push(...(await Promise.all(batch)).flat());
    }
    const code = erin.code(clock, 1);
    const outcomes = (await Promise.all(gives.map((give) => give(code)))).map(codeOf);
    expect(outcomes.filter((outcome) => outcome === "ok")).toHaveLength(1);
    expect(new Set(outcomes)).not.toContain("internal");
  });

  it("attack 26: wrong codes are counted together, whichever path and process takes them", async () => {
    await expectOneCount({ both: both(), person: await newcomer("frank"), clock });
  });

  it("attack 25: a known device's wrong passwords are counted together, and leave the strangers' count alone", async () => {
    const grace = await newcomer("grace");
    const device = await becomeKnown(both()[0], grace, grace.code(clock));
    const outcomes: string[] = [];
    for (let tries = 0; tries < 6; tries++) {
      const client = await WireClient.open(both()[tries % 2] as Target);
      outcomes.push(codeOf(await guessPassword(client, "grace", device)));
    }
    expect(outcomes).toEqual([...Array(5).fill("login_failed"), "throttled"]);
    expect(await tryPassword(both()[1], grace)).toBe("ok");
  });

  it("attack 29: a recovery code works in one of them, once", async () => {
    const bob = await newcomer("bob");
    const [first, second] = both();
    const [code = ""] = bob.recoveryCodes;
    expect(await tryCode(first, bob, code)).toBe("ok");
    expect(await tryCode(second, bob, code)).toBe("code_refused");
    expect(await tryCode(first, bob, code)).toBe("code_refused");
  });

  it("attack 25: guesses at a password and at codes are counted together, whichever process takes them", async () => {
    const carol = await newcomer("carol");
    const outcomes: string[] = [];
    for (let tries = 0; tries < 7; tries++) {
      const client = await WireClient.open(both()[tries % 2] as Target);
      outcomes.push(codeOf(await guessPassword(client, "nobody")));
      await client.close();
    }
    expect(outcomes).toEqual([...Array(5).fill("login_failed"), "throttled", "throttled"]);
    const wrong = carol.wrongCode(clock);
    const codes: string[] = [];
    for (let tries = 0; tries < 6; tries++) codes.push(await tryCode(both()[tries % 2] as Target, carol, wrong));
    expect(codes).toEqual([...Array(5).fill("code_refused"), "throttled"]);
  });

  it("attack 34: a logout in one ends the session on a connection that the other one has open", async () => {
    const dave = await newcomer("dave");
    const [here, there] = both();
    const [first, second] = [await WireClient.open(here), await WireClient.open(there)];
    const { secret } = await logIn(first, dave, dave.code(clock));
    await second.resume(secret);
    await second.ok("session.whoami", {});
    await first.ok("session.logout", {});
    expect(await second.outcome("session.token", {})).toBe("session_invalid");
    expect(await second.resumed(secret)).toBe("session_invalid");
  });
});

describe("a store on disk", () => {
  it("attack 20: 60 uses of one code at once give one session, and the audit chain holds", async () => {
    const store = await newLmdbStore(await temporaryDirectory());
    const server = await startInProcess(store);
    const alice = await registered(server);
    const clients = await awaitingCode(server, alice, 60);
    const code = alice.code(server.clock);
    const replies = await Promise.all(clients.map((client) => client.call("login.code", { code })));
    expect(replies.filter((reply) => codeOf(reply) === "ok")).toHaveLength(1);
    const sessions = await store.barrier.read((tx) => sessionsOf(tx, alice.account as `acc_${string}`));
    expect(sessions).toHaveLength(1);
    expect(await verifyTrail(store.barrier)).toMatchObject({ ok: true });
  });
});
