import { parseName } from "@postern/shared/names/name";
import { describe, expect, it } from "vitest";
import { idBytes, indexBytes, recordKey } from "../../src/records/keys.js";
import { takeCheckpoint } from "../../src/services/audit-export.js";
import type { AuditFilter } from "../../src/services/audit-filter.js";
import { auditKeyOf } from "../../src/services/audit-key.js";
import { auditTrail, verifyTrail } from "../../src/services/audit-trail.js";
import { dump, storageOf } from "../barrier/support.js";
import {
  account,
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

async function indices(log: Log, filter: AuditFilter, limit = 1000): Promise<number[]> {
  const found: number[] = [];
  for await (const { index } of auditTrail(log.barrier, limit, filter)) found.push(index);
  return found;
}

/** alice: 1, 3; bob: 2, 6; nobody's: 0, 5; entry 4 is of alice's account and has no name. An hour apart. */
async function mixed(): Promise<Log> {
  const log = await newLog();
  const alice = { account: account(1), personal: { name: "alice", address: "127.0.0.1" } };
  const bob = { account: account(2), personal: { name: "bob" } };
  const events = [
    { ...alice, event: "register", outcome: "done" },
    { ...bob, event: "register", outcome: "done" },
    { ...alice, event: "login", outcome: "granted" },
    { account: account(1), event: "account.disable", outcome: "done" },
    { event: "login.password", outcome: "refused", personal: { name: "unknown:000000000000" } },
    { ...bob, event: "login.code", outcome: "refused" },
  ] as const;
  for (const event of events) {
    log.time += HOUR;
    await write(log, event);
  }
  return log;
}

describe("audit list, filtered", () => {
  it("by account", async () => {
    const log = await mixed();
    expect(await indices(log, { user: { account: account(1) } })).toEqual([1, 3, 4]);
    expect(await indices(log, { user: { account: account(9) } })).toEqual([]);
  });

  it("by name, and by the account that its entries tell of", async () => {
    const log = await mixed();
    expect(await indices(log, { user: { name: parseName("Alice") } })).toEqual([1, 3, 4]);
    expect(await indices(log, { user: { name: parseName("bob") } })).toEqual([2, 6]);
    expect(await indices(log, { user: { name: parseName("carol") } })).toEqual([]);
  });

  it("by events, exactly or by pattern, which is nothing but a pattern of names", async () => {
    const log = await mixed();
    expect(await indices(log, { events: ["login"] })).toEqual([3]);
    expect(await indices(log, { events: ["login.*"] })).toEqual([5, 6]);
    expect(await indices(log, { events: ["*in*", "register"] })).toEqual([1, 2, 3, 5, 6]);
    expect(await indices(log, { events: ["loginxcode", "login.cod"] })).toEqual([]);
    expect(await indices(log, { events: ["*"] })).toEqual([0, 1, 2, 3, 4, 5, 6]);
  });

  it("by time: from `since` on, and before `until`", async () => {
    const log = await mixed();
    expect(await indices(log, { since: NOW + 2 * HOUR, until: NOW + 4 * HOUR })).toEqual([2, 3]);
    expect(await indices(log, { until: NOW + 1 })).toEqual([0]);
  });

  it("by application, and by whom it means: exactly, and apart from people's names", async () => {
    const log = await mixed();
    const [shop, other] = [`app_${"1".repeat(32)}`, `app_${"2".repeat(32)}`] as const;
    await write(log, { event: "otp.verify", application: shop, personal: { subject: "alice" } });
    await write(log, { event: "otp.verify", application: other, personal: { subject: "alice" } });
    await write(log, { event: "otp.verify", application: shop, personal: { subject: "Alice" } });
    expect(await indices(log, { application: shop })).toEqual([7, 9]);
    expect(await indices(log, { subject: "alice" })).toEqual([7, 8]);
    expect(await indices(log, { application: shop, subject: "alice" })).toEqual([7]);
    expect(await indices(log, { user: { name: parseName("alice") } })).toEqual([1, 3, 4]);
  });

  it("by all of these at once, and then the last so many of what passes", async () => {
    const log = await mixed();
    expect(await indices(log, { user: { account: account(1) }, events: ["login", "register"] })).toEqual([1, 3]);
    expect(await indices(log, { user: { account: account(1) } }, 2)).toEqual([3, 4]);
    expect(await indices(log, {}, 2)).toEqual([5, 6]);
  });

  it("over many pages finds the last ones", async () => {
    const log = await newLog();
    for (let count = 0; count < 300; count++) await write(log, { event: count % 100 === 7 ? "rare" : "login" });
    expect(await indices(log, { events: ["rare"] })).toEqual([8, 108, 208]);
    expect(await indices(log, { events: ["rare"] }, 2)).toEqual([108, 208]);
    expect(await indices(log, {}, 300)).toHaveLength(300);
  });

  it("shows a damaged entry whatever is asked for: nobody can say that it is not meant", async () => {
    const log = await mixed();
    const key = stored(recordKey("auditEntry", idBytes(log.node), indexBytes(5)));
    await log.storage.transact((tx) => tx.put(key, Buffer.alloc(80)));
    expect(await indices(log, { events: ["register"] })).toEqual([1, 2, 5]);
  });
});

describe("promise 8: a live log that is held against a checkpoint", () => {
  it("holds when it has grown from there", async () => {
    const log = await newLog();
    const first = await takeCheckpoint(log);
    await writeLogins(log, 3);
    const second = await takeCheckpoint(log);
    for (const checkpoint of [first, second]) {
      expect(await verifyTrail(log.barrier, { checkpoint })).toMatchObject({ ok: true, first: 0, length: 4 });
    }
  });

  it("shows that the whole store was put back, which nothing in the store can show", async () => {
    const log = await newLog();
    await writeLogins(log, 3);
    const older = await dump(log.storage);
    await writeLogins(log, 3);
    const checkpoint = await takeCheckpoint(log);
    const rolledBack = await reopened({ ...log, storage: await storageOf(older) });
    expect(await verifyTrail(rolledBack.barrier)).toMatchObject({ ok: true });
    expect(await verifyTrail(rolledBack.barrier, { checkpoint })).toMatchObject({ ok: false, firstBad: 4 });
    await writeLogins(rolledBack, 4);
    expect(await lengthOf(rolledBack)).toBeGreaterThan(await lengthOf(log));
    expect(await verifyTrail(rolledBack.barrier)).toMatchObject({ ok: true });
    expect(await verifyTrail(rolledBack.barrier, { checkpoint })).toMatchObject({ ok: false, firstBad: 6 });
  });

  it("is refused with one of another store, edited, or signed by another key", async () => {
    const [log, other] = [await newLog(), await newLog()];
    const checkpoint = await takeCheckpoint(log);
    for (const wrong of [await takeCheckpoint(other), { ...checkpoint, time: checkpoint.time + 1 }]) {
      const judged = verifyTrail(log.barrier, { checkpoint: wrong });
      await expect(judged).rejects.toMatchObject({ code: "audit_damaged" });
    }
    expect(await verifyTrail(log.barrier, { checkpoint, publicKey: await keyOf(log) })).toMatchObject({ ok: true });
    const judged = verifyTrail(log.barrier, { publicKey: await keyOf(other) });
    await expect(judged).rejects.toMatchObject({ code: "audit_damaged" });
  });
});

describe("the audit key", () => {
  it("is made with the store, and stays", async () => {
    const log = await newLog();
    const key = await auditKeyOf(log);
    expect(await auditKeyOf(await reopened(log))).toEqual(key);
    expect(await lengthOf(log)).toBe(1);
  });

  it("of a store without one is made when it is first needed, once, and the log tells of it", async () => {
    const log = await newLog();
    await log.storage.transact((tx) => tx.delete(stored(recordKey("auditKey"))));
    const keys = await Promise.all([auditKeyOf(log), auditKeyOf(log), auditKeyOf(await reopened(log))]);
    expect(new Set(keys.map(({ publicKey }) => publicKey.toString("hex"))).size).toBe(1);
    expect(await indices(log, { events: ["audit.key"] })).toEqual([1]);
  });
});
