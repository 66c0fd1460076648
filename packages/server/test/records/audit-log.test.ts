import { randomBytes } from "node:crypto";
import { newId } from "@postern/shared/ids";
import { describe, expect, it, onTestFinished } from "vitest";
import { type Barrier, createBarrier } from "../../src/barrier/barrier.js";
import { type ChainVerdict, entryText } from "../../src/records/audit-chain.js";
import { appendAudit, auditHead, beginAudit, readAudit } from "../../src/records/audit-log.js";
import { BLOCK } from "../../src/records/audit-stored.js";
import { verifyAudit } from "../../src/records/audit-verify.js";
import { idBytes, indexBytes, recordKey } from "../../src/records/keys.js";
import { createMemoryStorage } from "../../src/storage/memory.js";
import type { Storage } from "../../src/storage/storage.js";
import { cheap, password } from "../barrier/support.js";
import { pack } from "./support.js";

interface Log {
  readonly storage: Storage;
  readonly barrier: Barrier;
  readonly node: string;
}

/** A log of so many entries, each with a name. */
async function logOf(length: number): Promise<Log> {
  const storage = createMemoryStorage();
  const barrier = await createBarrier(storage, password, cheap);
  onTestFinished(() => barrier.close());
  const log = { storage, barrier, node: newId("node", randomBytes) };
  await barrier.transact((tx) => beginAudit(tx, log.node));
  for (let index = 0; index < length; index++) await append(log);
  return log;
}

async function append({ barrier, node }: Log, salt = randomBytes(32)): Promise<number> {
  const event = { event: "login", outcome: "granted", time: 1, personal: { name: "alice" } } as const;
  const { index } = await barrier.transact((tx) => appendAudit(tx, node, event, () => salt));
  return index;
}

const verify = ({ barrier, node }: Log): Promise<ChainVerdict> =>
  verifyAudit((fn) => barrier.read(fn), { store: barrier.storeId, node }, { pageSize: 2 });

/** Where the barrier keeps a record: callers' keys stand behind one byte. */
const stored = (key: Buffer) => Buffer.concat([Buffer.of(1), key]);
const headKey = ({ node }: Log) => stored(recordKey("auditHead", idBytes(node)));
type Part = "auditEntry" | "auditFields";
const recordOf = ({ node }: Log, part: Part, index: number) => recordKey(part, idBytes(node), indexBytes(index));
const entryKey = (log: Log, part: Part, index: number) => stored(recordOf(log, part, index));

/** Flips the last bit of a sealed value, as whoever can write the storage does. */
async function flip({ storage }: Log, key: Buffer): Promise<void> {
  await storage.transact(async (tx) => {
    const envelope = await tx.get(key);
    if (envelope === undefined) throw new Error("nothing stands there");
    envelope.writeUInt8(envelope.readUInt8(envelope.length - 1) ^ 1, envelope.length - 1);
    await tx.put(key, envelope);
  });
}

const damaged = { code: "audit_damaged" };

describe("attack 45: the head of the audit chain", () => {
  it("that was taken away is found, and nothing is written over the entries", async () => {
    const log = await logOf(3);
    await log.storage.transact((tx) => tx.delete(headKey(log)));
    await expect(verify(log)).rejects.toMatchObject(damaged);
    await expect(append(log)).rejects.toMatchObject(damaged);
    const rows = await log.barrier.read((tx) => readAudit(tx, log.node, { from: 0, to: 3 }));
    expect(rows).toMatchObject([{ index: 0, event: "login" }, { index: 1 }, { index: 2 }]);
  });

  it("that was put back to an older one is found, and nothing is written over the entries", async () => {
    const log = await logOf(3);
    const older = await log.storage.read((tx) => tx.get(headKey(log)));
    await append(log);
    await append(log);
    const before = await log.storage.read((tx) => tx.get(entryKey(log, "auditEntry", 3)));
    await log.storage.transact((tx) => tx.put(headKey(log), older ?? Buffer.alloc(0)));
    await expect(verify(log)).rejects.toMatchObject(damaged);
    await expect(append(log)).rejects.toMatchObject(damaged);
    expect(await log.storage.read((tx) => tx.get(entryKey(log, "auditEntry", 3)))).toEqual(before);
  });

  it("of a chain without entries holds, and one that was never begun takes none", async () => {
    const log = await logOf(0);
    expect(await verify(log)).toEqual({ ok: true, first: 0, length: 0 });
    const other = { ...log, node: newId("node", randomBytes) };
    await expect(append(other)).rejects.toMatchObject(damaged);
  });

  it("tells the length: appends go on from it", async () => {
    const log = await logOf(2);
    expect(await append(log)).toBe(2);
    expect(await log.barrier.read((tx) => auditHead(tx, log.node))).toMatchObject({ length: 3 });
    expect(await verify(log)).toEqual({ ok: true, first: 0, length: 3 });
  });
});

describe("attack 45: an entry whose sealed bytes were changed", () => {
  it.each(["auditEntry", "auditFields"] as const)("(%s) is named, and the others can still be read", async (kind) => {
    const log = await logOf(5);
    await flip(log, entryKey(log, kind, 2));
    expect(await verify(log)).toMatchObject({ ok: false, firstBad: 2 });
    const rows = await log.barrier.read((tx) => readAudit(tx, log.node, { from: 0, to: 5 }));
    expect(rows[2]).toEqual({ index: 2, damaged: true });
    expect(rows.filter((row) => "event" in row)).toHaveLength(4);
  });
});

describe("promise 2, 10: the size of an entry and of its fields", () => {
  const known = { account: newId("account"), personal: { name: "a".repeat(64) } };
  const unknown = { personal: { name: "unknown:0123456789ab" } };
  type Refusal = { reason: string; account?: string; device?: string; personal: { name: string } };
  /** Every reason that `login.password` is refused for. */
  const refusals: Refusal[] = [
    ...["wrong_password", "account_changed", "channel_mismatch", "throttled", "busy"].flatMap((reason) => [
      { ...known, reason },
      { ...known, reason, device: newId("device") },
    ]),
    ...["unknown_name", "throttled", "busy"].map((reason) => ({ ...unknown, reason })),
  ];

  async function sizesOf(refusal: Refusal): Promise<object> {
    const log = await logOf(0);
    const address = "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff";
    const personal = { ...refusal.personal, address, client: `${"字".repeat(64)} ${"字".repeat(32)}` };
    const event = { event: "login.password", outcome: "refused", time: 1_764_000_000_000 } as const;
    const told = { ...event, ...refusal, personal };
    await log.barrier.transact((tx) => appendAudit(tx, log.node, told, randomBytes));
    expect(await verify(log)).toMatchObject({ ok: true, length: 1 });
    expect(await log.barrier.read((tx) => readAudit(tx, log.node, { from: 0, to: 1 }))).toMatchObject([told]);
    const sizeOf = (part: Part) => log.storage.read(async (tx) => (await tx.get(entryKey(log, part, 0)))?.length ?? 0);
    return { entry: await sizeOf("auditEntry"), fields: await sizeOf("auditFields") };
  }

  it("is the same for a refusal of a known and of an unknown name, for whatever reason", async () => {
    const sizes = new Set<string>();
    for (const refusal of refusals) sizes.add(JSON.stringify(await sizesOf(refusal)));
    expect(sizes.size).toBe(1);
  });

  it("is one block for all of them, however long the log is by then", () => {
    const time = 9_999_999_999_999;
    const place = { index: 999_999_999_999, prev: "0".repeat(64), time, event: "login.password" } as const;
    const commitments = { name: "0".repeat(64), address: "0".repeat(64), client: "0".repeat(64) };
    for (const { personal: _apart, ...refusal } of refusals) {
      const text = entryText({ ...place, outcome: "refused", ...refusal, commitments });
      expect(text.length, refusal.reason).toBeLessThanOrEqual(BLOCK);
    }
  });

  it("does not matter where they are not padded, as they were before: entry and fields are read, and verify", async () => {
    const log = await logOf(0);
    const salt = Buffer.alloc(32, 1);
    const index = await append(log, salt);
    const padded = await log.barrier.read((tx) => tx.get(recordOf(log, "auditEntry", index)));
    const bare = Buffer.from(padded?.toString("utf8").trimEnd() ?? "");
    expect(bare.length).toBeLessThan(padded?.length ?? 0);
    await log.barrier.transact(async (tx) => {
      await tx.put(recordOf(log, "auditEntry", index), bare);
      await tx.put(recordOf(log, "auditFields", index), pack([1, { name: { value: "alice", salt } }]));
    });
    expect(await verify(log)).toEqual({ ok: true, first: 0, length: 1 });
    const rows = await log.barrier.read((tx) => readAudit(tx, log.node, { from: 0, to: 1 }));
    expect(rows).toMatchObject([{ event: "login", personal: { name: "alice" } }]);
  });
});
