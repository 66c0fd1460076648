/**
 * `node bench/workers.mjs [workers,…] [accounts] [connections]`: what a login costs a server of one process and of several,
 * by the real program: CPU milliseconds of all of its processes, of each, and logins a second. The client has the same
 * machine: the rate is that of a server alone only where there are cores for both. On Linux.
 */
import { spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { readdirSync, readFileSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connect } from "node:tls";
import { fileURLToPath } from "node:url";
import { channelExporter, channelMac } from "@postern/shared/channel";
import { LineSplitter } from "@postern/shared/frames/line-splitter";
import { totpDefaults } from "@postern/shared/otp/parameters";
import { decodeSecret } from "@postern/shared/otp/secret";
import { stepAt, totpCode } from "@postern/shared/otp/totp";
import { clientEphemeral, clientSession, deriveVerifier } from "@postern/shared/srp/client";
import { parsePublicValue, parseSalt } from "@postern/shared/srp/parse";

const choices = (process.argv[2] ?? "1,2").split(",");
const accounts = Number(process.argv[3] ?? 300);
const connections = Number(process.argv[4] ?? 16);
const posternd = fileURLToPath(new URL("../packages/server/bin/posternd.js", import.meta.url));
const password = randomBytes(32).toString("hex");
const codeOf = (secret, offset) => totpCode(secret, stepAt(Date.now(), totpDefaults.period) + offset, totpDefaults);

async function startServer(folder, workers) {
  const file = join(folder, "admin-password");
  await writeFile(file, "violet harbour umbrella\n", { mode: 0o600 });
  const where = ["--data", join(folder, "data"), "--listen", "127.0.0.1:0", "--http", "off", "--config", "off"];
  const args = ["start", "--init", "--admin-password-file", file, ...where, "--address-limits", "off"];
  const child = spawn(process.execPath, [posternd, ...args, "--workers", workers], {
    stdio: ["ignore", "pipe", "ignore"],
  });
  let stdout = "";
  for await (const chunk of child.stdout) {
    stdout += chunk;
    if (stdout.includes("\n")) break;
  }
  return { child, port: Number(/listen=127\.0\.0\.1:(\d+)/.exec(stdout)?.[1]) };
}

/** CPU milliseconds of a process and of its children, by the kernel's ticks of ten milliseconds. */
function cpuOf(pid) {
  const statOf = (one) => readFileSync(`/proc/${one}/stat`, "utf8").split(") ")[1].split(" ");
  const children = readdirSync("/proc").filter((one) => /^\d+$/.test(one) && isChild(one));
  function isChild(one) {
    try {
      return Number(statOf(one)[1]) === pid;
    } catch {
      return false;
    }
  }
  return [pid, ...children].map((one) => 10 * (Number(statOf(one)[11]) + Number(statOf(one)[12])));
}

/** A connection that speaks the protocol, with nothing of the client program around it. */
async function open(port) {
  const socket = connect({ port, host: "127.0.0.1", ALPNProtocols: ["postern/1"], rejectUnauthorized: false });
  await once(socket, "secureConnect");
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

async function register(port, person) {
  const { call, socket } = await open(port);
  const { identity, salt } = await call("register.start", { name: person.name });
  const { secret } = await call("register.verifier", {
    verifier: deriveVerifier({ identity, salt: parseSalt(salt), password }),
  });
  person.secret = decodeSecret(secret);
  await call("register.confirm", { code: codeOf(person.secret, -1) });
  socket.destroy();
}

async function login(port, { name, secret }) {
  const { call, socket } = await open(port);
  const ephemeral = clientEphemeral();
  const { identity, salt, B } = await call("login.start", { name, A: ephemeral.publicHex });
  const credentials = { identity, salt: parseSalt(salt), password };
  const session = clientSession({ credentials, ephemeral, serverPublic: parsePublicValue(B) });
  const { bytes, label, context } = channelExporter;
  const mac = channelMac("client", session.key, socket.exportKeyingMaterial(bytes, label, context)).toString("hex");
  await call("login.proof", { M1: session.proofHex, mac });
  await call("login.code", { code: codeOf(secret, 1) });
  socket.destroy();
}

async function atOnce(people, each) {
  const queue = [...people];
  const next = async () => {
    for (let person = queue.pop(); person; person = queue.pop()) await each(person);
  };
  await Promise.all(Array.from({ length: connections }, next));
}

async function measure(workers) {
  const folder = await mkdtemp(join(tmpdir(), "postern-bench-"));
  const { child, port } = await startServer(folder, workers);
  try {
    const people = Array.from({ length: accounts }, (_, index) => ({ name: `person${index}`, secret: undefined }));
    await atOnce(people, (person) => register(port, person));
    const before = cpuOf(child.pid);
    const began = performance.now();
    await atOnce(people, (person) => login(port, person));
    const seconds = (performance.now() - began) / 1000;
    const each = cpuOf(child.pid).map((after, index) => (after - before[index]) / accounts);
    return { workers, each, rate: accounts / seconds };
  } finally {
    child.kill("SIGTERM");
    await once(child, "exit");
    await rm(folder, { recursive: true });
  }
}

console.log(`${accounts} logins, ${connections} connections at once, Node ${process.version}\n`);
console.log("| workers | ms CPU a login | of it the first process, and each worker | logins/s, the client beside it |");
console.log("| --- | --- | --- | --- |");
for (const choice of choices) {
  const { workers, each, rate } = await measure(choice);
  const sum = each.reduce((total, one) => total + one, 0);
  console.log(
    `| ${workers} | ${sum.toFixed(2)} | ${each.map((one) => one.toFixed(2)).join(" + ")} | ${rate.toFixed(0)} |`,
  );
}
