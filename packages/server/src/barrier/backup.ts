import { sodium } from "@postern/shared/sodium";
import type { ReadTransaction, Storage } from "../storage/storage.js";
import {
  BACKUP_SALT_BYTES,
  BackupSeals,
  type BackupTotals,
  encodeEnd,
  encodeEntry,
  encodeHead,
  encodePreamble,
  encodeSectionHead,
  SECTION_BYTES,
  type SectionKind,
} from "./backup-format.js";
import { parseHeader } from "./header.js";
import type { KeyringStore } from "./keyring-store.js";
import { openRecord } from "./sealed-transaction.js";
import { recordRange } from "./storage-keys.js";
import { getHeader } from "./stored-header.js";

/** Records that are read at once: what a backup holds in memory, and a section. */
const PAGE = 256;

export interface BackupTarget {
  /** When it is made; milliseconds since 1970. */
  readonly time: number;
  /** Takes the bytes one after another. Waits for as long as it must: the snapshot stays. */
  readonly write: (bytes: Buffer) => Promise<void>;
  /** Hears how many records are written. */
  readonly onRecords?: ((records: number) => void) | undefined;
}

/**
 * Writes everything, as it is stored, of one snapshot. Each record is opened first, and forgotten again: a backup that
 * is whole holds nothing that does not open.
 * @throws PosternError `store_damaged` naming the key of a record that does not open; what `write` throws
 */
export function writeBackup(storage: Storage, keyrings: KeyringStore, target: BackupTarget): Promise<BackupTotals> {
  return storage.read(async (tx) => {
    const { ring, sealed: keyring } = await keyrings.currentSealed(tx);
    const header = await getHeader(tx);
    parseHeader(header, keyrings.floor);
    const salt = Buffer.alloc(BACKUP_SALT_BYTES);
    sodium.randombytes_buf(salt);
    const seals = new BackupSeals(keyrings.backupKey(ring.storeId, salt));
    const section = async (kind: SectionKind, body: Buffer) => {
      await target.write(encodeSectionHead(kind, body.length));
      await target.write(body);
      await target.write(seals.next(kind, body));
    };
    try {
      await target.write(encodePreamble());
      await section("head", encodeHead({ storeId: ring.storeId, time: target.time, salt, header, keyring }));
      const totals = await writeEntries(tx, keyrings, target, (body) => section("entries", body));
      await section("end", encodeEnd(totals));
      return totals;
    } finally {
      seals.wipe();
    }
  });
}

async function writeEntries(
  tx: ReadTransaction,
  keyrings: KeyringStore,
  { onRecords }: BackupTarget,
  write: (body: Buffer) => Promise<void>,
): Promise<BackupTotals> {
  const totals = { entries: 0, bytes: 0 };
  let waiting: Buffer[] = [];
  let size = 0;
  const flush = async () => {
    if (size > 0) await write(Buffer.concat(waiting, size));
    waiting = [];
    size = 0;
    onRecords?.(totals.entries);
  };
  const range = recordRange({ limit: PAGE });
  for (let from: Uint8Array | undefined = range.from; from !== undefined; ) {
    const entries = await tx.scan({ ...range, from });
    for (const entry of entries) {
      (await openRecord(tx, keyrings, entry)).fill(0);
      const encoded = encodeEntry(entry);
      waiting.push(encoded);
      size += encoded.length;
      totals.entries++;
      totals.bytes += entry.key.length + entry.value.length;
      if (size >= SECTION_BYTES) await flush();
    }
    const last = entries.length < PAGE ? undefined : entries.at(-1);
    from = last && Buffer.concat([last.key, Buffer.of(0)]);
  }
  await flush();
  return totals;
}
