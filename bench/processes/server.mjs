/** A server on a store of its own, in a process of its own, which tells what it takes when asked. */
import "./argon2.mjs";
import { randomBytes } from "node:crypto";
import { serve } from "./channel.mjs";
import { server as dist } from "./dist.mjs";
import { openStore } from "./store.mjs";
import { cpuMs, usage } from "./usage.mjs";

const { place, node, spawnedAt = 0, limits = "none", http = false } = JSON.parse(process.argv[2]);

const { startServer, defaultLimits } = await dist("server.js");
const store = await openStore(place);
const { barrier } = store;

const nobody = "127.0.0.1:0";
const address = { host: "127.0.0.1", port: 0, key: nobody };
const log = { debug() {}, info() {}, warn() {}, error: console.error };
/** A thousand logins at once from one address: what keeps strangers off would be measured in place of a login. */
const noLimits = { ...defaultLimits, unauthenticated: 8192, authenticated: 65_536 };
const server = await startServer({
  barrier,
  node,
  listen: address,
  http: http ? address : undefined,
  registration: "open",
  publicUrl: undefined,
  log,
  ...(limits === "none" && { limits: noLimits, exempt: () => true }),
});

const started = { wall: performance.timeOrigin + performance.now() - spawnedAt, cpu: cpuMs(), argon2: process.argon2 };

/** What transactions write while it is counted: how often, how many records, and how many bytes. */
const written = { transactions: 0, records: 0, bytes: 0 };

function countWrites() {
  const { transact } = barrier;
  Object.assign(written, { transactions: 0, records: 0, bytes: 0 });
  barrier.transact = (fn) => {
    written.transactions += 1;
    return transact.call(barrier, (tx) => {
      const { put } = tx;
      tx.put = (key, value) => {
        written.records += 1;
        written.bytes += key.length + value.length;
        return put.call(tx, key, value);
      };
      return fn(tx);
    });
  };
}

async function apiKey(scopes) {
  const { createApiKey } = await dist("services/applications/api-keys.js");
  const { readSettings } = await dist("services/store.js");
  const { node } = await readSettings(barrier);
  const context = { barrier, node, now: Date.now, random: randomBytes };
  const { text } = await createApiKey(context, { name: "bench", scopes, lifetime: undefined });
  return text;
}

serve({
  ...usage,
  ports: () => ({ port: server.listen.port, http: server.http?.port, fingerprint: server.fingerprint }),
  started: () => started,
  countWrites,
  written: () => {
    delete barrier.transact;
    return written;
  },
  bytes: async () => (await store.usage()).bytes,
  apiKey,
  stop: async () => {
    await server.close();
    await store.close();
  },
});
