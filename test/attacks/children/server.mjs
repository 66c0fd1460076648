// server.mjs create|open DIRECTORY NOW: makes the store of a directory, or opens it, and serves it with a clock that
// stands at NOW, until its stdin ends. It tells the port that it listens on as a line of stdout.
import { randomBytes } from "node:crypto";
import { createBarrier, openBarrier } from "../../../packages/server/dist/barrier/barrier.js";
import { startServer } from "../../../packages/server/dist/server.js";
import { initialiseStore } from "../../../packages/server/dist/services/store.js";
import { openLmdbStorage } from "../../../packages/server/dist/storage/lmdb.js";

const [verb, directory, at] = process.argv.slice(2);
const now = () => Number(at);
const password = Buffer.from("correct horse battery");
const cheap = { stretch: { memoryKiB: 8, passes: 1 } };

const create = verb === "create";
const storage = await openLmdbStorage({ directory, create, mapSize: 2 ** 28 });
const barrier = await (create ? createBarrier : openBarrier)(storage, password, cheap);
if (create) await initialiseStore(barrier, { now, random: randomBytes }, ["localhost"]);
const silent = () => {};
const server = await startServer({
  barrier,
  listen: { host: "127.0.0.1", port: 0, key: "127.0.0.1:0" },
  http: undefined,
  registration: "open",
  publicUrl: undefined,
  log: { debug: silent, info: silent, warn: silent, error: console.error },
  now,
  exempt: () => true,
});
process.stdout.write(`${server.listen.port}\n`);
process.stdin.resume().once("end", async () => {
  await server.close();
  await barrier.close();
  await storage.close();
});
