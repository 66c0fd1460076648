import { describe, expect, it } from "vitest";
import { getAnchor, putAnchor, signAnchor } from "../../src/records/audit-anchor.js";
import { newKeyPair } from "../../src/records/audit-signature.js";
import { idBytes, indexBytes, type RecordKind, recordKey, recordRange } from "../../src/records/keys.js";
import { exportAudit, takeCheckpoint } from "../../src/services/audit-export.js";
import { auditKeyOf } from "../../src/services/audit-key.js";
import { verifyExport } from "../../src/services/audit-offline.js";
import { keepAuditFor, planPruning, pruneAudit } from "../../src/services/audit-retention.js";
import { auditTrail, verifyTrail } from "../../src/services/audit-trail.js";
import { createMemoryStorage } from "../../src/storage/memory.js";
import { Cut, cuttable } from "../barrier/support.js";
import {
  bytesOf,
  DAY,
  exported,
  HOUR,
  keyOf,
  type Log,
  lengthOf,
  NOW,
  newLog,
  reopened,
  stored,
  write,
  writeLogins,
} from "./audit-support.js";

const damaged = { code: "audit_damaged" };

const anchorKey = ({ node }: Log) => stored(recordKey("auditAnchor", idBytes(node)));

async function countOf({ barrier }: Log, kind: RecordKind): Promise<number> {
  return (await barrier.read((tx) => tx.scan(recordRange(kind)))).length;
}

/** Entries 0 to 48: one at NOW, then one an hour, two days long; of which all before the index `kept` go. */
async function prunedLog(kept = 30, log?: Log): Promise<Log> {
  const made = log ?? (await newLog());
  await writeLogins(made, 48);
  await pruneAudit(made, await planPruning(made, NOW + (kept - 1) * HOUR), 7);
  return made;
}

describe("retention", () => {
  it("removes what is older, with its personal fields, and the rest holds, live and exported", async () => {
    const log = await prunedLog(30);
    // The event of the pruning is entry 49.
    expect(await verifyTrail(log.barrier)).toMatchObject({ ok: true, first: 30, length: 50 });
    expect([await countOf(log, "auditEntry"), await countOf(log, "auditFields")]).toEqual([20, 19]);
    const judged = await verifyExport(bytesOf(await exported(log)), { publicKey: await keyOf(log) });
    expect(judged).toMatchObject({ ok: true, entries: 20, erased: 0 });
  });

  it("is itself on record, and the log goes on from there", async () => {
    const log = await prunedLog(30);
    const rows: object[] = [];
    for await (const row of auditTrail(log.barrier, 1000)) rows.push(row);
    expect(rows[0]).toMatchObject({ index: 30 });
    expect(rows.at(-1)).toMatchObject({ index: 49, event: "audit.prune", outcome: "done", reason: "before_30" });
    await writeLogins(log, 2);
    expect(await verifyTrail(log.barrier)).toMatchObject({ ok: true, length: 52 });
  });

  it("again goes on from its anchor", async () => {
    const log = await prunedLog(10);
    log.time = NOW + 3 * DAY;
    expect(await keepAuditFor(log, 2 * DAY)).toBe(15);
    expect(await keepAuditFor(log, 2 * DAY)).toBe(0);
    expect(await verifyTrail(log.barrier)).toMatchObject({ ok: true, first: 25, length: 51 });
  });

  it("never removes the newest entry, however old it is", async () => {
    const log = await newLog();
    log.time += 1000 * DAY;
    expect(await keepAuditFor(log, DAY)).toBe(0);
    await write(log);
    log.time += 1000 * DAY;
    expect(await keepAuditFor(log, DAY)).toBe(1);
    expect(await verifyTrail(log.barrier)).toMatchObject({ ok: true, first: 1, length: 3 });
  });

  it("keeps what stands behind an entry that is not old enough, where a clock ran ahead", async () => {
    const log = await newLog();
    await write(log, { time: NOW + 100 * DAY });
    await write(log, { time: NOW });
    await write(log, { time: NOW });
    expect(await planPruning(log, NOW + DAY)).toMatchObject([{ node: log.node, before: 1, count: 1 }]);
  });

  it("of several processes at once removes each entry once", async () => {
    const log = await newLog();
    await writeLogins(log, 40);
    const plan = await planPruning(log, NOW + DAY);
    const other = await reopened(log);
    const removed = await Promise.all([pruneAudit(log, plan, 5), pruneAudit(other, plan, 3)]);
    expect(removed[0] + removed[1]).toBe(24 + 1);
    expect(await verifyTrail(log.barrier)).toMatchObject({ ok: true, first: 25 });
  });

  it("that was cut short at any step leaves a log that holds, and goes on", async () => {
    const storage = cuttable(createMemoryStorage());
    const log = await newLog(storage);
    await writeLogins(log, 12);
    for (let step = 1, cut = true; cut; step += 3) {
      storage.arm(step);
      cut = await keepAuditFor(log, HOUR).then(
        () => false,
        (thrown: unknown) => {
          if (thrown instanceof Cut) return true;
          throw thrown;
        },
      );
      storage.arm(Number.POSITIVE_INFINITY);
      expect(await verifyTrail(log.barrier)).toMatchObject({ ok: true });
    }
    expect(await verifyTrail(log.barrier)).toMatchObject({ ok: true, first: 12 });
  });

  it("does not remove what was damaged: that would be gone as evidence", async () => {
    for (const index of [0, 5, 11]) {
      const log = await newLog();
      await writeLogins(log, 20);
      const key = stored(recordKey("auditEntry", idBytes(log.node), indexBytes(index)));
      const plan = await planPruning(log, NOW + 11 * HOUR);
      expect(plan).toMatchObject([{ count: 12 }]);
      await log.storage.transact((tx) => tx.put(key, Buffer.alloc(80)));
      await expect(pruneAudit(log, plan)).rejects.toMatchObject(damaged);
      expect(await lengthOf(log)).toBe(21);
      expect(await log.barrier.read((tx) => getAnchor(tx, log.node))).toBe(undefined);
      expect(await verifyTrail(log.barrier)).toMatchObject({ ok: false, firstBad: index });
    }
  });

  it("goes on while the log is verified, and an export that it overtakes says so", async () => {
    const log = await newLog();
    await writeLogins(log, 600);
    const plan = await planPruning(log, NOW + 400 * HOUR);
    const [, verdict] = await Promise.all([pruneAudit(log, plan), verifyTrail(log.barrier)]);
    expect(verdict).toMatchObject({ ok: true });
    const more = await planPruning(log, NOW + 590 * HOUR);
    const pieces = exportAudit(log);
    await pieces.next();
    await pruneAudit(log, more);
    await expect(pieces.next()).rejects.toMatchObject({ code: "busy" });
  });
});

describe("attack 45: the anchor of a pruned log", () => {
  it("that is gone, is found", async () => {
    const log = await prunedLog();
    await log.storage.transact((tx) => tx.delete(anchorKey(log)));
    expect(await verifyTrail(log.barrier)).toMatchObject({ ok: false, firstBad: 0, why: "missing" });
  });

  it("that is an earlier one, is found: entries are missing behind it", async () => {
    const log = await prunedLog(10);
    const earlier = await log.storage.read((tx) => tx.get(anchorKey(log)));
    await pruneAudit(log, await planPruning(log, NOW + 19 * HOUR));
    await log.storage.transact((tx) => tx.put(anchorKey(log), earlier ?? Buffer.alloc(0)));
    expect(await verifyTrail(log.barrier)).toMatchObject({ ok: false, firstBad: 10, why: "missing" });
  });

  it("that is too late, is found: entries stand before it", async () => {
    const log = await newLog();
    await writeLogins(log, 48);
    const key = stored(recordKey("auditEntry", idBytes(log.node), indexBytes(4)));
    const entry = await log.storage.read((tx) => tx.get(key));
    await pruneAudit(log, await planPruning(log, NOW + 19 * HOUR));
    await log.storage.transact((tx) => tx.put(key, entry ?? Buffer.alloc(0)));
    await expect(verifyTrail(log.barrier)).rejects.toMatchObject(damaged);
    await expect(takeCheckpoint(log)).rejects.toMatchObject(damaged);
  });

  it("that was signed for another entry, time, chain or store, or by another key, is found", async () => {
    const log = await prunedLog();
    const anchor = await log.barrier.read((tx) => getAnchor(tx, log.node));
    if (anchor === undefined) throw new Error("there is no anchor");
    const key = await auditKeyOf(log);
    const chain = { store: log.barrier.storeId, node: log.node };
    const forged = [
      { ...anchor, first: anchor.first + 1 },
      { ...anchor, time: anchor.time + 1 },
      { ...anchor, prev: "0".repeat(64) },
      signAnchor(key, { ...chain, node: `nod_${"0".repeat(32)}` }, anchor),
      signAnchor(key, { ...chain, store: "0".repeat(32) }, anchor),
      signAnchor({ ...newKeyPair(), createdAt: 0 }, chain, anchor),
    ];
    for (const one of forged) {
      await log.barrier.transact((tx) => putAnchor(tx, log.node, one));
      await expect(verifyTrail(log.barrier)).rejects.toMatchObject(damaged);
      await expect(keepAuditFor(log, HOUR)).rejects.toMatchObject(damaged);
    }
    await log.barrier.transact((tx) => putAnchor(tx, log.node, signAnchor(key, chain, anchor)));
    expect(await verifyTrail(log.barrier)).toMatchObject({ ok: true });
  });

  it("whose key is gone, is found, and no other key takes its place", async () => {
    const log = await prunedLog();
    await log.storage.transact((tx) => tx.delete(stored(recordKey("auditKey"))));
    await expect(verifyTrail(log.barrier)).rejects.toMatchObject(damaged);
    await expect(auditKeyOf(log)).rejects.toMatchObject(damaged);
  });

  it("is held against a checkpoint from before: one that it has swallowed tells nothing, and that is said", async () => {
    const log = await newLog();
    const first = await takeCheckpoint(log);
    await writeLogins(log, 40);
    const later = await takeCheckpoint(log);
    await pruneAudit(log, await planPruning(log, NOW + 20 * HOUR));
    expect(await verifyTrail(log.barrier, { checkpoint: later })).toMatchObject({ ok: true });
    await expect(verifyTrail(log.barrier, { checkpoint: first })).rejects.toMatchObject({ code: "usage" });
  });
});
