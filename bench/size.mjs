/** How large a store becomes: bytes of the file for each account, known device and audit entry, and a process's memory. */
import { randomBytes } from "node:crypto";
import { mkdtemp, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

const dist = (file) => pathToFileURL(new URL(`../packages/server/dist/${file}`, import.meta.url).pathname).href;
const { createStore } = await import(dist("store.js"));
const { putAccount } = await import(dist("records/account.js"));
const { putDevice } = await import(dist("records/device.js"));
const { untouchedBudget } = await import(dist("records/budget.js"));
const { newTotpFactor } = await import(dist("services/enrolment.js"));
const { audit } = await import(dist("services/context.js"));
const { readSettings } = await import(dist("services/store.js"));
const { newId } = await import("@postern/shared/ids");

const count = Number(process.argv[2] ?? 20_000);
const directory = await mkdtemp(join(tmpdir(), "postern-size-"));
const { barrier, close } = await createStore(
  { directory, warn: () => undefined },
  Buffer.from("a password for a bench"),
);
const { node } = await readSettings(barrier);
const context = { barrier, node, now: Date.now, random: randomBytes };
const peer = { address: "203.0.113.207", client: "postern 0.1.0" };
const bytes = async () => (await stat(join(directory, "store.mdb"))).size;

/** Bytes that the file has grown by for each of `count`, put 500 a transaction. */
async function grown(put) {
  const before = await bytes();
  for (let from = 0; from < count; from += 500) {
    await barrier.transact(async (tx) => {
      for (let index = from; index < Math.min(count, from + 500); index++) await put(tx, index);
    });
  }
  return Math.round(((await bytes()) - before) / count);
}

const ids = Array.from({ length: count }, () => newId("account"));
const account = (index) => ({
  id: ids[index],
  identity: `person-${index}`,
  createdAt: Date.now(),
  verifier: randomBytes(256),
  stretch: 1,
  passwordVersion: 0,
  factors: [newTotpFactor(context, { label: "authenticator" })],
  recovery: Array.from({ length: 10 }, () => randomBytes(32)),
  codeBudget: untouchedBudget,
});
const device = (index) => ({
  id: newId("device"),
  account: ids[index],
  passwordVersion: 0,
  secret: randomBytes(32),
  createdAt: Date.now(),
  lastSeenAt: Date.now(),
  ...peer,
  passwordBudget: untouchedBudget,
  codeBudget: untouchedBudget,
});
const entry = (index) => ({ event: "login", outcome: "granted", account: ids[index], name: `person-${index}` });

const sizes = {
  account: await grown((tx, index) => putAccount(tx, barrier.nameIndex(`person-${index}`), account(index))),
  "known device": await grown((tx, index) => putDevice(tx, device(index))),
  "audit entry": await grown((tx, index) => audit(context, tx, peer, entry(index))),
};
for (const [what, size] of Object.entries(sizes)) console.log(`${what}: ${size} bytes`);
console.log(`the whole, ${count} of each: ${((await bytes()) / 2 ** 20).toFixed(1)} MiB`);
console.log(
  `memory of this process: ${(process.memoryUsage().rss / 2 ** 20).toFixed(0)} MiB, the mapped file included`,
);
await close();
await rm(directory, { recursive: true });
