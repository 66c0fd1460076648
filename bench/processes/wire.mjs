import { createDiffieHellman } from "node:crypto";
import { connect } from "node:tls";
import { channelExporter, channelMac } from "@postern/shared/channel";
import { LineSplitter } from "@postern/shared/frames/line-splitter";
import { totpDefaults } from "@postern/shared/otp/parameters";
import { decodeSecret } from "@postern/shared/otp/secret";
import { stepAt, totpCode } from "@postern/shared/otp/totp";
import { group2048, pad } from "@postern/shared/srp/group";
import { mod, toBytes, toInteger } from "@postern/shared/srp/integer";
import { parsePublicValue, parseSalt } from "@postern/shared/srp/parse";
import { postern } from "@postern/shared/srp/suite";
import { clientProof, multiplier, scrambler, sessionKey } from "@postern/shared/srp/transcript";
import { blindingOf, ephemerals, person } from "./people.mjs";

/** A client that speaks the protocol, with nothing of the client program around it. */

/** A connection with its handshake done; `localAddress` is where it comes from. */
export async function open({ port, localAddress }) {
  const socket = connect({
    port,
    host: "127.0.0.1",
    localAddress,
    ALPNProtocols: ["postern/1"],
    minVersion: "TLSv1.3",
    rejectUnauthorized: false,
  });
  await new Promise((resolve, reject) => socket.once("secureConnect", resolve).once("error", reject));
  socket.on("error", () => socket.destroy());
  socket.setNoDelay(true);
  return socket;
}

export const closed = (socket) => new Promise((resolve) => (socket.closed ? resolve() : socket.once("close", resolve)));

/** Ends a connection in order, as a client does. */
export async function close(socket) {
  socket.end();
  await closed(socket);
}

/** One call after another over a connection, `hello` first. */
export async function speak(socket) {
  const lines = new LineSplitter(65536);
  let waiting;
  const gone = new Error("closed");
  socket.on("data", (chunk) => {
    for (const line of lines.push(chunk)) waiting?.resolve(JSON.parse(line.toString()));
  });
  socket.once("close", () => waiting?.reject(gone));
  const call = async (method, params) => {
    const { result, error } = await new Promise((resolve, reject) => {
      if (socket.destroyed) reject(gone);
      waiting = { resolve, reject };
      socket.write(`${JSON.stringify({ jsonrpc: "2.0", id: 1, method, params })}\n`);
    });
    if (error !== undefined) throw new Error(error.data.code);
    return result;
  };
  await call("hello", { client: "bench", version: "1", features: [] });
  return call;
}

const step = () => stepAt(Date.now(), totpDefaults.period);

/** A registration as far as its recovery codes. */
export async function register(target, number) {
  const { name, verifier } = person(number);
  const socket = await open(target);
  const call = await speak(socket);
  await call("register.start", { name });
  const { secret } = await call("register.verifier", { verifier: verifier.toString("hex") });
  await call("register.confirm", { code: totpCode(decodeSecret(secret), step(), totpDefaults) });
  return socket;
}

/** A full login as far as its session, from a device that nobody knows yet. */
export async function login(target, number) {
  const someone = person(number);
  const ephemeral = ephemerals[number % ephemerals.length];
  const socket = await open(target);
  const call = await speak(socket);
  const A = ephemeral.power.toString("hex");
  const { identity, salt, B } = await call("login.start", { name: someone.name, A });
  const serverPublic = parsePublicValue(B);
  const { key, proofHex } = prove({ someone, ephemeral, identity, salt: parseSalt(salt), serverPublic });
  const { bytes, label, context } = channelExporter;
  const mac = channelMac("client", key, socket.exportKeyingMaterial(bytes, label, context)).toString("hex");
  await call("login.proof", { M1: proofHex, mac });
  await call("login.code", { code: totpCode(someone.secret, step(), totpDefaults) });
  return socket;
}

let engine;
const blinding = new Map();

/** S = (B - k * v) ^ (a + u * x): by one power where a client takes four, since here nobody spies on it. */
function prove({ someone, ephemeral, identity, salt, serverPublic }) {
  const { privateKey, verifier } = someone;
  engine ??= createDiffieHellman(group2048.primeBytes, group2048.generatorBytes);
  const transcript = { identity, salt, clientPublic: ephemeral.power, serverPublic };
  if (!blinding.has(privateKey)) blinding.set(privateKey, blindingOf(multiplier(postern), verifier));
  const base = mod(toInteger(serverPublic) - blinding.get(privateKey), group2048.prime);
  engine.setPrivateKey(toBytes(ephemeral.exponent + toInteger(scrambler(postern, transcript)) * privateKey, 40));
  const key = sessionKey(postern, engine.computeSecret(pad(group2048, base)));
  return { key, proofHex: clientProof(postern, transcript, key).toString("hex") };
}

/** As far as the server's B: the dearest thing that a stranger can ask for with one message. */
export async function startLogin(target, number) {
  const socket = await open(target);
  const call = await speak(socket);
  await call("login.start", { name: `nobody-${number}`, A: ephemerals[0].power.toString("hex") });
  return socket;
}
