import fc from "fast-check";
import { describe, expect, it, vi } from "vitest";
import { findErasure, putErasure } from "../../src/records/audit-erasure.js";
import { idBytes, indexBytes, type RecordKind, recordKey, recordRange } from "../../src/records/keys.js";
import { indexedAs, type NodeName, nodeNameOf, parseNodeName, putNode } from "../../src/records/node.js";
import { ERASURE_SETTLES_MS, eraseFromAudit, runErasures } from "../../src/services/audit-erasure.js";
import { takeCheckpoint } from "../../src/services/audit-export.js";
import type { AuditFilter } from "../../src/services/audit-filter.js";
import { verifyExport } from "../../src/services/audit-offline.js";
import { keepAuditFor } from "../../src/services/audit-retention.js";
import { auditTail, auditTrail, type TrailRow, verifyTrail } from "../../src/services/audit-trail.js";
import { chainsOf, joinNode } from "../../src/services/nodes.js";
import { beginRegistration } from "../../src/services/registration.js";
import { createMemoryStorage } from "../../src/storage/memory.js";
import { Cut, cuttable } from "../barrier/support.js";
import {
  account,
  asNode,
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
} from "./audit-support.js";

async function listed({ barrier }: Log, limit = 10_000, filter: AuditFilter = {}): Promise<TrailRow[]> {
  const rows: TrailRow[] = [];
  for await (const row of auditTrail(barrier, limit, filter)) rows.push(row);
  return rows;
}

const places = (rows: readonly TrailRow[]) => rows.map(({ node, index }) => `${node} ${index}`);

/** A store with two nodes beside its own chain, an hour old. */
async function threeChains(): Promise<[Log, Log, Log]> {
  const own = await newLog();
  const nodes = [await asNode(own, "web-1"), await asNode(own, "web-2")] as const;
  own.time += HOUR;
  return [own, ...nodes];
}

async function remove(log: Log, kind: RecordKind, ...parts: Buffer[]): Promise<void> {
  const range = recordRange(kind, ...parts);
  await log.barrier.transact(async (tx) => {
    for (const { key } of await tx.scan(range)) await tx.delete(key);
  });
}

const tools = ({ barrier, node, now, random }: Log) => ({ barrier, node, now, random });

/** All that there is of a chain. */
async function removeChain(log: Log): Promise<void> {
  for (const kind of ["auditHead", "auditEntry", "auditFields", "auditAnchor"] as const) {
    await remove(log, kind, idBytes(log.node));
  }
}

describe("a node", () => {
  it("begins a chain of its own with its first start, and the store's own tells of it", async () => {
    const log = await newLog();
    const node = await joinNode(log.barrier, log, parseNodeName("web-1"));
    expect(await joinNode((await reopened(log)).barrier, log, parseNodeName("web-1"))).toBe(node);
    expect(await listed(log)).toMatchObject([
      { node: "store", index: 0, event: "store.create" },
      { node: "store", index: 1, event: "node.add", reason: `web-1 ${node}` },
      { node: "web-1", index: 0, event: "node.begin", reason: "web-1" },
    ]);
    expect(await chainsOf(log.barrier)).toEqual([
      { node: log.node, name: "store" },
      { node, name: "web-1" },
    ]);
  });

  it("without a name, or called store, writes the chain that was made with the store, and nothing is begun", async () => {
    const log = await newLog();
    expect(await joinNode(log.barrier, log)).toBe(log.node);
    expect(await joinNode(log.barrier, log, parseNodeName("store"))).toBe(log.node);
    expect(await lengthOf(log)).toBe(1);
  });

  it("that starts twice at once begins one chain, and both write it", async () => {
    const log = await newLog();
    const other = await reopened(log);
    const both = await Promise.all([asNode(log, "web-1"), asNode(other, "web-1")]);
    expect(new Set(both.map(({ node }) => node)).size).toBe(1);
    await Promise.all(Array.from({ length: 20 }, (_, index) => write(both[index % 2] as Log)));
    expect(await verifyTrail(log.barrier)).toMatchObject({ ok: true, chains: [{ length: 2 }, { length: 21 }] });
  });

  it("whose first start is cut short at any step has begun its chain as a whole or not at all", async () => {
    const storage = cuttable(createMemoryStorage());
    const log = await newLog(storage);
    let cuts = 0;
    for (let step = 1, cut = true; cut; step++) {
      storage.arm(step);
      cut = await asNode(log, "web-1").then(
        () => false,
        (thrown: unknown) => thrown instanceof Cut,
      );
      storage.arm(Number.POSITIVE_INFINITY);
      cuts += Number(cut);
      expect(await verifyTrail(log.barrier)).toMatchObject({ ok: true });
      expect([1, 2]).toContain(await lengthOf(log));
    }
    expect(cuts).toBeGreaterThan(5);
    expect(await chainsOf(log.barrier)).toHaveLength(2);
  });

  it("of a thousand names is the last one, for each costs every checkpoint something for good", async () => {
    const log = await newLog();
    await log.barrier.transact(async (tx) => {
      for (let index = 0; index < 1000; index++) {
        const name = `web-${index}` as NodeName;
        const node = `nod_${String(index).padStart(32, "0")}` as const;
        await putNode(tx, log.barrier.nameIndex(indexedAs(name)), { name, node, since: NOW });
      }
    });
    await expect(asNode(log, "one-more")).rejects.toMatchObject({ code: "nodes_full" });
    expect(await joinNode(log.barrier, log, parseNodeName("web-7"))).toMatch(/7$/);
  });

  it.each(["", "-a", "a-", "A", "a b", "a.b", "ä", "a\n", "a".repeat(33), "../a"])("is not called %j", (name) => {
    expect(() => parseNodeName(name)).toThrow(expect.objectContaining({ code: "usage" }));
  });

  it.each([
    ["auth-1.example.org", "auth-1"],
    ["Auth_1", "auth-1"],
    ["-web-", "web"],
    ["x".repeat(60), "x".repeat(32)],
    [`${"x".repeat(31)}--y`, "x".repeat(31)],
    ["日本", "node"],
    ["", "node"],
    ["store", "node"],
  ])("of the host %j is called %j when nobody says", (host, name) => {
    expect(nodeNameOf(host)).toBe(name);
    expect(parseNodeName(name)).toBe(name);
  });
});

describe("the chains as one log", () => {
  it("stand by time; of one time the store's own in front, then by name, and each in its own order", async () => {
    const [own, first, second] = await threeChains();
    const at = (log: Log, hours: number) => write(log, { time: NOW + hours * HOUR });
    for (const [log, hours] of [
      [second, 2],
      [first, 2],
      [own, 2],
      [first, 3],
      [second, 3],
      [own, 4],
    ] as const) {
      await at(log, hours);
    }
    expect(places((await listed(own)).slice(5))).toEqual([
      "store 3",
      "web-1 1",
      "web-2 1",
      "web-1 2",
      "web-2 2",
      "store 4",
    ]);
    expect(places(await listed(own, 2))).toEqual(["web-2 2", "store 4"]);
    expect(places(await listed(own, 2, { node: parseNodeName("web-1") }))).toEqual(["web-1 1", "web-1 2"]);
    await expect(listed(own, 2, { node: parseNodeName("web-9") })).rejects.toMatchObject({ code: "node_unknown" });
  });

  it("lose nothing and show nothing twice, whatever the clocks did, however much is asked for", async () => {
    const writing = fc.record({ chain: fc.nat(2), hours: fc.nat(6) });
    const property = fc.asyncProperty(fc.array(writing, { maxLength: 40 }), fc.nat(45), async (writings, limit) => {
      const chains = await threeChains();
      for (const { chain, hours } of writings) await write(chains[chain] as Log, { time: NOW + hours * HOUR });
      const all = await listed(chains[0]);
      expect(all).toHaveLength(5 + writings.length);
      for (const name of ["store", "web-1", "web-2"]) {
        const indices = all.filter(({ node }) => node === name).map(({ index }) => index);
        expect(indices).toEqual(indices.map((_, index) => index));
      }
      expect(places(await listed(chains[0], limit))).toEqual(places(all).slice(Math.max(0, all.length - limit)));
      const since = NOW + 3 * HOUR;
      const late = all.filter((row) => !("damaged" in row) && row.time >= since);
      expect(places(await listed(chains[0], 10_000, { since }))).toEqual(places(late));
    });
    await fc.assert(property, { numRuns: 12 });
  });

  it("over many pages of each are one, in order, and each page is read once for its place and once to be shown", async () => {
    const chains = await threeChains();
    for (let turn = 0; turn < 300; turn++) {
      chains[0].time += 1;
      for (const chain of turn % 5 === 0 ? chains : chains.slice(1)) await write(chain);
    }
    const reads = vi.spyOn(chains[0].barrier, "read");
    const rows = await listed(chains[0], 400);
    expect(rows).toHaveLength(400);
    expect(reads.mock.calls.length).toBeLessThan(25);
    const times = rows.map((row) => ("damaged" in row ? 0 : row.time));
    expect(times).toEqual([...times].sort((a, b) => a - b));
  });

  it("show the entry of one that does not open, beside its neighbours, and the verdict names the node", async () => {
    const [own, first, second] = await threeChains();
    for (let turn = 0; turn < 3; turn++) {
      own.time += HOUR;
      await write(first);
      await write(second);
    }
    const key = stored(recordKey("auditEntry", idBytes(first.node), indexBytes(2)));
    await own.storage.transact((tx) => tx.put(key, Buffer.alloc(80)));
    expect(places((await listed(own)).slice(-6))).toEqual([
      "web-1 1",
      "web-2 1",
      "web-2 2",
      "web-1 2",
      "web-1 3",
      "web-2 3",
    ]);
    expect(await verifyTrail(own.barrier)).toMatchObject({ ok: false, firstBad: 2, node: "web-1" });
    expect(await auditTail(own.barrier)).toMatchObject({ verdict: { firstBad: 2, node: "web-1" } });
    await expect(exported(own)).rejects.toMatchObject({ detail: "entry 2 of web-1 is not an audit entry" });
  });
});

describe("promise 8: whoever can write the store and takes a chain away", () => {
  it("is found by its head, by its name, and by the store's own chain that tells of it", async () => {
    const [own, first] = await threeChains();
    await write(first);
    await remove(own, "auditHead", idBytes(first.node));
    const missing = { code: "audit_damaged", detail: "web-1: the head of the chain is missing" };
    await expect(verifyTrail(own.barrier)).rejects.toMatchObject(missing);
    await expect(listed(own)).rejects.toMatchObject(missing);
    expect(await listed(own, 10, { node: parseNodeName("web-2") })).toHaveLength(1);
    await removeChain(first);
    await expect(verifyTrail(own.barrier)).rejects.toMatchObject(missing);
    await remove(own, "node");
    const told = { code: "audit_damaged", detail: "the chain of web-1 is missing" };
    await expect(verifyTrail(own.barrier)).rejects.toMatchObject(told);
    expect(await verifyExport(bytesOf(await exported(own)), { publicKey: await keyOf(own) })).toMatchObject({
      ok: false,
      why: "stands where the chain of web-1 was to come",
    });
  });

  it("or puts one back to an earlier state, shows against a checkpoint, by the node's name", async () => {
    const [own, first] = await threeChains();
    await write(first);
    const [head] = await own.barrier.read((tx) => tx.scan(recordRange("auditHead", idBytes(first.node))));
    await write(first);
    const checkpoint = await takeCheckpoint(own);
    await own.barrier.transact(async (tx) => {
      if (head !== undefined) await tx.put(head.key, head.value);
      await tx.delete(recordKey("auditEntry", idBytes(first.node), indexBytes(2)));
    });
    expect(await verifyTrail(own.barrier)).toMatchObject({ ok: true });
    expect(await verifyTrail(own.barrier, { checkpoint })).toMatchObject({ ok: false, firstBad: 2, node: "web-1" });
    await removeChain(first);
    await remove(own, "node");
    const gone = { detail: "a chain that the checkpoint names is missing" };
    await expect(verifyTrail(own.barrier, { checkpoint })).rejects.toMatchObject(gone);
  });

  it("or its name alone, loses no entry: the chain goes by its id, and is verified", async () => {
    const [own, first] = await threeChains();
    await write(first);
    await remove(own, "node");
    expect(await verifyTrail(own.barrier)).toMatchObject({ ok: true, length: 6 });
    expect((await listed(own)).map(({ node }) => node)).toContain(first.node);
  });
});

describe("an export of several chains", () => {
  it("holds, and where it does not the verdict names the node", async () => {
    const [own, first, second] = await threeChains();
    const personal = { name: "alice", address: "192.0.2.7" };
    for (const log of [own, first, second, first]) await write(log, { account: account(1), personal });
    const publicKey = await keyOf(own);
    const text = await exported(first);
    const checkpoint = await takeCheckpoint(own);
    expect(await verifyExport(bytesOf(text), { publicKey, checkpoint })).toMatchObject({ ok: true, entries: 9 });
    const lines = text.split("\n");
    const begins = lines.findIndex((line) => line.includes('\\"node.begin\\"') && line.includes("web-1"));
    const edited = lines.with(begins + 2, (lines[begins + 2] ?? "").replace("granted", "refused"));
    const judged = await verifyExport(bytesOf(edited.join("\n")), { publicKey });
    expect(judged).toMatchObject({ ok: false, entry: 2, node: "web-1" });
    const created = lines.findIndex((line) => line.includes('\\"store.create\\"'));
    const cut = lines.toSpliced(created + 1, 1);
    const without = await verifyExport(bytesOf(cut.join("\n")), { publicKey });
    expect(without).toMatchObject({ ok: false, entry: 1, node: "store" });
  });
});

describe("retention over several chains", () => {
  it("removes of each what is older, on record in the chain of who did it, and all of them hold", async () => {
    const [own, first, second] = await threeChains();
    for (let day = 0; day < 6; day++) {
      for (const log of [first, second]) await write(log);
      own.time += DAY;
    }
    expect(await keepAuditFor(first, 3 * DAY)).toBe(10);
    const verdict = await verifyTrail(own.barrier);
    expect(verdict).toMatchObject({ ok: true, chains: [{ first: 2 }, { first: 4 }, { first: 4 }] });
    const told = (await listed(own, 9, { events: ["audit.prune"] })) as { node: string; reason?: string }[];
    expect(told.map(({ node, reason }) => [node, reason])).toEqual([
      ["web-1", "before_2 of store"],
      ["web-1", "before_4"],
      ["web-1", "before_4 of web-2"],
    ]);
    const judged = await verifyExport(bytesOf(await exported(second)), { publicKey: await keyOf(own) });
    expect(judged).toMatchObject({ ok: true, entries: 10 });
  });
});

describe("the erasure of a person", () => {
  it("goes along every chain, whichever node they came to, and whichever one does it", async () => {
    const [own, first, second] = await threeChains();
    const alice = { account: account(1), personal: { name: "alice", address: "192.0.2.7" } };
    for (const log of [first, second, own]) await write(log, alice);
    expect(await eraseFromAudit(second, alice.account, "alice")).toBe(3);
    expect(JSON.stringify(await listed(own))).not.toContain("alice");
    expect((await listed(own)).at(-1)).toMatchObject({ node: "web-2", event: "audit.erase" });
    expect(await verifyTrail(own.barrier)).toMatchObject({ ok: true });
  });

  it("is told at the registration where the longest chains were, and of no more, lest the account outgrow its block", async () => {
    const [own, first, second] = await threeChains();
    const context = { ...tools(first), registration: "open", issuer: () => "https://auth.test" } as const;
    const begin = () => beginRegistration(context, { address: "192.0.2.7", client: "test" }, "alice");
    expect((await begin()).auditSince).toEqual({ [own.node]: 3, [first.node]: 1, [second.node]: 1 });
    for (let index = 3; index < 9; index++) await asNode(own, `web-${index}`);
    await write(second);
    const { auditSince } = await begin();
    expect(Object.keys(auditSince)).toHaveLength(4);
    expect(auditSince).toMatchObject({ [own.node]: 9, [second.node]: 2 });
  });

  it("begins at once where each chain was at the registration, and the second time at the beginning", async () => {
    const [own, first, second] = await threeChains();
    const alice = { account: account(1), personal: { name: "alice" } };
    await write(first, { personal: { name: "alice" } });
    const since = { [first.node]: await lengthOf(first), [second.node]: await lengthOf(second) };
    for (const log of [first, second]) await write(log, alice);
    await own.barrier.transact((tx) => putErasure(tx, alice.account, { name: "alice", since }));
    expect(await runErasures(first)).toBe(2);
    own.time += ERASURE_SETTLES_MS + HOUR;
    expect(await runErasures(second)).toBe(1);
    expect(await own.barrier.read((tx) => findErasure(tx, alice.account))).toBeUndefined();
  });
});
