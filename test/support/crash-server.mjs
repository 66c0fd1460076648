/**
 * A server process that does what it is told over IPC: it opens a store and serves it, closes it, goes on with the
 * next. It is built of the same rooms as `posternd start`, but its admin password is stretched as cheaply as the order
 * says, its clock stands where the order says (or is the system's), and its log is kept until the store is closed.
 */
import { randomBytes } from "node:crypto";
import { PosternError } from "@postern/shared/errors";
import { createBarrier, inspectBarrier, openBarrier } from "../../packages/server/dist/barrier/barrier.js";
import { isPostgresUrl, parsePostgresUrl } from "../../packages/server/dist/postgres-url.js";
import { startServer } from "../../packages/server/dist/server.js";
import { verifyTrail } from "../../packages/server/dist/services/audit-trail.js";
import { initialiseStore, isEmpty } from "../../packages/server/dist/services/store.js";
import { openLmdbStorage } from "../../packages/server/dist/storage/lmdb.js";

const loopback = (port = 0) => ({ host: "127.0.0.1", port, key: `127.0.0.1:${port}` });
let serving;

async function openStorage(place, create) {
  if (!isPostgresUrl(place)) return openLmdbStorage({ directory: place, create });
  const { openPostgresStorage } = await import("../../packages/server/dist/storage/postgres.js");
  return openPostgresStorage({ server: parsePostgresUrl(place), password: async () => undefined, create });
}

async function openStore({ place, init, password, stretch, clock }) {
  const storage = await openStorage(place, init);
  try {
    const barrier = await openOrCreate(storage, { init, password: Buffer.from(password), stretch });
    if (await isEmpty(barrier)) await initialiseStore(barrier, { now: clock, random: randomBytes }, ["localhost"]);
    return { storage, barrier };
  } catch (error) {
    await storage.close();
    throw error;
  }
}

async function openOrCreate(storage, { init, password, stretch }) {
  if ((await inspectBarrier(storage, { stretch })) === "sealed") return openBarrier(storage, password, { stretch });
  if (!init) throw new PosternError("store_missing");
  return createBarrier(storage, password, { stretch });
}

async function serve({ storage, barrier }, { clock, port, httpPort }) {
  const logged = [];
  const keep = (level) => (facts, message) => logged.push({ level, code: facts.code, message });
  const log = { debug: keep("debug"), info: keep("info"), warn: keep("warn"), error: keep("error") };
  const options = {
    http: httpPort === undefined ? undefined : loopback(httpPort),
    registration: "open",
    publicUrl: undefined,
    log,
    now: clock,
    watchStore: storage.watch,
    exempt: () => true,
  };
  try {
    const server = await startServer({ barrier, listen: loopback(port), ...options });
    return { storage, barrier, server, logged };
  } catch (error) {
    await barrier.close();
    await storage.close();
    throw error;
  }
}

/** What came of something: its value, or the stable code of its failure. */
async function outcomeOf(promise) {
  try {
    return { value: (await promise) ?? null };
  } catch (error) {
    return { error: error instanceof PosternError ? error.code : `unforeseen: ${error.stack}` };
  }
}

const orders = {
  /** Nothing: its answer says that everything is loaded. */
  async load() {},

  async open(options) {
    const clock = options.now === undefined ? Date.now : () => options.now;
    serving = await serve(await openStore({ ...options, clock }), { ...options, clock });
    const { listen, http, fingerprint } = serving.server;
    return { port: listen.port, httpPort: http?.port, fingerprint };
  },

  /** Ends the service as far as that is possible, and tells what was logged and whether the audit chain holds. */
  async close() {
    const { server, barrier, storage, logged } = serving;
    const stopped = await outcomeOf(server.close());
    const audit = await outcomeOf(verifyTrail(barrier));
    await barrier.close();
    await storage.close();
    return { stopped, audit, logged };
  },
};

process.on("message", async ({ order, options }) => process.send(await outcomeOf(orders[order](options))));
process.on("disconnect", () => process.exit());
