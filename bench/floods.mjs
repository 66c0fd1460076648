import { fork } from "node:child_process";
import { connect } from "node:tls";
import { fileURLToPath } from "node:url";
import { clientEphemeral } from "@postern/shared/srp/client";

/**
 * attack 53: how late the event loop of a server comes under a flood of handshakes, and of login starts, from loopback.
 * The server has a process of its own, and no limits of an address. A flood ends after so many connections, or seconds.
 */
const flood = Number(process.argv[2] ?? 3000);
const connections = Number(process.argv[3] ?? 64);
const SECONDS = 20;

const server = fork(fileURLToPath(new URL("server.mjs", import.meta.url)));
const heard = () => new Promise((resolve) => server.once("message", ({ answer }) => resolve(answer)));
const ask = (question) => {
  server.send(question);
  return heard();
};
const port = await heard();

/** One connection, with its handshake done; it is reset when it is done with, so that no port is left waiting. */
async function open() {
  const socket = connect({ port, host: "127.0.0.1", ALPNProtocols: ["postern/1"], rejectUnauthorized: false });
  await new Promise((resolve, reject) => socket.once("secureConnect", resolve).once("error", reject));
  socket.on("error", () => socket.destroy());
  return socket;
}

async function handshake() {
  (await open()).destroy();
}

const ephemeral = clientEphemeral();

/** As far as the server's B: the dearest thing that a stranger can ask for with one message. */
async function start(number) {
  const socket = await open();
  const call = (method, params) =>
    new Promise((resolve, reject) => {
      socket.once("data", resolve).once("close", () => reject(new Error("closed")));
      socket.write(`${JSON.stringify({ jsonrpc: "2.0", id: 1, method, params })}\n`);
    });
  await call("hello", { client: "bench", version: "1", features: [] });
  await call("login.start", { name: `nobody${number}`, A: ephemeral.publicHex });
  socket.destroy();
}

/** Runs `each` over and over, so many at once, and gives how late the server's event loop came meanwhile. */
async function measure(each) {
  await ask("watch");
  const began = performance.now();
  const elapsed = () => (performance.now() - began) / 1000;
  let done = 0;
  let refused = 0;
  const worker = async () => {
    while (done + refused < flood && elapsed() < SECONDS) {
      await each(done).then(
        () => (done += 1),
        () => (refused += 1),
      );
    }
  };
  await Promise.all(Array.from({ length: connections }, worker));
  const rate = done / elapsed();
  return { ...(await ask("delay")), done, refused, rate };
}

const idle = async () => {
  await ask("watch");
  await new Promise((resolve) => setTimeout(resolve, 2000));
  return { ...(await ask("delay")), done: 0, refused: 0, rate: 0 };
};

await measure(handshake);
const figures = [
  ["idle", await idle()],
  ["a flood of handshakes", await measure(handshake)],
  ["a flood of login starts", await measure(start)],
];
await ask("stop");

console.log(
  `${flood} connections, ${connections} at once, Node ${process.version}; a p99 below 100 ms is what is hoped for\n`,
);
console.log(
  "| event-loop delay        | p50 ms | p99 ms | max ms |    /s | refused |\n| --- | --- | --- | --- | --- | --- |",
);
for (const [what, { p50, p99, max, rate, refused }] of figures) {
  const cells = [p50, p99, max].map((ms) => ms.toFixed(1).padStart(6));
  console.log(
    `| ${what.padEnd(23)} | ${cells.join(" | ")} | ${rate.toFixed(0).padStart(5)} | ${String(refused).padStart(7)} |`,
  );
}
