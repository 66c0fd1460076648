import {
  BackupSeals,
  encodeEnd,
  encodeEntry,
  encodeHead,
  encodePreamble,
  encodeSectionHead,
} from "../../../../packages/server/dist/barrier/backup-format.js";
import { fillFromBackup, unsealBackup } from "../../../../packages/server/dist/barrier/backup-reader.js";
import { createBarrier, findBackup } from "../../../../packages/server/dist/barrier/barrier.js";
import { deriveBackupKey } from "../../../../packages/server/dist/barrier/derive.js";
import { unwrapRootKey } from "../../../../packages/server/dist/barrier/root-key.js";
import { SecureBuffer } from "../../../../packages/server/dist/barrier/secure-buffer.js";
import { createMemoryStorage } from "../../../../packages/server/dist/storage/memory.js";
import { must } from "../judge.mjs";

const cheap = { stretch: { memoryKiB: 8, passes: 1 } };
const password = Buffer.from("correct horse battery");
const everything = { from: Buffer.alloc(0), to: Buffer.alloc(512, 0xff) };
const dump = (storage) => storage.read((tx) => tx.scan(everything));

const storage = createMemoryStorage();
const barrier = await createBarrier(storage, password, cheap);
await barrier.transact(async (tx) => {
  for (const name of ["one", "two"]) await tx.put(Buffer.from(name), Buffer.from(`value ${name}`));
});
const stored = await dump(storage);
const [header, keyring, ...records] = stored;

const pieces = [];
await barrier.backUp({ time: 0, write: async (bytes) => void pieces.push(bytes) });
const sound = Buffer.concat(pieces);

const salt = Buffer.alloc(32, 7);
const head = encodeHead({ storeId: barrier.storeId, time: 0, salt, header: header.value, keyring: keyring.value });
const rootKey = await unwrapRootKey(header.value, SecureBuffer.copyOf(password, "noaccess"), cheap.stretch);

/** Sections with seals that fit, whatever is in them: what only the store's own key can make. */
function sealed(sections) {
  const seals = new BackupSeals(deriveBackupKey(rootKey, barrier.storeId, salt));
  const parts = sections.flatMap(([kind, body]) => [
    encodeSectionHead(kind, body.length),
    body,
    seals.next(kind, body),
  ]);
  seals.wipe();
  return Buffer.concat([encodePreamble(), ...parts]);
}

const entries = Buffer.concat(records.map(encodeEntry));
const end = encodeEnd({
  entries: 2,
  bytes: records.reduce((sum, { key, value }) => sum + key.length + value.length, 0),
});

/** Each opening sets pages of keys aside that only a collection frees. */
const COLLECT_EVERY = 100;
let opened = 0;

/** A first byte of 1 or 2: what follows is the body of the entries, or of the end, sealed as it should be. Else a file. */
function fileOf(input) {
  const body = input.subarray(1);
  if (input[0] === 1)
    return sealed([
      ["head", head],
      ["entries", body],
      ["end", end],
    ]);
  if (input[0] === 2)
    return sealed([
      ["head", head],
      ["entries", entries],
      ["end", body],
    ]);
  return body;
}

async function* inPieces(bytes) {
  for (let at = 0; at < bytes.length; at += 50) yield bytes.subarray(at, at + 50);
}

const backup = {
  name: "backup",
  codes: ["backup_foreign", "backup_future", "backup_damaged", "store_damaged", "store_foreign", "store_future"],
  dictionary: [
    "POSTERN BACKUP\0\0",
    Buffer.from("0001", "hex"),
    Buffer.from("ffffffff", "hex"),
    Buffer.of(3, 0, 0, 0, 16),
  ],
  seeds: [
    Buffer.concat([Buffer.of(0), sound]),
    Buffer.concat([Buffer.of(0), sound.subarray(0, 300)]),
    Buffer.concat([Buffer.of(1), entries]),
    Buffer.concat([Buffer.of(2), end]),
    "",
  ],
  maxLength: 2000,
  async run(input) {
    if (++opened % COLLECT_EVERY === 0) globalThis.gc?.();
    const sealedBackup = await findBackup(inPieces(fileOf(input)), cheap);
    const open = await unsealBackup(sealedBackup, password);
    const filled = createMemoryStorage();
    try {
      await fillFromBackup(filled, open);
    } finally {
      open.seals.wipe();
      open.keyrings.wipe();
    }
    // One that an earlier run kept is whole too, and of the store that was drawn then.
    if (open.head.storeId !== barrier.storeId) return;
    const restored = await dump(filled);
    must(restored.length === stored.length, "a backup that is taken has every record");
    must(
      restored.every(({ key, value }, index) => key.equals(stored[index].key) && value.equals(stored[index].value)),
      "and each as it was stored",
    );
  },
};

export const targets = [backup];
