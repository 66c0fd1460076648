import { randomBytes } from "node:crypto";
import { onTestFinished } from "vitest";
import { createBarrier } from "../../src/barrier/barrier.js";
import { type AuditEvent, appendAudit, auditHead } from "../../src/records/audit-log.js";
import { formatPublicKey } from "../../src/records/audit-signature.js";
import { parseNodeName } from "../../src/records/node.js";
import { exportAudit } from "../../src/services/audit-export.js";
import { auditKeyOf } from "../../src/services/audit-key.js";
import type { AuditContext } from "../../src/services/context.js";
import { joinNode } from "../../src/services/nodes.js";
import { initialiseStore, readSettings } from "../../src/services/store.js";
import { createMemoryStorage } from "../../src/storage/memory.js";
import type { Storage } from "../../src/storage/storage.js";
import { cheap, open, password } from "../barrier/support.js";

export const NOW = Date.parse("2026-11-21T12:00:00Z");
export const HOUR = 3_600_000;
export const DAY = 24 * HOUR;

/** A store with its log, and a clock that stands still until it is set. */
export interface Log extends AuditContext {
  readonly storage: Storage;
  time: number;
}

/** A new store whose log has only its first entry, `store.create`. */
export async function newLog(storage: Storage = createMemoryStorage()): Promise<Log> {
  const barrier = await createBarrier(storage, password, cheap);
  onTestFinished(() => barrier.close());
  const log = { storage, barrier, time: NOW, random: randomBytes, now: () => log.time };
  await initialiseStore(barrier, log, ["localhost"]);
  const { node } = await readSettings(barrier);
  return Object.assign(log, { node });
}

/** The same store as another process has it, or this one after a restart. */
export async function reopened(log: Log): Promise<Log> {
  const barrier = await open(log.storage);
  onTestFinished(() => barrier.close());
  return { ...log, barrier };
}

/** The same log as a node of this name writes it, by the same clock. */
export async function asNode(log: Log, name: string): Promise<Log> {
  const node = await joinNode(log.barrier, log, parseNodeName(name));
  return Object.assign(Object.create(log) as Log, { node });
}

export const account = (number: number) => `acc_${String(number).padStart(32, "0")}`;

export function write(log: Log, event: Partial<AuditEvent> = {}): Promise<number> {
  const whole = { event: "login", outcome: "granted", time: log.time, ...event } as const;
  return log.barrier.transact(async (tx) => (await appendAudit(tx, log.node, whole, randomBytes)).index);
}

/** So many logins of alice, an hour apart. */
export async function writeLogins(log: Log, count: number): Promise<void> {
  const personal = { name: "alice", address: "127.0.0.1", client: "postern 0.1.0" };
  for (let index = 0; index < count; index++) {
    await write(log, { account: account(1), session: `ses_${index}`, device: "dev_1", personal });
    log.time += HOUR;
  }
}

export async function lengthOf({ barrier, node }: Log): Promise<number> {
  return (await barrier.read((tx) => auditHead(tx, node))).length;
}

export async function keyOf(log: Log) {
  return formatPublicKey((await auditKeyOf(log)).publicKey);
}

/** The whole export as a text. */
export async function exported(log: Log): Promise<string> {
  let text = "";
  for await (const piece of exportAudit(log)) text += piece;
  return text;
}

/** A text as a file gives it, in pieces of so many bytes. */
export async function* bytesOf(text: string | Buffer, size = 65_536): AsyncGenerator<Buffer> {
  const bytes = Buffer.from(text);
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

/** Where the barrier keeps a record: callers' keys stand behind one byte. */
export const stored = (key: Buffer): Buffer => Buffer.concat([Buffer.of(1), key]);
