import { createHash, randomBytes } from "node:crypto";
import { once } from "node:events";
import { PassThrough } from "node:stream";
import { createServer, type TLSSocket } from "node:tls";
import { channelMac, resetMac, sessionMac } from "@postern/shared/channel";
import { exitCodes, type PosternError } from "@postern/shared/errors";
import type { Fingerprint } from "@postern/shared/fingerprint";
import { firstStretchGeneration, stretchFloor } from "@postern/shared/kdf";
import { PROTOCOL } from "@postern/shared/messages";
import { parseServerAddress } from "@postern/shared/server-address";
import { clientEphemeral, derivePrivateKey, verifierOf } from "@postern/shared/srp/client";
import { drawSecret } from "@postern/shared/srp/ephemeral";
import { group2048, pad } from "@postern/shared/srp/group";
import { mod, toInteger } from "@postern/shared/srp/integer";
import { parseProof, parsePublicValue, parseSalt, parseVerifier } from "@postern/shared/srp/parse";
import { type ServerEphemeral, serverEphemeral, serverPublicValue, serverSession } from "@postern/shared/srp/server";
import { postern } from "@postern/shared/srp/suite";
import { multiplier } from "@postern/shared/srp/transcript";
import { createOutput } from "@postern/shared/terminal/output";
import { createPrompter } from "@postern/shared/terminal/prompts";
import { TOKEN_SECRET_BYTES, type Token, type TokenKind, tokenKey } from "@postern/shared/token";
import { describe, expect, it, onTestFinished } from "vitest";
import { serverOfToken } from "../../packages/client/src/cli/token.js";
import { RpcClient } from "../../packages/client/src/connection/rpc-client.js";
import { channelExporter, connectTls } from "../../packages/client/src/connection/tls.js";
import type { Environment, ServerChoice } from "../../packages/client/src/environment.js";
import { withSession } from "../../packages/client/src/flows/live-session.js";
import { login } from "../../packages/client/src/flows/login.js";
import { type OpenServer, openServer } from "../../packages/client/src/flows/open-server.js";
import { LoginPassword } from "../../packages/client/src/flows/prove-password.js";
import { resetFactors } from "../../packages/client/src/flows/reset-factors.js";
import { resetPassword } from "../../packages/client/src/flows/reset-password.js";
import { pathsFrom } from "../../packages/client/src/paths.js";
import { addPin, readPins } from "../../packages/client/src/trust/pins.js";
import { createIdentity, identityFingerprint } from "../../packages/server/src/identity/identity-key.js";
import { issueLeaf, tlsCredentials } from "../../packages/server/src/identity/leaf-certificate.js";
import { temporaryDirectory } from "../support/in-process.js";

const NAME = "alice";
const PASSWORD = "purple monkey dishwasher";
const salt = randomBytes(32);
/** As cheap as a client accepts. */
const stretch = { generation: firstStretchGeneration, ...stretchFloor };

type Respond = (request: { method: string; params: Record<string, string> }, socket: TLSSocket) => object;

interface FalseServer {
  readonly port: number;
  /** What clients can pin. */
  readonly fingerprint: Fingerprint;
  /** The methods that it was called with. */
  readonly called: string[];
  /** Its ends of the connections. */
  readonly sockets: TLSSocket[];
}

/** A server that speaks the protocol, and answers as a test says. */
async function falseServer(respond: Respond): Promise<FalseServer> {
  const now = Date.now();
  const identity = await createIdentity({ now });
  const leaf = await issueLeaf(identity, { hosts: ["localhost"], now });
  const called: string[] = [];
  const sockets: TLSSocket[] = [];
  const listener = createServer({ ...tlsCredentials(identity, leaf), ALPNProtocols: [PROTOCOL] }, (socket) => {
    sockets.push(socket);
    socket.on("error", () => socket.destroy());
    socket.on("data", (line: Buffer) => {
      const request = JSON.parse(line.toString("utf8"));
      called.push(request.method);
      socket.write(`${JSON.stringify({ jsonrpc: "2.0", id: request.id, result: respond(request, socket) })}\n`);
    });
  });
  await new Promise<void>((resolve) => listener.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => void listener.close());
  const address = listener.address();
  if (address === null || typeof address === "string") throw new Error("the false server does not listen");
  return { port: address.port, fingerprint: identityFingerprint(identity), called, sockets };
}

/** What a server that knows the verifier has when it answers the client's proof. */
interface Proving {
  readonly key: Buffer;
  readonly exporter: Buffer;
  /** The client's channel MAC, in hex. */
  readonly clientMac: string;
  readonly M2: string;
}

/** A false server that does know the verifier: what it answers the proof with is the test's to say. */
async function provingServer(answer: (proving: Proving) => object): Promise<FalseServer> {
  const known = await verifier();
  let ephemeral: ServerEphemeral | undefined;
  return falseServer(({ method, params }, socket) => {
    if (method === "login.start") {
      ephemeral = serverEphemeral({ clientPublic: parsePublicValue(params["A"]), verifier: known });
      return challenge(ephemeral.publicHex);
    }
    if (ephemeral === undefined) throw new Error("a proof before its challenge");
    const session = serverSession({ identity: NAME, salt: parseSalt(salt.toString("hex")), ephemeral });
    const verdict = session.verifyClientProof(parseProof(params["M1"]));
    if (!verdict.proved) throw new Error("the client's proof is wrong");
    const { key, proofHex: M2 } = verdict;
    return answer({ key, exporter: channelExporter(socket), clientMac: params["mac"] ?? "", M2 });
  });
}

/** A connection to it, as if it had been trusted and greeted. */
async function opened({ port, fingerprint }: FalseServer): Promise<OpenServer> {
  const socket = await connectTls(parseServerAddress(`127.0.0.1:${port}`));
  onTestFinished(() => void socket.destroy());
  return {
    rpc: new RpcClient(socket),
    greeting: { server: "posternd", version: "0", features: [], registration: "open" },
    identity: fingerprint,
    exporter: channelExporter(socket),
  };
}

/** What the real client makes of it; whether it asked the person for a code on the way. */
async function logInAt(falsehood: FalseServer): Promise<{ error: PosternError; asked: boolean }> {
  const server = await opened(falsehood);
  let asked = false;
  const askCode = async () => {
    asked = true;
    return { code: "123456" };
  };
  const attempt = login(async () => server, server, { name: NAME, password: new LoginPassword(PASSWORD), askCode });
  const error = await attempt.then(
    () => Promise.reject(new Error("the client logged in")),
    (thrown: PosternError) => thrown,
  );
  return { error, asked };
}

async function verifier() {
  const password = await new LoginPassword(PASSWORD).stretch(parseSalt(salt.toString("hex")), stretch);
  const x = derivePrivateKey({ identity: NAME, salt: parseSalt(salt.toString("hex")), password });
  return parseVerifier(verifierOf(postern, x).toString("hex"));
}

const challenge = (B: string) => ({ identity: NAME, salt: salt.toString("hex"), stretch, B });
const noProof = () => ({
  M2: randomBytes(32).toString("hex"),
  mac: randomBytes(32).toString("hex"),
  factors: ["totp"],
});
const hexOf = (value: bigint) => pad(group2048, value).toString("hex");

describe("attack 10: a false server", () => {
  const { prime } = group2048;
  it.each([
    ["0", hexOf(0n)],
    ["1", hexOf(1n)],
    ["N-1", hexOf(prime - 1n)],
    ["N", hexOf(prime)],
    ["N+1", hexOf(prime + 1n)],
  ])("that sends B = %s gets no proof of the password", async (_name, B) => {
    const server = await falseServer(() => challenge(B));
    const { error, asked } = await logInAt(server);
    expect(error).toMatchObject({ code: "server_not_proved", exit: exitCodes.untrusted });
    expect(server.called).toEqual(["login.start"]);
    expect(asked).toBe(false);
  });

  it.each([
    ["2N, a digit longer", (2n * prime).toString(16)],
    ["upper case", hexOf(prime - 2n).toUpperCase()],
    ["nothing", ""],
  ])("that sends B as %s gets no proof of the password", async (_name, B) => {
    const server = await falseServer(() => challenge(B));
    const { error } = await logInAt(server);
    expect(error).toMatchObject({ code: "server_failed", exit: exitCodes.unreachable });
    expect(server.called).toEqual(["login.start"]);
  });

  it("that knows the verifier and sends B = k*v, where S would be 0, gets no proof", async () => {
    const kv = mod(toInteger(multiplier(postern)) * toInteger(await verifier()), prime);
    const server = await falseServer(() => challenge(hexOf(kv)));
    expect((await logInAt(server)).error).toMatchObject({ code: "server_not_proved" });
    expect(server.called).toEqual(["login.start"]);
  });

  it("that does not know the verifier cannot make M2, and gets no code", async () => {
    const guessed = parseVerifier(clientEphemeral().publicHex);
    const B = serverPublicValue(postern, guessed, drawSecret(randomBytes)).toString("hex");
    const server = await falseServer(({ method }) => (method === "login.start" ? challenge(B) : noProof()));
    const { error, asked } = await logInAt(server);
    expect(error).toMatchObject({ code: "server_not_proved", exit: exitCodes.untrusted });
    expect(server.called).toEqual(["login.start", "login.proof"]);
    expect(asked).toBe(false);
  });

  it.each([
    ["zeros", () => "0".repeat(64)],
    ["the client's own MAC", (_key: Buffer, _exporter: Buffer, clients: string) => clients],
    ["the MAC of another connection", (key: Buffer) => channelMac("server", key, randomBytes(32)).toString("hex")],
    [
      "the MAC of the other direction",
      (key: Buffer, exporter: Buffer) => channelMac("client", key, exporter).toString("hex"),
    ],
  ])("that proves the verifier, but sends %s in place of its channel MAC, gets no code", async (_name, macOf) => {
    const server = await provingServer(({ key, exporter, clientMac, M2 }) => {
      return { M2, mac: macOf(key, exporter, clientMac), factors: ["totp"] };
    });
    const { error, asked } = await logInAt(server);
    expect(error).toMatchObject({ code: "server_not_proved", exit: exitCodes.untrusted });
    expect(server.called).toEqual(["login.start", "login.proof"]);
    expect(asked).toBe(false);
  });

  it("that proves the verifier, but wants it stretched anew with less than is safe, gets no code", async () => {
    const server = await provingServer(({ key, exporter, M2 }) => {
      const mac = channelMac("server", key, exporter).toString("hex");
      return { M2, mac, factors: ["totp"], restretch: { generation: 9, memory_kib: 8, passes: 1 } };
    });
    const { error, asked } = await logInAt(server);
    expect(error).toMatchObject({ code: "stretch_refused", exit: exitCodes.untrusted });
    expect(server.called).toEqual(["login.start", "login.proof"]);
    expect(asked).toBe(false);
  });

  it.each([
    ["less memory than is safe", { memory_kib: stretchFloor.memory_kib - 1, passes: 2 }],
    ["one pass", { memory_kib: 65536, passes: 1 }],
    ["two GiB", { memory_kib: 2 * 1024 * 1024, passes: 3 }],
    ["a million passes", { memory_kib: 65536, passes: 1_000_000 }],
  ])("that asks for %s gets nothing that was made of the password", async (_name, parameters) => {
    const B = clientEphemeral().publicHex;
    const server = await falseServer(() => ({ ...challenge(B), stretch: { generation: 1, ...parameters } }));
    expect((await logInAt(server)).error).toMatchObject({ code: "stretch_refused", exit: exitCodes.untrusted });
    expect(server.called).toEqual(["login.start"]);
  });
});

const tokenOf = (kind: TokenKind, { fingerprint }: FalseServer): Token => ({
  kind,
  fingerprint,
  secret: randomBytes(TOKEN_SECRET_BYTES),
});

describe("promise 11: an operator's token", () => {
  const noDialogue = { showEnrolment: () => expect.fail("shown"), firstCode: () => expect.fail("asked") };

  const nobodyAsked = { newPassword: () => expect.fail("asked"), askCode: () => expect.fail("asked") };

  it("that stands for a code does not go to a server that does not know the verifier", async () => {
    const guessed = parseVerifier(clientEphemeral().publicHex);
    const B = serverPublicValue(postern, guessed, drawSecret(randomBytes)).toString("hex");
    const server = await falseServer(({ method }) => (method === "login.start" ? challenge(B) : noProof()));
    const attempt = { name: NAME, password: new LoginPassword(PASSWORD), token: tokenOf("factor-reset", server) };
    const reset = resetFactors(await opened(server), attempt, noDialogue);
    await expect(reset).rejects.toMatchObject({ code: "server_not_proved", exit: exitCodes.untrusted });
    expect(server.called).toEqual(["login.start", "login.proof"]);
  });

  it("nor to one that proves the verifier over another connection", async () => {
    const server = await provingServer(({ key, M2 }) => {
      return { M2, mac: channelMac("server", key, randomBytes(32)).toString("hex"), factors: ["totp"] };
    });
    const attempt = { name: NAME, password: new LoginPassword(PASSWORD), token: tokenOf("factor-reset", server) };
    const reset = resetFactors(await opened(server), attempt, noDialogue);
    await expect(reset).rejects.toMatchObject({ code: "server_not_proved", exit: exitCodes.untrusted });
    expect(server.called).toEqual(["login.start", "login.proof"]);
  });

  it.each([
    ["zeros", () => "0".repeat(64)],
    ["the client's own MAC", (_key: Buffer, _exporter: Buffer, clients: string) => clients],
    ["the MAC of another connection", (key: Buffer) => resetMac("server", key, randomBytes(32)).toString("hex")],
    [
      "the MAC of another token",
      (_key: Buffer, exporter: Buffer) => resetMac("server", randomBytes(32), exporter).toString("hex"),
    ],
  ])("that stands for the password brings neither a new one nor a code to who shows it by %s", async (_name, macOf) => {
    const reply = { identity: NAME, salt: salt.toString("hex"), stretch, factors: ["totp"] };
    const key = Buffer.alloc(32);
    const server = await falseServer(({ params }, socket) => {
      return { ...reply, mac: macOf(key, channelExporter(socket), params["mac"] ?? "") };
    });
    const token = tokenOf("password-reset", server);
    tokenKey(token.secret).copy(key);
    const connection = await opened(server);
    const reset = resetPassword(async () => connection, connection, { name: NAME, token }, nobodyAsked);
    await expect(reset).rejects.toMatchObject({ code: "server_not_proved", exit: exitCodes.untrusted });
    expect(server.called).toEqual(["reset.start"]);
  });

  it("brings no new password to a server that wants it stretched with less than is safe, and no code", async () => {
    const weak = { generation: 1, memory_kib: 8, passes: 1 };
    const reply = { identity: NAME, salt: salt.toString("hex"), stretch: weak, factors: ["totp"] };
    const key = Buffer.alloc(32);
    const server = await falseServer((_request, socket) => {
      return { ...reply, mac: resetMac("server", key, channelExporter(socket)).toString("hex") };
    });
    const connection = await opened(server);
    const shown = { name: NAME, token: tokenOf("password-reset", server) };
    tokenKey(shown.token.secret).copy(key);
    const reset = resetPassword(async () => connection, connection, shown, {
      newPassword: async () => new LoginPassword(PASSWORD),
      askCode: () => expect.fail("asked"),
    });
    await expect(reset).rejects.toMatchObject({ code: "stretch_refused", exit: exitCodes.untrusted });
    expect(server.called).toEqual(["reset.start"]);
  });
});

describe("a server that is not the one that was pinned", () => {
  const greeting: Respond = () => ({ server: "x", version: "0", features: [], registration: "open" });

  /** A person's machine, where somebody at the terminal would answer `confirm` so. */
  async function machine(confirm?: () => Promise<boolean>): Promise<Environment> {
    const paths = pathsFrom({ HOME: await temporaryDirectory() });
    const { stdout, stderr } = { stdout: new PassThrough(), stderr: new PassThrough() };
    const prompter = createPrompter({ noInput: true });
    return {
      output: createOutput({ json: false, stdout, stderr, env: {} }),
      prompter: confirm === undefined ? prompter : { ...prompter, confirm },
      interactive: confirm !== undefined,
      paths,
      now: Date.now,
      window: () => ({ columns: 80, rows: 24 }),
    };
  }

  const choiceOf = ({ port }: FalseServer, fingerprint?: Fingerprint): ServerChoice => ({
    address: parseServerAddress(`127.0.0.1:${port}`),
    fingerprint,
    trustOnFirstUse: false,
  });

  it("P1, the client did not verify the certificate: here it ends before a name is said", async () => {
    const [honest, impostor] = [await falseServer(greeting), await falseServer(greeting)];
    const given = openServer(await machine(), choiceOf(impostor, honest.fingerprint));
    await expect(given).rejects.toMatchObject({ code: "server_fingerprint_mismatch", exit: exitCodes.untrusted });

    const pinned = await machine();
    const choice = choiceOf(impostor);
    await addPin(pinned.paths.knownServers, choice.address, honest.fingerprint, Date.now());
    const changed = openServer(pinned, { ...choice, trustOnFirstUse: true });
    await expect(changed).rejects.toMatchObject({ code: "server_identity_changed", exit: exitCodes.untrusted });

    const unknown = openServer(await machine(), choice);
    await expect(unknown).rejects.toMatchObject({ code: "server_unknown", exit: exitCodes.untrusted });
    // By it the server may show that the pinned identity vouches for its own; it is told nothing.
    expect(impostor.called).toEqual(["hello"]);
    expect((await openServer(await machine(), choiceOf(impostor, impostor.fingerprint))).greeting.server).toBe("x");
  });

  it("a token of another server ends it before a first byte, whatever a person or an option would trust", async () => {
    const [honest, impostor] = [await falseServer(greeting), await falseServer(greeting)];
    const token = tokenOf("invite", honest);
    const person = await machine(async () => true);
    const choice = serverOfToken({ ...choiceOf(impostor), trustOnFirstUse: true }, token);
    const met = openServer(person, choice);
    await expect(met).rejects.toMatchObject({ code: "token_identity_mismatch", exit: exitCodes.untrusted });
    const said = openServer(person, serverOfToken(choiceOf(impostor, impostor.fingerprint), token));
    await expect(said).rejects.toMatchObject({ code: "token_identity_mismatch", exit: exitCodes.untrusted });
    expect(impostor.called).toEqual([]);
    expect((await readPins(person.paths.knownServers)).size).toBe(0);
  });

  it("a token of the server itself pins it without a question; a pin of another one still counts", async () => {
    const server = await falseServer(greeting);
    const choice = serverOfToken(choiceOf(server), tokenOf("invite", server));
    const person = await machine(() => expect.fail("asked"));
    const connection = await openServer(person, choice);
    onTestFinished(() => connection.rpc.close());
    const pins = await readPins(person.paths.knownServers);
    expect([...pins.values()].map(({ fingerprint }) => fingerprint)).toEqual([server.fingerprint]);

    const another = await machine(() => expect.fail("asked"));
    const old = (await falseServer(greeting)).fingerprint;
    await addPin(another.paths.knownServers, choice.address, old, Date.now());
    await expect(openServer(another, choice)).rejects.toMatchObject({ code: "server_identity_changed" });
  });

  it("a connection that ends while a person compares the fingerprint is made anew, to the same identity", async () => {
    const server = await falseServer(greeting);
    let asked = 0;
    const environment = await machine(async () => {
      asked += 1;
      // The client's side of a handshake is done before the server's.
      while (server.sockets.length === 0) await new Promise((resolve) => setImmediate(resolve));
      await Promise.all(server.sockets.map((socket) => once(socket.destroy(), "close")));
      for (let turns = 0; turns < 20; turns++) await new Promise((resolve) => setImmediate(resolve));
      return true;
    });
    const connection = await openServer(environment, choiceOf(server));
    onTestFinished(() => connection.rpc.close());
    expect(connection.greeting.server).toBe("x");
    expect({ asked, connections: server.sockets.length, called: server.called }).toEqual({
      asked: 1,
      connections: 2,
      called: ["hello"],
    });
    const pins = await readPins(environment.paths.knownServers);
    expect([...pins.values()].map(({ fingerprint }) => fingerprint)).toEqual([server.fingerprint]);
  });

  describe("has the right identity, and not the person's session:", () => {
    const secret = `pss_${"1a".repeat(16)}${"2b".repeat(16)}_${"3c".repeat(32)}`;
    const facts = { account: "acc_1", name: NAME, session: "ses_2", idle_timeout: 1800 };
    const times = { authenticated_at: 1, expires_at: 2, fresh_until: 1 };

    /** A session of this machine, shown to a server that answers it so; then something that takes a fresh code. */
    async function used(mac: (exporter: Buffer, shown: string) => string) {
      const said: string[] = [];
      const server = await falseServer(({ method, params }, socket) => {
        said.push(JSON.stringify(params));
        if (method === "hello") return { server: "x", version: "0", features: [], registration: "open" };
        return { ...facts, ...times, mac: mac(channelExporter(socket), params["mac"] ?? "") };
      });
      const environment = await machine();
      const choice = choiceOf(server, server.fingerprint);
      await addPin(environment.paths.knownServers, choice.address, server.fingerprint, Date.now());
      const kept = { name: NAME, secret, fingerprint: server.fingerprint };
      const listed = withSession({ environment, choice, kept }, (session) => session.call("factor.list", {}));
      return { error: await listed.catch((thrown: PosternError) => thrown), called: server.called, said };
    }

    it.each([
      ["a MAC of its own making", () => randomBytes(32).toString("hex")],
      ["the client's MAC", (_exporter: Buffer, shown: string) => shown],
    ])("by %s it gets neither the secret, nor another call, nor a code", async (_name, mac) => {
      const { error, called, said } = await used(mac);
      expect(error).toMatchObject({ code: "server_not_proved", exit: exitCodes.untrusted });
      expect(called).toEqual(["hello", "session.resume"]);
      expect(said.join()).not.toContain("3c".repeat(32));
    });

    it("one that has it goes on", async () => {
      const key = createHash("sha256").update(Buffer.alloc(32, 0x3c)).digest();
      const { called } = await used((exporter) => sessionMac("server", key, exporter).toString("hex"));
      expect(called).toEqual(["hello", "session.resume", "factor.list"]);
    });
  });
});
