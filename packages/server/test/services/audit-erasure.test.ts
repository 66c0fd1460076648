import { describe, expect, it } from "vitest";
import { findErasure, putErasure } from "../../src/records/audit-erasure.js";
import type { AuditRow } from "../../src/records/audit-log.js";
import { ERASURE_SETTLES_MS, eraseFromAudit, runErasures } from "../../src/services/audit-erasure.js";
import { verifyExport } from "../../src/services/audit-offline.js";
import { auditTrail, verifyTrail } from "../../src/services/audit-trail.js";
import { createMemoryStorage } from "../../src/storage/memory.js";
import { Cut, cuttable, dump } from "../barrier/support.js";
import { account, bytesOf, exported, keyOf, type Log, newLog, reopened, write } from "./audit-support.js";

const alice = { account: account(1), personal: { name: "alice", address: "192.0.2.7", client: "postern 0.1.0" } };
const bob = { account: account(2), personal: { name: "bob", address: "192.0.2.8", client: "postern 0.1.0" } };

/** `count` entries of alice and of bob in turn, some of alice's from a device, some refusals of her name before. */
async function logOf(count: number, log?: Log): Promise<Log> {
  const made = log ?? (await newLog());
  await write(made, { event: "register", outcome: "refused", reason: "wrong_first_code", personal: alice.personal });
  for (let index = 0; index < count; index++) {
    await write(made, index % 2 === 0 ? { ...alice, ...(index % 4 === 0 && { device: "dev_1" }) } : bob);
  }
  return made;
}

async function rowsOf({ barrier }: Log): Promise<AuditRow[]> {
  const rows: AuditRow[] = [];
  for await (const row of auditTrail(barrier, 10_000)) {
    if ("damaged" in row) throw new Error(`entry ${row.index} is damaged`);
    rows.push(row);
  }
  return rows;
}

const namesIn = (rows: readonly AuditRow[]) => new Set(rows.flatMap(({ personal }) => Object.values(personal)));

describe("the erasure of a person", () => {
  it("takes name, address and client from every entry of theirs, with a device or without", async () => {
    const log = await logOf(300);
    expect(await eraseFromAudit(log, alice.account, "alice")).toBe(151);
    const rows = await rowsOf(log);
    expect(namesIn(rows)).toEqual(new Set(["bob", "192.0.2.8", "postern 0.1.0"]));
    expect(rows.filter((row) => row.account === alice.account)).toHaveLength(151);
    expect(rows.at(-1)).toMatchObject({ event: "audit.erase", outcome: "done", account: alice.account, personal: {} });
  });

  it("leaves the chain and its export as good as before, which says how many entries it was", async () => {
    const log = await logOf(20);
    await eraseFromAudit(log, alice.account, "alice");
    expect(await verifyTrail(log.barrier)).toMatchObject({ ok: true, length: 23 });
    const text = await exported(log);
    expect(text).not.toContain("alice");
    const judged = await verifyExport(bytesOf(text), { publicKey: await keyOf(log) });
    expect(judged).toMatchObject({ ok: true, entries: 23, erased: 11 });
  });

  it("can be done in an export that was made before, too", async () => {
    const log = await logOf(4);
    const lines = (await exported(log)).split("\n");
    const erased = lines.map((line) => (line.includes("alice") ? line.replace(/,"personal":.*/, "}") : line));
    const judged = await verifyExport(bytesOf(erased.join("\n")), { publicKey: await keyOf(log) });
    expect(judged).toMatchObject({ ok: true, erased: 3 });
  });

  it("without the name leaves entries alone that belong to no account", async () => {
    const log = await logOf(4);
    expect(await eraseFromAudit(log, alice.account)).toBe(2);
    expect((await rowsOf(log))[1]?.personal).toEqual(alice.personal);
  });

  it("leaves nothing of the person's name in the records themselves", async () => {
    const log = await logOf(40);
    const before = (await dump(log.storage)).length;
    await eraseFromAudit(log, alice.account, "alice");
    // 21 records of personal fields are gone; the erasure that settles and its event have come.
    expect((await dump(log.storage)).length).toBe(before - 21 + 2);
  });

  it("that was queued with a deletion is done after a crash, from where it had come to", async () => {
    const storage = cuttable(createMemoryStorage());
    const log = await logOf(600, await newLog(storage));
    await log.barrier.transact((tx) => putErasure(tx, alice.account, { name: "alice" }));
    let cuts = 0;
    for (let step = 2, done = false; !done; step += 40) {
      const restarted = await reopened(log);
      storage.arm(step);
      done = await runErasures(restarted).then(
        () => true,
        (thrown: unknown) => {
          if (thrown instanceof Cut) return false;
          throw thrown;
        },
      );
      storage.arm(Number.POSITIVE_INFINITY);
      cuts += done ? 0 : 1;
      expect(await verifyTrail(log.barrier)).toMatchObject({ ok: true });
    }
    expect(cuts).toBeGreaterThan(2);
    const rows = await rowsOf(log);
    expect(namesIn(rows)).not.toContain("alice");
    expect(rows.filter(({ event }) => event === "audit.erase")).toHaveLength(1);
  });

  it("of two processes at once is done once, and told once", async () => {
    const log = await logOf(300);
    await log.barrier.transact((tx) => putErasure(tx, alice.account, { name: "alice" }));
    await Promise.all([runErasures(log), runErasures(await reopened(log))]);
    const rows = await rowsOf(log);
    expect(namesIn(rows)).not.toContain("alice");
    expect(rows.filter(({ event }) => event === "audit.erase")).toHaveLength(1);
  });

  it("goes on for an hour: a connection that was open may still write an entry of that account", async () => {
    const log = await logOf(4);
    await eraseFromAudit(log, alice.account, "alice");
    await write(log, { ...alice, event: "login.code", outcome: "refused", reason: "account_changed" });
    // The name is free now: somebody else may have it, and has nothing to do with this.
    await write(log, { event: "register", outcome: "refused", reason: "name_taken", personal: alice.personal });
    log.time += ERASURE_SETTLES_MS;
    expect(await runErasures(log)).toBe(1);
    expect((await rowsOf(log)).filter(({ personal }) => personal.name === "alice")).toHaveLength(1);
    expect(await log.barrier.read((tx) => findErasure(tx, alice.account))).toBe(undefined);
    expect(await runErasures(log)).toBe(0);
  });

  it("queued in a transaction that fails is not queued", async () => {
    const log = await logOf(2);
    const failing = log.barrier.transact(async (tx) => {
      await putErasure(tx, alice.account, { name: "alice" });
      throw new Error("the deletion failed");
    });
    await expect(failing).rejects.toThrow("the deletion failed");
    expect(await runErasures(log)).toBe(0);
    expect(namesIn(await rowsOf(log))).toContain("alice");
  });
});
