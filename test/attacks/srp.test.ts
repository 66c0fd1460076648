import { randomBytes } from "node:crypto";
import { connect as connectTls, createServer } from "node:tls";
import { channelMac } from "@postern/shared/channel";
import { PROTOCOL } from "@postern/shared/messages";
import { clientEphemeral } from "@postern/shared/srp/client";
import { drawSecret } from "@postern/shared/srp/ephemeral";
import { group2048, pad } from "@postern/shared/srp/group";
import { describe, expect, it, onTestFinished } from "vitest";
import { createIdentity } from "../../packages/server/src/identity/identity-key.js";
import { issueLeaf, tlsCredentials } from "../../packages/server/src/identity/leaf-certificate.js";
import { sessionsOf } from "../../packages/server/src/records/session.js";
import { stranger } from "../../packages/server/src/services/guesser.js";
import { beginLogin, nameLogin } from "../../packages/server/src/services/login.js";
import { startInProcess, type TestServer } from "../support/in-process.js";
import { guessedProof, logIn, type Person, proofOf, registered, sessionOf, startLogin } from "../support/person.js";
import { codeOf, type Target, WireClient } from "../support/wire-client.js";

const { prime, bytes } = group2048;
const hexOf = (value: bigint) => pad(group2048, value).toString("hex");

describe("SRP, attacked by a client", () => {
  it.each([
    ["0", 0n],
    ["1", 1n],
    ["N-1", prime - 1n],
    ["N", prime],
    ["N+1", prime + 1n],
    ["the largest of 256 bytes", 2n ** BigInt(bytes * 8) - 1n],
  ])("attack 8: A = %s is refused, and no B leaves", async (_name, value) => {
    const server = await startInProcess();
    const client = await WireClient.open(server);
    const reply = await client.call("login.start", { name: "alice", A: hexOf(value) });
    expect(codeOf(reply)).toBe("ephemeral_invalid");
    expect(reply?.text).not.toMatch(/[0-9a-f]{64}/);
    expect(await client.reply()).toBeUndefined();
  });

  it.each([
    ["2N", (2n * prime).toString(16)],
    ["3N", (3n * prime).toString(16)],
    ["N without its padding's width", `0${hexOf(prime)}`],
    ["a negative one", `-${clientEphemeral().publicHex.slice(1)}`],
    ["upper case", clientEphemeral().publicHex.toUpperCase()],
    ["a digit too few", clientEphemeral().publicHex.slice(1)],
    ["a prefix", `0x${clientEphemeral().publicHex.slice(2)}`],
    ["white space", ` ${clientEphemeral().publicHex.slice(1)}`],
    ["a full-width digit", `１${clientEphemeral().publicHex.slice(1)}`],
    ["nothing", ""],
  ])("attack 8, 9: A as %s is refused before any arithmetic", async (_name, A) => {
    const server = await startInProcess();
    const client = await WireClient.open(server);
    expect(codeOf(await client.call("login.start", { name: "alice", A }))).toBe("bad_request");
    expect(await client.reply()).toBeUndefined();
  });

  it("attack 9: M1 or the channel MAC of another length or alphabet is refused, and is not a guess", async () => {
    const server = await startInProcess();
    const { M1, mac } = guessedProof();
    const malformed = [
      { M1: M1.slice(2), mac },
      { M1: `${M1}00`, mac },
      { M1: M1.toUpperCase().replace(/^./, "A"), mac },
      { M1: "", mac },
      { M1, mac: mac.slice(2) },
      { M1, mac: "" },
      { M1 },
      { M1, mac: null },
    ];
    for (const proof of malformed) {
      const client = await WireClient.open(server);
      await startLogin(client, "alice");
      expect(codeOf(await client.call("login.proof", proof))).toBe("bad_request");
      expect(await client.reply()).toBeUndefined();
    }
    expect((await server.audit()).filter(({ event }) => event === "login.password")).toEqual([]);
  });

  it("attack 11: a wrong M1 is answered with an error alone, nothing that was derived from the key", async () => {
    const server = await startInProcess();
    const alice = await registered(server);
    const client = await WireClient.open(server);
    const session = await sessionOf(await startLogin(client, "alice"), alice);
    const { M1, mac } = proofOf(session, client.exporter);
    const flipped = `${M1.startsWith("0") ? "1" : "0"}${M1.slice(1)}`;
    const reply = await client.call("login.proof", { M1: flipped, mac });
    expect(codeOf(reply)).toBe("login_failed");
    expect(reply?.text).not.toMatch(/[0-9a-f]{16}/);
    expect(codeOf(await client.call("login.proof", { M1, mac }))).toBe("out_of_order");
  });

  it("attack 12: a proof cannot be taken from one login to another", async () => {
    const server = await startInProcess();
    const alice = await registered(server);
    const client = await WireClient.open(server);
    const first = await sessionOf(await startLogin(client, "alice"), alice);
    const proof = proofOf(first, client.exporter);
    expect(codeOf(await client.call("login.proof", guessedProof()))).toBe("login_failed");
    await startLogin(client, "alice");
    expect(codeOf(await client.call("login.proof", proof))).toBe("login_failed");
  });

  it("attack 15: ephemerals are fresh: 10,000 secrets, and 500 values of B for one name and one A", async () => {
    const secrets = Array.from({ length: 10_000 }, () => drawSecret(randomBytes));
    expect(new Set(secrets.map((secret) => secret.toString("hex"))).size).toBe(secrets.length);
    expect(secrets.every((secret) => secret.length === 32 && secret.readUInt8(0) >= 0x80)).toBe(true);

    const server = await startInProcess();
    const A = clientEphemeral().publicHex;
    const values = new Set<string>();
    const named = nameLogin(server.context, "alice", A);
    for (let run = 0; run < 500; run++) {
      values.add((await beginLogin(server.context, named, stranger)).ephemeral.publicHex);
    }
    expect(values.size).toBe(500);
  });
});

describe("attack 16: a man in the middle with a certificate of its own, who relays SRP", () => {
  it("gets login_failed by the channel MAC: no session, audited as channel_mismatch, and no guess is charged", async () => {
    const server = await startInProcess();
    const alice = await registered(server);
    const middle = await manInTheMiddle(server);
    for (let attempt = 0; attempt < 6; attempt++) {
      const victim = await WireClient.open(middle);
      const session = await sessionOf(await startLogin(victim, "alice"), alice);
      const reply = await victim.call("login.proof", proofOf(session, victim.exporter));
      expect(codeOf(reply)).toBe("login_failed");
      expect(reply?.text).not.toMatch(/[0-9a-f]{64}/);
      expect(codeOf(await victim.call("login.code", { code: alice.code(server.clock) }))).toBe("out_of_order");
    }
    expect(await sessionsOfPerson(server, alice)).toBe(0);
    const refused = (await server.audit()).filter(({ event }) => event === "login.password");
    expect(refused).toHaveLength(6);
    for (const row of refused) {
      expect(row).toMatchObject({ outcome: "refused", reason: "channel_mismatch", account: alice.account });
    }
    const direct = await WireClient.open(server);
    await logIn(direct, alice, alice.code(server.clock));
    expect(await sessionsOfPerson(server, alice)).toBe(1);
  });

  it("cannot bind the victim's proof to its own connection: the MAC of one channel is none for another", async () => {
    const server = await startInProcess();
    const alice = await registered(server);
    const [client, elsewhere] = [await WireClient.open(server), await WireClient.open(server)];
    const session = await sessionOf(await startLogin(client, "alice"), alice);
    const { M1, mac } = proofOf(session, elsewhere.exporter);
    expect(codeOf(await client.call("login.proof", { M1, mac }))).toBe("login_failed");
    const serversOwn = channelMac("server", session.key, client.exporter).toString("hex");
    const again = await sessionOf(await startLogin(client, "alice"), alice);
    expect(codeOf(await client.call("login.proof", { M1: again.proofHex, mac: serversOwn }))).toBe("login_failed");
  });
});

async function sessionsOfPerson({ barrier }: TestServer, { account }: Person): Promise<number> {
  return (await barrier.read((tx) => sessionsOf(tx, account as `acc_${string}`))).length;
}

/** Ends the victim's TLS with its own certificate, and begins another one to the server. */
async function manInTheMiddle(server: TestServer): Promise<Target> {
  const now = server.clock.now();
  const identity = await createIdentity({ now });
  const leaf = await issueLeaf(identity, { hosts: ["localhost"], now });
  const listener = createServer({ ...tlsCredentials(identity, leaf), ALPNProtocols: [PROTOCOL] }, (victim) => {
    const onward = connectTls({
      port: server.port,
      host: "127.0.0.1",
      ALPNProtocols: [PROTOCOL],
      rejectUnauthorized: false,
    });
    victim.pipe(onward).pipe(victim);
    for (const socket of [victim, onward]) {
      socket.on("error", () => socket.destroy());
      socket.once("close", () => (socket === victim ? onward : victim).destroy());
    }
  });
  await new Promise<void>((resolve) => listener.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => void listener.close());
  const address = listener.address();
  if (address === null || typeof address === "string") throw new Error("the man in the middle does not listen");
  return { port: address.port };
}
