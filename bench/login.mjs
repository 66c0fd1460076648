import { fork } from "node:child_process";
import { randomBytes } from "node:crypto";
import { connect } from "node:tls";
import { fileURLToPath } from "node:url";
import { channelExporter, channelMac } from "@postern/shared/channel";
import { LineSplitter } from "@postern/shared/frames/line-splitter";
import { totpDefaults } from "@postern/shared/otp/parameters";
import { decodeSecret } from "@postern/shared/otp/secret";
import { stepAt, totpCode } from "@postern/shared/otp/totp";
import { clientEphemeral, clientSession, deriveVerifier } from "@postern/shared/srp/client";
import { parsePublicValue, parseSalt } from "@postern/shared/srp/parse";

const accounts = Number(process.argv[2] ?? 500);
const connections = Number(process.argv[3] ?? 16);

const server = fork(fileURLToPath(new URL("server.mjs", import.meta.url)));
const heard = () => new Promise((resolve) => server.once("message", ({ answer }) => resolve(answer)));
const ask = (question) => {
  server.send(question);
  return heard();
};
const port = await heard();

/** A connection that speaks the protocol, with nothing of the client program around it. */
async function open() {
  const socket = connect({ port, host: "127.0.0.1", ALPNProtocols: ["postern/1"], rejectUnauthorized: false });
  await new Promise((resolve, reject) => socket.once("secureConnect", resolve).once("error", reject));
  socket.setNoDelay(true);
  const lines = new LineSplitter(65536);
  let waiting;
  socket.on("data", (chunk) => {
    for (const line of lines.push(chunk)) waiting(JSON.parse(line.toString()));
  });
  const call = (method, params) =>
    new Promise((resolve, reject) => {
      waiting = ({ result, error }) => (error ? reject(new Error(error.data.code)) : resolve(result));
      socket.write(`${JSON.stringify({ jsonrpc: "2.0", id: 1, method, params })}\n`);
    });
  await call("hello", { client: "bench", version: "1", features: [] });
  return { call, socket };
}

const password = randomBytes(32).toString("hex");
const people = Array.from({ length: accounts }, (_, index) => ({ name: `person${index}`, secret: undefined }));
const codeOf = ({ secret }, offset) => totpCode(secret, stepAt(Date.now(), totpDefaults.period) + offset, totpDefaults);

async function register(person) {
  const { call, socket } = await open();
  const { identity, salt } = await call("register.start", { name: person.name });
  const verifier = deriveVerifier({ identity, salt: parseSalt(salt), password });
  const { secret } = await call("register.verifier", { verifier });
  person.secret = decodeSecret(secret);
  await call("register.confirm", { code: codeOf(person, -1) });
  socket.destroy();
}

async function login(person) {
  const { call, socket } = await open();
  const ephemeral = clientEphemeral();
  const { identity, salt, B } = await call("login.start", { name: person.name, A: ephemeral.publicHex });
  const credentials = { identity, salt: parseSalt(salt), password };
  const session = clientSession({ credentials, ephemeral, serverPublic: parsePublicValue(B) });
  const { bytes, label, context } = channelExporter;
  const mac = channelMac("client", session.key, socket.exportKeyingMaterial(bytes, label, context)).toString("hex");
  await call("login.proof", { M1: session.proofHex, mac });
  await call("login.code", { code: codeOf(person, 1) });
  socket.destroy();
}

/** Runs `each` for every person, so many at once, and gives the server's CPU milliseconds for one. */
async function measure(each) {
  const before = await ask("cpu");
  const began = performance.now();
  const queue = [...people];
  const worker = async () => {
    for (let person = queue.pop(); person; person = queue.pop()) await each(person);
  };
  await Promise.all(Array.from({ length: connections }, worker));
  const seconds = (performance.now() - began) / 1000;
  const after = await ask("cpu");
  const cpu = (after.user + after.system - before.user - before.system) / 1000 / people.length;
  return { cpu, rate: people.length / seconds };
}

const registration = await measure(register);
const full = await measure(login);
const power = await ask("power");
await ask("stop");

const row = (what, ms, rest = "") => console.log(`| ${what.padEnd(28)} | ${ms.toFixed(2).padStart(8)} | ${rest} |`);
console.log(`${accounts} accounts, ${connections} connections at once, Node ${process.version}\n`);
console.log("| server CPU                   |       ms |  |\n| --- | --- | --- |");
row("a registration", registration.cpu, `${registration.rate.toFixed(0)}/s with this client beside it`);
row("a full login", full.cpu, `${full.rate.toFixed(0)}/s with this client beside it`);
row("three powers", 3 * power, `login / three powers: ${(full.cpu / 3 / power).toFixed(2)}`);
