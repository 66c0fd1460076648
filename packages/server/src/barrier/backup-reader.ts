import type { Entry, Storage } from "../storage/storage.js";
import { offeredPassword, type Stretch } from "./admin-password.js";
import {
  type BackupHead,
  BackupSeals,
  type BackupTotals,
  checkPreamble,
  damaged,
  isEndOf,
  PREAMBLE_BYTES,
  parseEntries,
  parseHead,
  parseSectionHead,
  SEAL_BYTES,
  SECTION_HEAD_BYTES,
  type SectionKind,
} from "./backup-format.js";
import { deriveBackupKey } from "./derive.js";
import { parseHeader } from "./header.js";
import { KeyringStore, openKeyring } from "./keyring-store.js";
import { unwrapRootKey } from "./root-key.js";
import { openWithRing } from "./sealed-transaction.js";
import { handingOver, type SecureBuffer, withSecret } from "./secure-buffer.js";
import { HEADER_KEY, isRecordKey, KEYRING_KEY } from "./storage-keys.js";
import { refuseUnlessEmpty } from "./stored-header.js";

/** A backup as far as one can read it without its password: that much is what it says of itself. */
export interface SealedBackup {
  readonly head: BackupHead;
  /** Whose body `head` is, and its seal. */
  readonly sealedHead: Section;
  readonly sections: AsyncGenerator<Section, void>;
  readonly floor: Stretch;
}

/** A backup that was opened: its head is as it was written. */
export interface OpenBackup {
  readonly head: BackupHead;
  readonly sections: AsyncGenerator<Section, void>;
  readonly seals: BackupSeals;
  readonly keyrings: KeyringStore;
}

interface Section {
  readonly kind: SectionKind;
  readonly body: Buffer;
  readonly seal: Buffer;
  /** Where it begins, in bytes. */
  readonly at: number;
}

/**
 * Reads a backup up to where a password is needed.
 * @throws PosternError `backup_foreign`, `backup_future`, `backup_damaged`; `store_damaged`, `store_future` for the
 *   store's header in it
 */
export async function readBackup(source: AsyncIterable<Uint8Array>, floor: Stretch): Promise<SealedBackup> {
  const sections = sectionsOf(source);
  const first = await sections.next();
  if (first.done === true || first.value.kind !== "head") throw damaged("it does not begin with its head");
  const head = parseHead(first.value.body);
  if (head === undefined) throw damaged("its head does not have its form");
  parseHeader(head.header, floor);
  return { head, sealedHead: first.value, sections, floor };
}

/**
 * Opens it with the admin password that the store had when the backup was made. A wrong one may be followed by another.
 * @throws PosternError `admin_password_wrong`; `backup_damaged` when the head is not as it was written
 */
export async function unsealBackup(backup: SealedBackup, password: Uint8Array): Promise<OpenBackup> {
  const { head, sealedHead, sections, floor } = backup;
  const unwrapped = await withSecret(offeredPassword(password), (secret) => unwrapRootKey(head.header, secret, floor));
  return handingOver(unwrapped, async (rootKey) => {
    const seals = new BackupSeals(deriveBackupKey(rootKey, head.storeId, head.salt));
    try {
      checkSeal(seals, sealedHead);
      return { head, sections, seals, keyrings: new KeyringStore(rootKey, openedKeyring(head, rootKey), floor) };
    } catch (thrown) {
      seals.wipe();
      throw thrown;
    }
  });
}

/**
 * Puts all of it into an empty storage, a section a transaction, header and keyring last: until then it is no store.
 * Every record is opened on the way.
 * @throws PosternError `backup_damaged`, which names the place; `store_exists` and its kin
 */
export async function fillFromBackup(
  storage: Storage,
  backup: OpenBackup,
  onBytes?: (bytes: number) => void,
): Promise<BackupTotals> {
  const { head, sections, seals, keyrings } = backup;
  await storage.read(refuseUnlessEmpty);
  const totals = { entries: 0, bytes: 0 };
  let last: Buffer | undefined;
  let ended = false;
  for await (const section of sections) {
    checkSeal(seals, section);
    if (section.kind === "end") {
      if (!isEndOf(section.body, totals)) throw damaged("its counts do not add up");
      ended = true;
      continue;
    }
    const entries = section.kind === "entries" ? parseEntries(section.body) : undefined;
    if (entries === undefined || ended) throw damaged(`what stands at byte ${section.at} does not have its form`);
    for (const entry of entries) {
      checkEntry(keyrings, entry, last);
      last = entry.key;
      totals.entries++;
      totals.bytes += entry.key.length + entry.value.length;
    }
    await storage.transact(async (tx) => {
      for (const { key, value } of entries) await tx.put(key, value);
    });
    onBytes?.(section.at + section.body.length);
  }
  if (!ended) throw damaged("its end is missing");
  await storage.transact(async (tx) => {
    await tx.put(HEADER_KEY, head.header);
    await tx.put(KEYRING_KEY, head.keyring);
  });
  return totals;
}

function openedKeyring({ storeId, keyring }: BackupHead, rootKey: SecureBuffer): ReturnType<typeof openKeyring> {
  const opened = openKeyring(keyring, rootKey);
  if (opened.ring.storeId !== storeId) throw damaged("its head names another store than its keyring");
  return opened;
}

function checkSeal(seals: BackupSeals, { kind, body, seal, at }: Section): void {
  if (seals.next(kind, body).equals(seal)) return;
  const end = at + SECTION_HEAD_BYTES + body.length + SEAL_BYTES;
  throw damaged(`what stands at bytes ${at} to ${end} is not what was written there`);
}

function checkEntry(keyrings: KeyringStore, entry: Entry, last: Buffer | undefined): void {
  const name = entry.key.toString("hex");
  const inOrder = last === undefined || Buffer.compare(last, entry.key) < 0;
  if (!inOrder || !isRecordKey(entry.key)) throw damaged(`the key ${name} is not in its place`);
  const plaintext = openWithRing(keyrings.remembered, entry);
  if (plaintext === undefined) throw damaged(`the record at key ${name} does not open`);
  plaintext.fill(0);
}

/** Cuts the bytes into sections, of which one at a time is in memory. */
async function* sectionsOf(source: AsyncIterable<Uint8Array>): AsyncGenerator<Section, void> {
  const bytes = new Bytes(source);
  checkPreamble(await bytes.upTo(PREAMBLE_BYTES));
  for (let ended = false; !ended; ) {
    const at = bytes.position;
    const head = parseSectionHead(await bytes.exactly(SECTION_HEAD_BYTES));
    if (head === undefined) throw damaged(`what stands at byte ${at} does not have its form`);
    const body = await bytes.exactly(head.length);
    const seal = await bytes.exactly(SEAL_BYTES);
    ended = head.kind === "end";
    yield { kind: head.kind, body, seal, at };
  }
  const end = bytes.position;
  if ((await bytes.upTo(1)).length > 0) throw damaged(`there is more behind its end at byte ${end}`);
}

/** A stream, a given number of bytes at a time. */
class Bytes {
  readonly #source: AsyncIterator<Uint8Array>;
  #waiting: Buffer[] = [];
  #held = 0;
  position = 0;

  constructor(source: AsyncIterable<Uint8Array>) {
    this.#source = source[Symbol.asyncIterator]();
  }

  async exactly(size: number): Promise<Buffer> {
    const bytes = await this.upTo(size);
    if (bytes.length < size) throw damaged(`it ends at byte ${this.position}, in the middle`);
    return bytes;
  }

  /** Fewer at the end only. Nothing is set aside for what has not come. */
  async upTo(size: number): Promise<Buffer> {
    while (this.#held < size) {
      const next = await this.#source.next();
      if (next.done === true) break;
      this.#waiting.push(Buffer.from(next.value));
      this.#held += next.value.length;
    }
    const all = Buffer.concat(this.#waiting, this.#held);
    const taken = all.subarray(0, size);
    this.#waiting = [all.subarray(taken.length)];
    this.#held = all.length - taken.length;
    this.position += taken.length;
    return taken;
  }
}
