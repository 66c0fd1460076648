// flipped.mjs DIRECTORY FLIPS: FLIPS is JSON [[offset, bit], …]. Opens a copy of the store with each bit flipped in
// turn, reads it all and writes to it, and tells what came of it.
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { bytes, open, outcome, tell } from "./open.mjs";

const [directory, flips] = process.argv.slice(2);
const original = readFileSync(join(directory, "store.mdb"));

for (const [offset, bit] of JSON.parse(flips)) {
  const copy = mkdtempSync(join(tmpdir(), "postern-flipped-"));
  const file = join(copy, "store.mdb");
  copyFileSync(join(directory, "store.mdb"), file);
  const changed = Buffer.from(original);
  changed[offset] ^= 1 << bit;
  writeFileSync(file, changed);
  tell({ offset, bit, ...(await use(copy)) });
  rmSync(copy, { recursive: true });
}

async function use(copy) {
  let storage;
  const opened = await outcome(open(copy, false).then((it) => (storage = it)));
  if (opened !== "ok") return { opened };
  const entries = await storage.read((tx) => tx.scan({ from: bytes(""), to: Buffer.alloc(512, 0xff) }));
  const written = await outcome(storage.transact(rewrite));
  await storage.close();
  return { opened, entries: entries.length, written };
}

async function rewrite(tx) {
  for (let i = 0; i < 40; i++) await tx.put(bytes(`new${i}`), Buffer.alloc(300, i));
  for (let i = 0; i < 400; i += 7) await tx.delete(bytes(`key${i}`));
}
