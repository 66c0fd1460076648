/** A server on a store of its own, in a process of its own, which tells its CPU time when asked. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { monitorEventLoopDelay } from "node:perf_hooks";
import { pathToFileURL } from "node:url";

const dist = (file) => pathToFileURL(new URL(`../packages/server/dist/${file}`, import.meta.url).pathname).href;
const { startServer } = await import(dist("server.js"));
const { createStore } = await import(dist("store.js"));
const { power, warmPower } = await import("@postern/shared/srp/power");
const { group2048 } = await import("@postern/shared/srp/group");
const { randomBytes } = await import("node:crypto");

// A server does it by itself a few seconds after it is ready: not in the middle of what is measured here.
warmPower(group2048);

const directory = await mkdtemp(join(tmpdir(), "postern-bench-"));
const store = await createStore({ directory, warn: () => undefined }, Buffer.from("a password for a bench"));
const log = { debug() {}, info() {}, warn: console.error, error: console.error };
const listen = { host: "127.0.0.1", port: 0, key: "127.0.0.1:0" };
const server = await startServer({
  barrier: store.barrier,
  listen,
  http: undefined,
  registration: "open",
  publicUrl: undefined,
  log,
  exempt: () => true,
});

/** CPU milliseconds of one power with a 32-byte exponent, the median of several rounds. */
function powerMs() {
  const rounds = Array.from({ length: 9 }, () => {
    const base = Buffer.concat([Buffer.of(0x10), randomBytes(255)]);
    const before = process.cpuUsage();
    for (let i = 0; i < 100; i++) power(group2048, base, Buffer.concat([Buffer.of(0x80), randomBytes(31)]));
    const { user, system } = process.cpuUsage(before);
    return (user + system) / 1000 / 100;
  });
  return rounds.sort((a, b) => a - b)[4];
}

/** How late the event loop comes; it looks every millisecond, and that is what it shows at least. */
const delay = monitorEventLoopDelay({ resolution: 1 });
const inMs = (nanoseconds) => nanoseconds / 1e6;

const answers = {
  cpu: () => process.cpuUsage(),
  power: powerMs,
  watch: () => {
    delay.enable();
    delay.reset();
    return "watching";
  },
  delay: () => ({ p50: inMs(delay.percentile(50)), p99: inMs(delay.percentile(99)), max: inMs(delay.max) }),
  stop: async () => {
    await server.close();
    await store.close();
    await rm(directory, { recursive: true });
    setImmediate(() => process.disconnect());
  },
};
process.on("message", async (question) => process.send({ answer: await answers[question]() }));
process.send({ answer: server.listen.port });
