import { randomBytes } from "node:crypto";
import type { DeviceId } from "@postern/shared/ids";
import { clientEphemeral } from "@postern/shared/srp/client";
import { describe, expect, it } from "vitest";
import { putCounterQuota } from "../../packages/server/src/records/stranger-counter.js";
import { type Guesser, stranger } from "../../packages/server/src/services/guesser.js";
import { beginLogin, nameLogin, provePassword as prove } from "../../packages/server/src/services/login.js";
import { NEW_COUNTERS_AN_HOUR } from "../../packages/server/src/services/stranger-counters.js";
import { HOUR, MINUTE, newStore, reopened, startInProcess, type TestServer } from "../support/in-process.js";
import {
  becomeKnown,
  failCodes,
  failPasswords,
  guessPassword,
  type KnownDevice,
  lockCodes,
  logIn,
  type OfferedDevice,
  offered,
  type Person,
  proofOf,
  registered,
  renewPassword,
  sessionOf,
  startLogin,
  startOf,
  tryCode,
  tryPassword,
} from "../support/person.js";
import { codeOf, type Reply, WireClient } from "../support/wire-client.js";

interface AtHome {
  readonly server: TestServer;
  readonly alice: Person;
  /** Where alice logged in from before. */
  readonly device: KnownDevice;
}

async function atHome(store?: Awaited<ReturnType<typeof newStore>>): Promise<AtHome> {
  const server = await startInProcess(store);
  const alice = await registered(server);
  const device = await becomeKnown(server, alice, alice.code(server.clock));
  server.clock.advance(MINUTE);
  return { server, alice, device };
}

/** A later code than any that was used. */
function nextCode({ clock }: TestServer, person: Person): string {
  clock.advance(MINUTE);
  return person.code(clock);
}

async function useUpQuota({ barrier, clock }: TestServer): Promise<void> {
  const quota = { hour: Math.floor(clock.now() / HOUR), made: NEW_COUNTERS_AN_HOUR, noted: false };
  await barrier.transact((tx) => putCounterQuota(tx, quota));
}

describe("attack 48, promise 13: whoever hammers a name from elsewhere does not keep the known device out", () => {
  it("with wrong passwords, until strangers wait for an hour", async () => {
    const { server, alice, device } = await atHome();
    await failPasswords(server, "alice", 12);
    expect(await tryPassword(server, alice)).toBe("throttled");
    await logIn(await WireClient.open(server), alice, alice.code(server.clock), device);
    expect(await tryPassword(server, alice)).toBe("throttled");
  });

  it("with the right password and wrong codes, until strangers' codes are locked for good", async () => {
    const { server, alice, device } = await atHome();
    await lockCodes(server, alice);
    expect(await tryCode(server, alice, alice.code(server.clock))).toBe("codes_locked");
    expect(await tryCode(server, alice, alice.code(server.clock), device)).toBe("ok");
    expect(await tryCode(server, alice, nextCode(server, alice))).toBe("codes_locked");
    expect(await tryCode(server, alice, nextCode(server, alice), device)).toBe("ok");
  });

  it("with so many names that the hour has no new counters left: strangers are told busy, right or wrong", async () => {
    const { server, alice, device } = await atHome();
    await useUpQuota(server);
    expect(await tryPassword(server, alice)).toBe("busy");
    expect(codeOf(await guessPassword(await WireClient.open(server), "alice"))).toBe("busy");
    expect(await tryCode(server, alice, alice.code(server.clock), device)).toBe("ok");
    expect(codeOf(await guessPassword(await WireClient.open(server), "alice", device))).toBe("login_failed");
  });

  it("with all of these at once", async () => {
    const { server, alice, device } = await atHome();
    await lockCodes(server, alice);
    await failPasswords(server, "alice", 12);
    await useUpQuota(server);
    expect(await tryCode(server, alice, alice.code(server.clock), device)).toBe("ok");
  });
});

describe("promise 2: what a stranger is answered", () => {
  /** A reply without what is drawn anew, or differs by name. */
  const shape = (reply: Reply | undefined) =>
    (reply?.text ?? "closed")
      .replace(/[0-9a-f]{512}/, "<512>")
      .replaceAll(/[0-9a-f]{64}/g, "<64>")
      .replaceAll(/alice|malle/g, "<name>");

  it("has one form, whether the name is known, has devices, and whichever device is offered", async () => {
    const { server, device } = await atHome();
    const bob = await registered(server, "bob");
    const bobs = await becomeKnown(server, bob, bob.code(server.clock));
    await registered(server, "carol");
    const bogus: KnownDevice = { device: `dev_${"0".repeat(32)}`, secret: "0".repeat(64) };
    const stolenId = { ...device, secret: "0".repeat(64) };
    const forms = new Map<string, Set<string>>();
    for (const name of ["alice", "malle", "carol"]) {
      for (const offer of [undefined, bogus, bobs, stolenId]) {
        const client = await WireClient.open(server);
        const started = await client.call("login.start", startOf(client, name, clientEphemeral().publicHex, offer));
        const refused = await client.call("login.proof", { M1: "0".repeat(64), mac: "0".repeat(64) });
        const key = shape(started).replace("carol", "<name>");
        forms.set(key, (forms.get(key) ?? new Set()).add(refused?.text ?? "closed"));
      }
    }
    expect([...forms.values()].map((answers) => answers.size)).toEqual([1]);
  });

  it("is throttled at the same guess and for as long, with and without devices", async () => {
    const { server } = await atHome();
    const bogus: KnownDevice = { device: `dev_${"0".repeat(32)}`, secret: "0".repeat(64) };
    const answers: string[][] = [];
    for (const name of ["alice", "malle"]) {
      const client = await WireClient.open(server);
      const said: string[] = [];
      for (let tries = 0; tries < 7; tries++) said.push((await guessPassword(client, name, bogus))?.text ?? "closed");
      answers.push(said);
    }
    expect(answers[0]).toEqual(answers[1]);
    expect(answers[0]?.[6]).toContain('"retry_after":30');
  });

  it("of a name with a known device is the same to that device, up to the proof", async () => {
    const { server, alice, device } = await atHome();
    const [here, elsewhere] = [await WireClient.open(server), await WireClient.open(server)];
    const A = clientEphemeral().publicHex;
    const known = await here.call("login.start", startOf(here, alice.name, A, device));
    const unknown = await elsewhere.call("login.start", startOf(elsewhere, alice.name, A));
    expect(shape(known)).toBe(shape(unknown));
  });
});

/** As whom the right password counts while strangers are blocked. */
async function takenFor(
  { server, alice }: Pick<AtHome, "server" | "alice">,
  offer: (client: WireClient) => OfferedDevice | Promise<OfferedDevice>,
): Promise<"device" | "stranger"> {
  const client = await WireClient.open(server);
  const ephemeral = clientEphemeral();
  const device = await offer(client);
  const challenge = await client.ok("login.start", { name: alice.name, A: ephemeral.publicHex, device });
  const session = await sessionOf({ ...challenge, ephemeral }, alice);
  const outcome = codeOf(await client.call("login.proof", proofOf(session, client.exporter)));
  await client.close();
  if (outcome !== "ok" && outcome !== "throttled") throw new Error(outcome);
  return outcome === "ok" ? "device" : "stranger";
}

describe("only the device itself is taken for it", () => {
  it("not another person's, not that one's secret under its id, not one of another server", async () => {
    const home = await atHome();
    const { server, device } = home;
    const bob = await registered(server, "bob");
    const bobs = await becomeKnown(server, bob, bob.code(server.clock));
    const elsewhere = await atHome();
    await failPasswords(server, "alice", 5);
    expect(await takenFor(home, ({ exporter }) => offered(device, exporter))).toBe("device");
    for (const other of [bobs, { ...device, secret: bobs.secret }, { ...bobs, secret: device.secret }]) {
      expect(await takenFor(home, ({ exporter }) => offered(other, exporter))).toBe("stranger");
    }
    expect(await takenFor(home, ({ exporter }) => offered(elsewhere.device, exporter))).toBe("stranger");
    const underItsId = { ...device, secret: elsewhere.device.secret };
    expect(await takenFor(home, ({ exporter }) => offered(underItsId, exporter))).toBe("stranger");
  });

  it("not with a MAC of another connection, one that was overheard, or one with any bit flipped", async () => {
    const home = await atHome();
    const { server, device } = home;
    await failPasswords(server, "alice", 5);
    const other = await WireClient.open(server);
    const overheard = offered(device, other.exporter);
    await other.ok("login.start", { name: "alice", A: clientEphemeral().publicHex, device: overheard });
    expect(await takenFor(home, () => overheard)).toBe("stranger");
    for (let at = 0; at < 32; at++) {
      const flip = ({ exporter }: WireClient) => {
        const { mac, ...rest } = offered(device, exporter);
        const bytes = Buffer.from(mac, "hex");
        bytes.writeUInt8(bytes.readUInt8(at) ^ (1 << (at % 8)), at);
        return { ...rest, mac: bytes.toString("hex") };
      };
      expect(await takenFor(home, flip), `byte ${at}`).toBe("stranger");
    }
    for (const mac of ["0".repeat(64), "f".repeat(64), device.secret]) {
      expect(await takenFor(home, () => ({ device: device.device, mac }))).toBe("stranger");
    }
  });

  it("not for another name: a device of alice is a stranger to bob", async () => {
    const home = await atHome();
    const bob = await registered(home.server, "bob");
    await failPasswords(home.server, "bob", 5);
    expect(await takenFor({ ...home, alice: bob }, ({ exporter }) => offered(home.device, exporter))).toBe("stranger");
  });

  it("not when the password was changed elsewhere since", async () => {
    const { server, alice, device } = await atHome();
    const renewed = alice.renewed("another good password");
    const client = await WireClient.open(server);
    await renewPassword(client, alice, { to: renewed, code: alice.code(server.clock) });
    await failPasswords(server, "alice", 5);
    const home = { server, alice: renewed };
    expect(await takenFor(home, ({ exporter }) => offered(device, exporter))).toBe("stranger");
  });

  it("not when it was forgotten, by its id or with all others", async () => {
    const { server, alice, device } = await atHome();
    const client = await WireClient.open(server);
    const { new_device: second } = await logIn(client, alice, alice.code(server.clock));
    const third = await becomeKnown(server, alice, nextCode(server, alice));
    await client.ok("device.forget", { device: device.device });
    expect(await client.ok("device.forget_others", {})).toEqual({ forgotten: 1 });
    expect(await client.outcome("device.forget", { device: device.device })).toBe("id_unknown");
    await failPasswords(server, "alice", 5);
    const outcomes: string[] = [];
    for (const known of [device, third, second as KnownDevice]) {
      outcomes.push(await takenFor({ server, alice }, ({ exporter }) => offered(known, exporter)));
    }
    expect(outcomes).toEqual(["stranger", "stranger", "device"]);
  });

  it("also forgotten while its login is under way: what it does then, a stranger pays for", async () => {
    const { server, alice, device } = await atHome();
    const here = await WireClient.open(server);
    const challenge = await startLogin(here, "alice", device);
    const owner = await WireClient.open(server);
    await logIn(owner, alice, alice.code(server.clock));
    await owner.ok("device.forget", { device: device.device });
    await failPasswords(server, "alice", 5);
    const session = await sessionOf(challenge, alice);
    expect(await here.outcome("login.proof", proofOf(session, here.exporter))).toBe("throttled");
  });

  it("no more than ten are known: one more, and the longest unused is a stranger", async () => {
    const { server, alice, device } = await atHome();
    const devices = [device];
    for (let made = 1; made < 10; made++) devices.push(await becomeKnown(server, alice, nextCode(server, alice)));
    const first = await WireClient.open(server);
    await logIn(first, alice, nextCode(server, alice), device);
    expect((await first.ok("device.list", {})).devices).toHaveLength(10);
    devices.push(await becomeKnown(server, alice, nextCode(server, alice)));
    expect((await first.ok("device.list", {})).devices).toHaveLength(10);
    await failPasswords(server, "alice", 5);
    const taken: string[] = [];
    for (const known of devices) taken.push(await takenFor({ server, alice }, (c) => offered(known, c.exporter)));
    expect(taken).toEqual(["device", "stranger", ...Array(9).fill("device")]);
  });
});

describe("promise 2: an owner who comes and goes on a known device", () => {
  it("does not reset what strangers have guessed, of passwords or of codes", async () => {
    const { server, alice, device } = await atHome();
    await failCodes(server, alice, 4);
    await failPasswords(server, "alice", 4);
    expect(await tryCode(server, alice, alice.code(server.clock), device)).toBe("ok");
    const client = await WireClient.open(server);
    expect(codeOf(await guessPassword(client, "alice"))).toBe("login_failed");
    expect(codeOf(await guessPassword(client, "alice"))).toBe("throttled");
    server.clock.advance(MINUTE);
    expect(await tryCode(server, alice, alice.wrongCode(server.clock))).toBe("code_refused");
    expect(await tryCode(server, alice, alice.code(server.clock))).toBe("throttled");
  });

  it("is not seen in what strangers are answered, guess by guess", async () => {
    const { server, alice, device } = await atHome();
    const answers: string[][] = [[], []];
    for (let round = 0; round < 12; round++) {
      await logIn(await WireClient.open(server), alice, nextCode(server, alice), device);
      for (const [index, name] of ["alice", "malle"].entries()) {
        answers[index]?.push((await guessPassword(await WireClient.open(server), name))?.text ?? "closed");
      }
    }
    expect(answers[0]).toEqual(answers[1]);
    expect(answers[0]?.filter((answer) => answer.includes('"throttled"'))).not.toEqual([]);
  });
});

describe("attack 25: a known device has budgets of its own", () => {
  it("its wrong passwords count on over connections, a restart and a second server on the store", async () => {
    const store = await newStore();
    const { server, alice, device } = await atHome(store);
    const guess = async (at: TestServer) => codeOf(await guessPassword(await WireClient.open(at), "alice", device));
    expect([await guess(server), await guess(server)]).toEqual(["login_failed", "login_failed"]);
    const second = await startInProcess(await reopened(store));
    expect(await guess(second)).toBe("login_failed");
    await server.close();
    const restarted = await startInProcess(await reopened(store));
    expect([await guess(restarted), await guess(second)]).toEqual(["login_failed", "login_failed"]);
    expect([await guess(second), await guess(restarted)]).toEqual(["throttled", "throttled"]);
    expect(await tryPassword(restarted, alice, device)).toBe("throttled");
    expect(await tryPassword(second, alice)).toBe("ok");
  });

  it("blocked, it is answered the same for the right and a wrong password, and for a right and a wrong code", async () => {
    const { server, alice, device } = await atHome();
    await failPasswords(server, "alice", 5, device);
    const [one, other] = [await WireClient.open(server), await WireClient.open(server)];
    const session = await sessionOf(await startLogin(one, "alice", device), alice);
    const right = await one.call("login.proof", proofOf(session, one.exporter));
    const wrong = await guessPassword(other, "alice", device);
    expect(right?.error).toEqual(wrong?.error);
    expect(right?.error?.data).toMatchObject({ code: "throttled", retry_after: 30 });
    server.clock.advance(MINUTE);
    await failCodes(server, alice, 5, device);
    expect(await tryCode(server, alice, alice.code(server.clock), device)).toBe("throttled");
    expect(await tryCode(server, alice, alice.wrongCode(server.clock), device)).toBe("throttled");
    expect(await tryCode(server, alice, alice.code(server.clock))).toBe("ok");
  });

  it("a success resets its own, and neither the strangers' nor another device's", async () => {
    const { server, alice, device } = await atHome();
    const other = await becomeKnown(server, alice, alice.code(server.clock));
    server.clock.advance(MINUTE);
    for (const known of [undefined, device, other]) {
      await failCodes(server, alice, 4, known);
      await failPasswords(server, "alice", 4, known);
    }
    expect(await tryCode(server, alice, alice.code(server.clock), device)).toBe("ok");
    for (const known of [undefined, other]) {
      await failPasswords(server, "alice", 1, known);
      expect(await tryPassword(server, alice, known)).toBe("throttled");
    }
    await failPasswords(server, "alice", 4, device);
    await failCodes(server, alice, 4, device);
    expect(await tryCode(server, alice, nextCode(server, alice), device)).toBe("ok");
    for (const known of [undefined, other]) {
      await failCodes(server, alice, 1, known);
      expect(await tryCode(server, alice, alice.code(server.clock, 1), known)).toBe("throttled");
    }
  });

  it("attack 55: 100 wrong codes on it lock it alone; its own recovery code opens it, a stranger's does not", async () => {
    const { server, alice, device } = await atHome();
    await lockCodes(server, alice, device);
    expect(await tryCode(server, alice, alice.code(server.clock), device)).toBe("codes_locked");
    expect(await tryCode(server, alice, alice.code(server.clock))).toBe("ok");
    expect(await tryCode(server, alice, alice.recoveryCodes[0] ?? "")).toBe("ok");
    expect(await tryCode(server, alice, nextCode(server, alice), device)).toBe("codes_locked");
    expect(await tryCode(server, alice, alice.recoveryCodes[1] ?? "", device)).toBe("ok");
    expect(await tryCode(server, alice, nextCode(server, alice), device)).toBe("ok");
  });
});

describe("attack 28a: a thousand parallel password guesses, by strangers and from a known device", () => {
  const peer = { address: "203.0.113.7", client: "test" };
  const guessersA = clientEphemeral().publicHex;

  it("get five verdicts from each budget, as one after another", async () => {
    const { server, device } = await atHome();
    const { context } = server;
    const guessers: Guesser[] = [stranger, { kind: "device", id: device.device as DeviceId }];
    const verdicts = await Promise.all(
      Array.from({ length: 1000 }, async (_, index) => {
        const guesser = guessers[index % 2] as Guesser;
        const challenge = await beginLogin(context, nameLogin(context, "alice", guessersA), guesser);
        const proof = { proofHex: randomBytes(32).toString("hex"), mac: randomBytes(32), exporter: randomBytes(32) };
        return prove(context, peer, challenge, proof).then(
          () => "granted",
          ({ code }: { code: string }) => `${guesser.kind} ${code}`,
        );
      }),
    );
    const counts: Record<string, number> = {};
    for (const verdict of verdicts) counts[verdict] = (counts[verdict] ?? 0) + 1;
    expect(counts).toEqual({
      "stranger login_failed": 5,
      "stranger throttled": 495,
      "device login_failed": 5,
      "device throttled": 495,
    });
    const told = (await server.audit()).filter(({ event }) => event === "login.password");
    expect(told).toHaveLength(12);
  });
});
