import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { openLmdbStorage } from "../../../../packages/server/dist/storage/lmdb.js";
import { HEADER_BYTES, readMeta } from "../../../../packages/server/dist/storage/lmdb-header.js";
import { checkTrees } from "../../../../packages/server/dist/storage/lmdb-tree.js";
import { must } from "../judge.mjs";
import { scratchDirectory } from "./scratch.mjs";

const sound = gunzipSync(readFileSync(new URL("../../../corpus/store.mdb.gz", import.meta.url)));
const everything = { from: Buffer.alloc(0), to: Buffer.alloc(512, 0xff) };
const EDIT_BYTES = 4;

/**
 * An input is a list of edits of a sound store, of four bytes each: where (three bytes) and with what the byte there is
 * combined by exclusive or. Behind its end, the file is cut there, counted again from its beginning.
 */
function edited(input) {
  let file = Buffer.from(sound);
  for (let at = 0; at + EDIT_BYTES <= input.length; at += EDIT_BYTES) {
    const place = input.readUIntBE(at, 3);
    if (place < file.length) file.writeUInt8(file.readUInt8(place) ^ input.readUInt8(at + 3), place);
    else file = file.subarray(0, place % (sound.length + 1));
  }
  return file;
}

function check(file) {
  const meta = readMeta(file.subarray(0, HEADER_BYTES));
  const readPage = (page, length = meta.pageSize) => {
    const from = page * meta.pageSize;
    return Buffer.from(file.subarray(from, from + length));
  };
  checkTrees({ meta, pages: Math.floor(file.length / meta.pageSize), readPage, leaves: true });
  return meta;
}

const PAGE = 4096;
const pages = sound.length / PAGE;

function edit(place, change) {
  const bytes = Buffer.alloc(EDIT_BYTES);
  bytes.writeUIntBE(place, 0, 3);
  bytes.writeUInt8(change, 3);
  return bytes;
}

/** The beginnings of pages, where their headers, offsets and nodes are. */
const places = Array.from({ length: pages }, (_, page) =>
  [0, 8, 10, 18, 20, 22, 24, 26, 48, 52, 100, 136, 144, 152].map((at) => page * PAGE + at),
).flat();
const dictionary = places.flatMap((place) => [edit(place, 1), edit(place, 0x80), edit(place, 0xff)]);
const seeds = [
  Buffer.alloc(0),
  ...Array.from({ length: pages }, (_, page) => edit(page * PAGE + 20, 2)),
  edit(0xffffff, 0),
];
const codes = ["store_damaged", "store_foreign", "store_future"];

const storeFile = {
  name: "store-file",
  codes,
  dictionary,
  seeds,
  maxLength: 64,
  run(input) {
    const { main } = check(edited(input));
    must(main.entries >= 0, "a sound file says how many entries it has");
  },
};

let directory;

/** What passes the check, LMDB is given: it lives, finds every entry that the file counts, and can go on writing. */
const storeOpen = {
  name: "store-open",
  codes,
  dictionary,
  seeds,
  seedsOf: "store-file",
  maxLength: 64,
  async run(input) {
    const file = edited(input);
    const { main } = check(file);
    directory ??= scratchDirectory();
    rmSync(directory, { recursive: true, force: true });
    mkdirSync(directory, { mode: 0o700 });
    writeFileSync(join(directory, "store.mdb"), file, { mode: 0o600 });
    const storage = await openLmdbStorage({ directory, create: false, mapSize: 2 ** 24 });
    try {
      const before = await storage.read((tx) => tx.scan(everything));
      must(before.length === main.entries, "every entry is found");
      await storage.transact((tx) => rewrite(tx, before));
      const after = await storage.read((tx) => tx.scan(everything));
      must(
        after.every(({ key, value }) => key.length > 0 && value.length >= 0),
        "what was written can be read",
      );
    } finally {
      await storage.close();
    }
    check(readFileSync(join(directory, "store.mdb")));
  },
};

async function rewrite(tx, entries) {
  for (const [index, { key }] of entries.entries()) if (index % 3 === 0) await tx.delete(key);
  for (let count = 0; count < 12; count++) await tx.put(Buffer.from(`new${count}`), Buffer.alloc(count * 500, count));
}

export const targets = [storeFile, storeOpen];
