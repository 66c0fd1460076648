import { createPrivateKey, randomBytes } from "node:crypto";
import { once } from "node:events";
import { PassThrough } from "node:stream";
import { createServer } from "node:tls";
import { exitCodes } from "@postern/shared/errors";
import type { Fingerprint } from "@postern/shared/fingerprint";
import { PROTOCOL } from "@postern/shared/messages";
import { parseServerAddress } from "@postern/shared/server-address";
import { clientEphemeral } from "@postern/shared/srp/client";
import { encodeSuccessor, type SuccessorStatement, signSuccessor } from "@postern/shared/successor";
import { createOutput } from "@postern/shared/terminal/output";
import { createPrompter } from "@postern/shared/terminal/prompts";
import { describe, expect, it, onTestFinished, vi } from "vitest";
import { deviceLookup } from "../../packages/client/src/cli/entering.js";
import type { Environment, ServerChoice } from "../../packages/client/src/environment.js";
import { openServer, type Purpose } from "../../packages/client/src/flows/open-server.js";
import { LoginPassword, type PasswordAttempt, provePassword } from "../../packages/client/src/flows/prove-password.js";
import { pathsFrom } from "../../packages/client/src/paths.js";
import { keepDevice, knownDevice } from "../../packages/client/src/session/device-file.js";
import { addPin, readPins } from "../../packages/client/src/trust/pins.js";
import {
  createIdentity,
  identityFingerprint,
  identitySpki,
  type ServerIdentity,
} from "../../packages/server/src/identity/identity-key.js";
import { issueLeaf, tlsCredentials } from "../../packages/server/src/identity/leaf-certificate.js";
import { rotateIdentity } from "../../packages/server/src/services/server-identity.js";
import { eventually } from "../support/eventually.js";
import {
  type Clock,
  DAY,
  HOUR,
  reopened,
  startInProcess,
  type TestServer,
  temporaryDirectory,
} from "../support/in-process.js";
import { becomeKnown, failPasswords, logIn, Person, register } from "../support/person.js";
import { type Target, WireClient } from "../support/wire-client.js";

const PASSWORD = "purple monkey dishwasher";

interface TestMachine extends Environment {
  /** What its person was told. */
  readonly told: () => string;
}

/** A person's machine, whose clock is the server's. */
async function machine(clock: Pick<Clock, "now"> = { now: Date.now }): Promise<TestMachine> {
  const [stdout, stderr] = [new PassThrough(), new PassThrough()];
  let told = "";
  stderr.on("data", (text: Buffer) => {
    told += text.toString();
  });
  return {
    output: createOutput({ json: false, stdout, stderr, env: { NO_COLOR: "1" } }),
    prompter: createPrompter({ noInput: true }),
    interactive: false,
    paths: pathsFrom({ HOME: await temporaryDirectory() }),
    now: clock.now,
    window: () => ({ columns: 80, rows: 24 }),
    told: () => told,
  };
}

const choiceOf = ({ port }: Target, given: Partial<ServerChoice> = {}): ServerChoice => ({
  address: parseServerAddress(`127.0.0.1:${port}`),
  fingerprint: undefined,
  trustOnFirstUse: false,
  ...given,
});

const pinAt = async ({ paths }: Environment, { address }: ServerChoice) =>
  (await readPins(paths.knownServers)).get(address.key)?.fingerprint;

const pin = ({ paths, now }: Environment, { address }: ServerChoice, fingerprint: Fingerprint) =>
  addPin(paths.knownServers, address, fingerprint, now());

async function open(environment: Environment, choice: ServerChoice, purpose: Purpose = "login") {
  const server = await openServer(environment, choice, purpose);
  onTestFinished(() => server.rpc.close());
  return server;
}

/** A login as far as the mutual proof. */
async function prove(
  environment: Environment,
  choice: ServerChoice,
  password = PASSWORD,
  deviceAt: PasswordAttempt["deviceAt"] = async () => undefined,
) {
  const server = await open(environment, choice);
  return provePassword(server, { name: "alice", password: new LoginPassword(password), deviceAt });
}

/** Somebody who registered with a password that is really stretched, so that the real client can log in. */
async function alice(server: TestServer): Promise<Person> {
  const client = await WireClient.open(server);
  const person = await register(client, new Person("alice", PASSWORD, "real"), { clock: server.clock });
  await client.close();
  return person;
}

async function rotate(
  { context, running }: TestServer,
  { successor = true, takeUp = true } = {},
): Promise<Fingerprint> {
  const { identity } = await rotateIdentity(context, { seen: running.fingerprint, successor });
  if (takeUp) await running.takeUpIdentity();
  return identity.fingerprint;
}

describe("a rotation of the identity, while the server runs", () => {
  it("drops no connection and ends no session; what begins from then on is shown the new identity", async () => {
    const server = await startInProcess();
    const person = await alice(server);
    const client = await WireClient.open(server);
    const { secret } = await logIn(client, person, person.code(server.clock));
    const former = server.running.fingerprint;
    const next = await rotate(server);
    expect(next).not.toBe(former);
    expect(server.running.fingerprint).toBe(next);
    await client.ok("session.whoami", {});
    const later = await WireClient.open(server);
    expect((await later.resume(secret)).name).toBe("alice");
    const choice = choiceOf(server, { fingerprint: next });
    expect((await open(await machine(server.clock), choice, "other")).identity).toBe(next);
  });

  it("by one process reaches another on the same store", async () => {
    const first = await startInProcess();
    const second = await startInProcess(await reopened(first));
    const next = await rotate(first, { takeUp: false });
    await Promise.all([first.running.takeUpIdentity(), second.running.takeUpIdentity()]);
    expect([first.running.fingerprint, second.running.fingerprint]).toEqual([next, next]);
    const statements = await Promise.all([first, second].map(successorsAt));
    expect(statements[0]).toHaveLength(1);
    expect(statements[0]).toEqual(statements[1]);
  });

  it("fits a line of 4 KiB with as many statements as there may be", async () => {
    const server = await startInProcess();
    for (let count = 0; count < 7; count++) await rotate(server);
    const client = await WireClient.connect(server);
    const reply = await client.call("hello", { client: "test", version: "0", features: ["successors"] });
    expect(reply?.result?.["successors"]).toHaveLength(6);
    expect(reply?.text.length).toBeLessThan(4096);
    const unasked = await (await WireClient.connect(server)).call("hello", {
      client: "t",
      version: "0",
      features: ["x"],
    });
    expect(unasked?.result).toMatchObject({ features: [] });
    expect(unasked?.result).not.toHaveProperty("successors");
  });
});

async function successorsAt(server: Target) {
  const client = await WireClient.connect(server);
  const { successors } = await client.ok("hello", { client: "test", version: "0", features: ["successors"] });
  return successors;
}

describe("a client whose pin is an earlier identity", () => {
  it("logs in, and moves the pin once the server has proved itself; it is told so once", async () => {
    const server = await startInProcess();
    await alice(server);
    const [environment, choice] = [await machine(server.clock), choiceOf(server)];
    const former = server.running.fingerprint;
    await pin(environment, choice, former);
    const next = await rotate(server);
    const opened = await open(environment, choice);
    expect([opened.succession?.from, opened.succession?.to]).toEqual([former, next]);
    expect([await pinAt(environment, choice), environment.told()]).toEqual([former, ""]);
    const password = new LoginPassword(PASSWORD);
    await provePassword(opened, { name: "alice", password });
    expect([await pinAt(environment, choice), opened.succession?.moved]).toEqual([next, true]);
    expect(environment.told()).toContain(next);
    const told = environment.told();
    const again = await open(environment, choice);
    expect(again.succession).toBeUndefined();
    await provePassword(again, { name: "alice", password });
    expect(environment.told()).toBe(told);
  });

  it("does so over several rotations that it missed; over one without a statement it does not", async () => {
    const server = await startInProcess();
    await alice(server);
    const [early, late] = [await machine(server.clock), await machine(server.clock)];
    const choice = choiceOf(server);
    await pin(early, choice, server.running.fingerprint);
    await rotate(server);
    await pin(late, choice, server.running.fingerprint);
    await rotate(server);
    const third = await rotate(server);
    await prove(early, choice);
    expect(await pinAt(early, choice)).toBe(third);
    await rotate(server, { successor: false });
    for (const environment of [early, late]) {
      const before = await pinAt(environment, choice);
      await expect(open(environment, choice)).rejects.toMatchObject({
        code: "server_identity_changed",
        exit: exitCodes.untrusted,
      });
      expect(await pinAt(environment, choice)).toBe(before);
    }
  });

  it("keeps the pin when the password is wrong: nothing was proved to it", async () => {
    const server = await startInProcess();
    await alice(server);
    const [environment, choice] = [await machine(server.clock), choiceOf(server)];
    const former = server.running.fingerprint;
    await pin(environment, choice, former);
    await rotate(server);
    await expect(prove(environment, choice, "another password")).rejects.toMatchObject({ code: "login_failed" });
    expect([await pinAt(environment, choice), environment.told()]).toEqual([former, ""]);
  });

  it("neither registers nor shows a session: only a login moves a pin", async () => {
    const server = await startInProcess();
    const [environment, choice] = [await machine(server.clock), choiceOf(server)];
    await pin(environment, choice, server.running.fingerprint);
    const next = await rotate(server);
    const refused = { code: "server_identity_succeeded", exit: exitCodes.untrusted };
    for (const given of [{}, { trustOnFirstUse: true }, { fingerprint: next }, { fingerprintOfToken: next }]) {
      await expect(open(environment, { ...choice, ...given }, "other")).rejects.toMatchObject(refused);
    }
    expect(await pinAt(environment, choice)).not.toBe(next);
  });

  it("with a token of the earlier identity is refused, with a pin and without one", async () => {
    const server = await startInProcess();
    const choice = choiceOf(server, { fingerprintOfToken: server.running.fingerprint });
    const next = await rotate(server);
    const mismatch = { code: "token_identity_mismatch", exit: exitCodes.untrusted };
    await expect(open(await machine(server.clock), choice)).rejects.toMatchObject(mismatch);
    const pinned = await machine(server.clock);
    await pin(pinned, choice, next);
    await expect(open(pinned, choice)).rejects.toMatchObject(mismatch);
  });

  it("stays a known device: no stranger can keep its person waiting for as long as the rotation takes", async () => {
    const server = await startInProcess();
    const person = await alice(server);
    const [environment, choice] = [await machine(server.clock), choiceOf(server)];
    const former = server.running.fingerprint;
    const device = await becomeKnown(server, person, person.code(server.clock));
    const owner = { server: choice.address, name: "alice" };
    await keepDevice(environment.paths, { ...owner, fingerprint: former }, device);
    await pin(environment, choice, former);
    await failPasswords(server, "alice", 5);
    const next = await rotate(server);
    await expect(prove(environment, choice)).rejects.toMatchObject({ code: "throttled" });
    await prove(environment, choice, PASSWORD, deviceLookup(environment, choice, "alice"));
    expect(await knownDevice(environment.paths, { ...owner, fingerprint: next })).toMatchObject(device);
    expect(await knownDevice(environment.paths, { ...owner, fingerprint: former })).toBeUndefined();
  });
});

interface FalseServer extends Target {
  /** All that it heard, as text. */
  readonly heard: () => string;
  readonly fingerprint: Fingerprint;
}

/** A server with an identity of its own, which says of it what a test says; to `login.start` it has an answer too. */
async function falseServer(identity: ServerIdentity, successors: readonly SuccessorStatement[]): Promise<FalseServer> {
  const leaf = await issueLeaf(identity, { hosts: ["localhost"], now: Date.now() });
  let heard = "";
  const greeting = { server: "posternd", version: "0", registration: "open", features: ["successors"] };
  const stretch = { generation: 1, memory_kib: 19_456, passes: 2 };
  const answers: Record<string, object> = {
    hello: { ...greeting, successors: successors.map(encodeSuccessor) },
    "login.start": { identity: "alice", salt: "00".repeat(32), stretch, B: clientEphemeral().publicHex },
    "login.proof": { M2: "00".repeat(32), mac: "00".repeat(32), factors: ["totp"] },
  };
  const listener = createServer({ ...tlsCredentials(identity, leaf), ALPNProtocols: [PROTOCOL] }, (socket) => {
    socket.on("error", () => socket.destroy());
    socket.on("data", (line: Buffer) => {
      heard += line.toString();
      const { id, method } = JSON.parse(line.toString());
      socket.write(`${JSON.stringify({ jsonrpc: "2.0", id, result: answers[method] })}\n`);
    });
  });
  await once(listener.listen(0, "127.0.0.1"), "listening");
  onTestFinished(() => void listener.close());
  const address = listener.address();
  if (address === null || typeof address === "string") throw new Error("the false server does not listen");
  return { port: address.port, heard: () => heard, fingerprint: identityFingerprint(identity) };
}

function vouch(from: ServerIdentity, to: ServerIdentity, by: ServerIdentity = from): SuccessorStatement {
  const key = createPrivateKey({ key: by.privateKeyPkcs8, format: "der", type: "pkcs8" });
  return signSuccessor(key, { from: identitySpki(from), to: identitySpki(to), sequence: 1, time: 1_795_241_730 });
}

describe("attack 59: a false server in the place of the pinned one", () => {
  const lies: [string, (pinned: ServerIdentity, own: ServerIdentity) => SuccessorStatement[]][] = [
    ["nothing", () => []],
    ["a statement that it has signed itself", (pinned, own) => [vouch(pinned, own, own)]],
    ["a statement about itself by itself", (_pinned, own) => [vouch(own, own)]],
    [
      "a true statement with a changed signature",
      (pinned, own) => [{ ...vouch(pinned, own), signature: randomBytes(64) }],
    ],
    ["a true statement about another identity", (pinned) => [vouch(pinned, pinned)]],
  ];
  it.each(lies)("that shows %s hears a hello and no name, at a login and at anything else", async (_name, lie) => {
    const [pinned, own] = [await createIdentity({ now: Date.now() }), await createIdentity({ now: Date.now() })];
    const server = await falseServer(own, lie(pinned, own));
    const [environment, choice] = [await machine(), choiceOf(server)];
    await pin(environment, choice, identityFingerprint(pinned));
    for (const purpose of ["login", "other"] as const) {
      await expect(open(environment, choice, purpose)).rejects.toMatchObject({
        code: "server_identity_changed",
        exit: exitCodes.untrusted,
      });
    }
    expect(server.heard().match(/"method":"[a-z.]+"/g)).toEqual(Array(2).fill('"method":"hello"'));
    expect(server.heard()).not.toContain("alice");
    expect(await pinAt(environment, choice)).toBe(identityFingerprint(pinned));
  });

  it("that has stolen the pinned key hears the name and a proof, as at a first contact: no code, and no pin", async () => {
    const [pinned, own] = [await createIdentity({ now: Date.now() }), await createIdentity({ now: Date.now() })];
    const server = await falseServer(own, [vouch(pinned, own)]);
    const [environment, choice] = [await machine(), choiceOf(server)];
    await pin(environment, choice, identityFingerprint(pinned));
    await expect(prove(environment, choice)).rejects.toMatchObject({
      code: "server_not_proved",
      exit: exitCodes.untrusted,
    });
    expect(server.heard().match(/"method":"[a-z.]+"/g)).toEqual([
      '"method":"hello"',
      '"method":"login.start"',
      '"method":"login.proof"',
    ]);
    expect([await pinAt(environment, choice), environment.told()]).toEqual([identityFingerprint(pinned), ""]);
  });
});

describe("attack 59: a leaf that is renewed under the same identity", () => {
  it("unattended, past day 60 and day 90, by one of two processes: both show it, and clients go on unasked", async () => {
    vi.useFakeTimers({ toFake: ["setInterval", "clearInterval"] });
    onTestFinished(() => void vi.useRealTimers());
    const first = await startInProcess();
    const second = await startInProcess(await reopened(first));
    const environment = await machine(first.clock);
    const servers = [first, second];
    for (const server of servers) await pin(environment, choiceOf(server), server.running.fingerprint);
    const shown = async () => Promise.all(servers.map(leafAt));
    const leaves = [await shown()];
    for (const days of [61, 92]) {
      first.clock.advance(days * DAY);
      const before = leaves.at(-1);
      await vi.advanceTimersByTimeAsync(HOUR);
      await eventually(async () => (await shown()).every((leaf) => !before?.includes(leaf)));
      leaves.push(await shown());
      for (const server of servers) {
        const opened = await open(environment, choiceOf(server), "other");
        expect([opened.identity, opened.succession]).toEqual([first.running.fingerprint, undefined]);
      }
    }
    for (const [one, other] of leaves) expect(one).toBe(other);
    expect(new Set(leaves.flat()).size).toBe(3);
    expect(environment.told()).toBe("");
  });
});

/** The serial number of the leaf that a server shows. */
async function leafAt(server: Target): Promise<string> {
  const client = await WireClient.connect(server);
  const serial = client.socket.getPeerX509Certificate()?.serialNumber ?? "";
  await client.close();
  return serial;
}
