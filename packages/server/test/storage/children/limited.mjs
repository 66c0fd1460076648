// limited.mjs DIRECTORY: under `ulimit -f` writes until no more fits, then goes on with what does.
import { bytes, open, outcome, tell } from "./open.mjs";

process.on("SIGXFSZ", () => {});
process.on("unhandledRejection", (reason) => tell({ unhandled: String(reason) }));

const storage = await open(process.argv[2]);
const put = (key, size) => outcome(storage.transact((tx) => tx.put(bytes(key), Buffer.alloc(size, 1))));
const remove = (key) => outcome(storage.transact((tx) => tx.delete(bytes(key))));
const count = () => storage.read(async (tx) => (await tx.scan({ from: bytes("k"), to: bytes("l") })).length);

let stored = 0;
while ((await put(`k${stored}`, 50_000)) === "ok") stored++;
const own = new Error("mine");
// The first call is a batch of its own; the others wait for it, and share the next.
const [alone, reading, ...together] = await Promise.all([
  put("first", 10),
  outcome(storage.read((tx) => tx.get(bytes("k0")))),
  put("too long", 500_000),
  put("short", 10),
  storage.transact(() => Promise.reject(own)).catch((error) => (error === own ? "own error" : String(error))),
]);
const afterFailure = await count();
const freed = await remove("k0");
const again = await put("again", 10_000);
tell({ stored, alone, reading, together, afterFailure, freed, again, finally: await count() });
await storage.close();
