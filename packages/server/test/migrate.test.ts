import { randomBytes } from "node:crypto";
import { join } from "node:path";
import { PosternError } from "@postern/shared/errors";
import { describe, expect, it, onTestFinished } from "vitest";
import { type Clock, contextOf, newStore, temporaryDirectory } from "../../../test/support/in-process.js";
import { killSessions, testDatabase } from "../../../test/support/postgres.js";
import { openDamagedWay } from "../../../test/support/postgres-proxy.js";
import { makeReadyDatabase, makeReadyStore } from "../../../test/support/ready-store.js";
import { type Barrier, createBarrier, openBarrier, openDepartedBarrier } from "../src/barrier/barrier.js";
import { standingOf } from "../src/barrier/stored-header.js";
import { findMoving, findTarget, refuseSamePlace } from "../src/migrate.js";
import { arrive, type MigrationEars, migrateRecords } from "../src/migrate-records.js";
import { parsePostgresUrl } from "../src/postgres-url.js";
import type { AuditContext } from "../src/services/context.js";
import { createInvite } from "../src/services/invites.js";
import { readSettings } from "../src/services/store.js";
import { openLmdbStorage } from "../src/storage/lmdb.js";
import { createMemoryStorage } from "../src/storage/memory.js";
import type { Entry, Storage } from "../src/storage/storage.js";
import { findStore, type StoreLocation } from "../src/store.js";
import { Cut, cheap, codeOf, cuttable, dump, password, rejectsWith, storageOf, tamper } from "./barrier/support.js";
import { newStore as newPostgres, openOn, put } from "./storage/postgres-support.js";

const page = 4;

const warn = () => undefined;
type Place = { readonly directory: string; readonly warn: () => undefined };

const lmdb = async (): Promise<Storage> => {
  const storage = await openLmdbStorage({ directory: await temporaryDirectory(), create: true, mapSize: 2 ** 26 });
  onTestFinished(() => storage.close());
  return storage;
};
const storages = {
  memory: async () => createMemoryStorage(),
  lmdb,
  postgres: async (): Promise<Storage> => (await newPostgres()).storage,
};

/** A store with some more records than a page. */
async function storeOn(storage: Storage): Promise<{ context: AuditContext; clock: Clock }> {
  const store = await newStore({ storage });
  const context = await contextOf(store);
  for (let invite = 0; invite < 5; invite++) await createInvite(context, { uses: 1, lifetime: 3_600_000 });
  return { context, clock: store.clock };
}

const contextOver = async (barrier: Barrier): Promise<AuditContext> => ({
  barrier,
  node: (await readSettings(barrier)).node,
  now: () => Date.UTC(2026, 10, 21, 13),
  random: randomBytes,
});

const end = (storage: Storage, shown: string) => ({ storage, shown });

const move = (context: AuditContext, from: Storage, to: Storage, ears: MigrationEars & { page?: number } = {}) =>
  migrateRecords(context, { from: end(from, "lmdb:/old"), to: end(to, "postgres://new") }, { page, ...ears });

/** Moves until so many records are copied, and then the power goes. */
async function cutAfter(records: number, context: AuditContext, from: Storage, to: Storage): Promise<void> {
  const failing = cuttable(to);
  const onProgress = (phase: string, done: number) => {
    if (phase === "copying" && done === records) failing.arm(1);
  };
  await expect(move(context, from, failing, { onProgress })).rejects.toThrow(Cut);
  expect((await to.read(standingOf)).is).toBe("arriving");
}

/** What a run does that finds one storage as an earlier one has left it. */
async function moveAgain(from: Storage, to: Storage, ears?: MigrationEars): Promise<string> {
  const { is } = await from.read(standingOf);
  const context = await contextOver(await openDepartedBarrier(from, password, cheap));
  if (is === "store") return (await move(context, from, to, ears)).begun;
  if ((await to.read(standingOf)).is === "store") return "done";
  await arrive(context, end(from, "lmdb:/old"), end(to, "postgres://new"));
  return "finished";
}

const opens = async (storage: Storage) => (await codeOf(openBarrier(storage, password, cheap))) === "resolved";
const records = (entries: readonly Entry[]) =>
  new Map(entries.filter(({ key }) => key[0] === 1).map(({ key, value }) => [key.toString("hex"), value]));

/** All that was there is there, as it was; what is new or another is the log's, with its last entry. */
async function expectMoved(before: readonly Entry[], to: Storage): Promise<void> {
  const [was, is] = [records(before), records(await dump(to))];
  const others = [...was].filter(([key, value]) => is.get(key)?.equals(value) !== true).map(([key]) => key);
  expect(others.map((key) => key.slice(0, 4))).toEqual(["0120"]);
  const more = [...is.keys()].filter((key) => !was.has(key)).map((key) => key.slice(0, 4));
  expect(more.filter((kind) => kind !== "0121" && kind !== "0122")).toEqual([]);
  const barrier = await openBarrier(to, password, cheap);
  onTestFinished(() => barrier.close());
  const { entries } = await barrier.survey(undefined);
  expect(entries).toBe(is.size + 1);
}

describe("a migration", () => {
  it.each([
    ["lmdb", "postgres"],
    ["postgres", "lmdb"],
    ["postgres", "postgres"],
  ] as const)("from %s to %s takes everything along as it stands, and opens there alone", async (one, other) => {
    const [from, to] = [await storages[one](), await storages[other]()];
    const { context } = await storeOn(from);
    const before = await dump(from);
    const told: string[] = [];
    const moved = await move(context, from, to, { onProgress: (phase) => void told.push(phase) });
    expect(moved).toEqual({ records: before.length - 1, copied: before.length - 1, begun: "new" });
    expect([...new Set(told)]).toEqual(["reading", "copying", "comparing", "moving"]);
    await expectMoved(before, to);
    await expect(openBarrier(from, password, cheap)).rejects.toMatchObject({
      code: "store_moved",
      message: expect.stringMatching(/to postgres:\/\/new, on 2026-11-21 12:00 UTC$/),
    });
    // Nothing else is changed there: what is left of it is whole.
    expect(records(await dump(from))).toEqual(records(before));
    // Nor does anybody write there who had it open unseen, as in another container: they have the keys still.
    await rejectsWith(createInvite(context, { uses: 1, lifetime: 3_600_000 }), "store_moved");
    expect(records(await dump(from))).toEqual(records(before));
  });

  it("cut at any step leaves never two that open, and none only in front of the last; the next run does the rest", async () => {
    const first = createMemoryStorage();
    await storeOn(first);
    const before = await dump(first);
    const seen = new Set<string>();
    for (const side of ["from", "to"] as const) {
      for (let step = 1; ; step++) {
        const [from, to] = [await storageOf(before), createMemoryStorage()];
        const ends = { from: cuttable(from), to: cuttable(to) };
        const context = await contextOver(await openBarrier(ends.from, password, cheap));
        ends[side].arm(step);
        const cut = await move(context, ends.from, ends.to).then(
          () => false,
          (thrown) => thrown instanceof Cut,
        );
        const [old, fresh] = [await opens(from), await opens(to)];
        const is = (await to.read(standingOf)).is;
        expect(old && fresh).toBe(false);
        if (!old && !fresh) {
          // Both say so, and what to do.
          expect(await codeOf(openBarrier(from, password, cheap))).toBe("store_moved");
          expect(await codeOf(openBarrier(to, password, cheap))).toBe("store_unfinished");
        }
        const begun = cut ? await moveAgain(from, to) : "whole";
        seen.add(`${old ? "old" : fresh ? "new" : "neither"} opens, ${is}: ${begun}`);
        await expectMoved(before, to);
        expect(await opens(from)).toBe(false);
        if (!cut) break;
      }
    }
    expect([...seen].sort()).toEqual([
      "neither opens, arriving: finished",
      "new opens, store: done",
      "new opens, store: whole",
      "old opens, arriving: resumed",
      "old opens, empty: new",
    ]);
  });

  it("goes on where it was cut, and does not copy again what is there", async () => {
    const [from, to] = [await lmdb(), await storages.postgres()];
    const { context } = await storeOn(from);
    const before = await dump(from);
    await cutAfter(2 * page, context, from, to);
    const told: [number, number | undefined][] = [];
    const begun: string[] = [];
    const moved = await move(context, from, to, {
      onProgress: (phase, done, total) => void (phase === "copying" && told.push([done, total])),
      onBegun: (how) => void begun.push(how),
    });
    const total = before.length - 1;
    expect(moved).toEqual({ records: total, copied: total - 2 * page, begun: "resumed" });
    expect([begun, told[0]]).toEqual([["resumed"], [2 * page, total]]);
    await expectMoved(before, to);
  });

  it("goes on when the database was away, on either side, and when it broke off in the last commit of all", async () => {
    const { url, storage } = await newPostgres();
    const way = await openDamagedWay(url);
    const from = createMemoryStorage();
    const { context } = await storeOn(from);
    const before = await dump(from);
    const farAway = (await openOn(way.url)) as Storage;
    const loseIt = (phase: string, done: number) => {
      if (phase === "copying" && done === page) way.close();
    };
    await rejectsWith(move(context, from, farAway, { onProgress: loseIt }), "store_unreachable");
    way.reopen();
    expect([await opens(from), (await storage.read(standingOf)).is]).toEqual([true, "arriving"]);
    const breakIt = (phase: string) => void (phase === "moving" && way.cut("answer to COMMIT"));
    expect((await move(context, from, farAway, { onProgress: breakIt })).begun).toBe("resumed");
    expect(way.cuts).toBe(1);
    await expectMoved(before, storage);

    const back = createMemoryStorage();
    const returning = await contextOver(await openBarrier(farAway, password, cheap));
    const all = await dump(storage);
    await rejectsWith(move(returning, farAway, back, { onProgress: loseIt }), "store_unreachable");
    way.reopen();
    expect([await opens(storage), (await back.read(standingOf)).is]).toEqual([true, "arriving"]);
    expect((await move(returning, farAway, back)).begun).toBe("resumed");
    await expectMoved(all, back);
  });

  it("begins anew where the store has changed since it was cut, and says so", async () => {
    const [from, to] = [createMemoryStorage(), createMemoryStorage()];
    const { context } = await storeOn(from);
    await cutAfter(3 * page, context, from, to);
    await createInvite(context, { uses: 1, lifetime: 3_600_000 });
    const before = await dump(from);
    // Cut once more while what is there is removed.
    const failing = cuttable(to);
    failing.arm(7);
    await expect(move(context, from, failing)).rejects.toThrow(Cut);
    const moved = await move(context, from, to);
    expect(moved).toEqual({ records: before.length - 1, copied: before.length - 1, begun: "anew" });
    await expectMoved(before, to);
  });

  it("touches no target that holds anything else: a store, another program's things, another store on its way", async () => {
    const from = createMemoryStorage();
    const { context } = await storeOn(from);
    const store = createMemoryStorage();
    await createBarrier(store, password, cheap);
    const foreign = await storageOf([{ key: Buffer.from("theirs"), value: Buffer.from("1") }]);
    const headless = await storageOf((await dump(store)).filter(({ key }) => !key.equals(Buffer.from("\0header"))));
    const other = createMemoryStorage();
    const theirs = createMemoryStorage();
    await cutAfter(page, (await storeOn(theirs)).context, theirs, other);
    for (const [target, code] of [
      [store, "store_exists"],
      [foreign, "store_foreign"],
      [headless, "store_damaged"],
      [other, "store_unfinished"],
    ] as const) {
      const [source, was] = [await dump(from), await dump(target)];
      await rejectsWith(move(context, from, target), code);
      expect([await dump(from), await dump(target)]).toEqual([source, was]);
    }
  });

  it("finds a copy that is another by a byte, a record less or one more; then the next run begins anew", async () => {
    const from = createMemoryStorage();
    const { context } = await storeOn(from);
    const before = await dump(from);
    const victim = before.at(-3) as Entry;
    const flipped = Buffer.from(victim.value);
    flipped.writeUInt8(flipped.readUInt8(20) ^ 1, 20);
    for (const harm of [
      (to: Storage) => tamper(to, victim.key, flipped),
      (to: Storage) => to.transact((tx) => tx.delete(victim.key)),
      (to: Storage) => tamper(to, Buffer.concat([victim.key, Buffer.of(0)]), victim.value),
      (to: Storage) => tamper(to, Buffer.alloc(512, 0xfe), victim.value),
    ]) {
      const to = createMemoryStorage();
      let harmed: Promise<void> | undefined;
      const onProgress = (phase: string, done: number, total?: number) => {
        if (phase === "copying" && done === total) harmed ??= harm(to);
      };
      await expect(move(context, from, to, { onProgress })).rejects.toMatchObject({
        code: "migration_differs",
        message: expect.stringContaining("first at key "),
      });
      await harmed;
      expect(await opens(from)).toBe(true);
      expect((await dump(to)).map(({ key }) => key.toString("latin1"))).toEqual(["\0arrival"]);
    }
    const to = createMemoryStorage();
    await move(context, from, to);
    await expectMoved(before, to);
  });

  it("moves no store with a record that does not open, and names it", async () => {
    const [from, to] = [createMemoryStorage(), createMemoryStorage()];
    const { context } = await storeOn(from);
    const victim = (await dump(from)).at(-1) as Entry;
    await tamper(from, victim.key, Buffer.concat([victim.value, Buffer.of(0)]));
    await rejectsWith(move(context, from, to), "store_damaged");
    expect(await dump(to)).toEqual([]);
    await tamper(from, victim.key, victim.value);
    expect((await move(context, from, to)).begun).toBe("new");
  });

  it("does not move a store that somebody changes behind the comparison: they may have let someone in", async () => {
    const [from, to] = [createMemoryStorage(), createMemoryStorage()];
    const { context } = await storeOn(from);
    let changed: Promise<unknown> | undefined;
    const onProgress = (phase: string) => {
      if (phase === "moving") changed ??= createInvite(context, { uses: 1, lifetime: 3_600_000 });
    };
    await rejectsWith(move(context, from, to, { onProgress }), "store_in_use");
    await changed;
    expect([await opens(from), await opens(to)]).toEqual([true, false]);
    expect((await move(context, from, to)).begun).toBe("anew");
  });

  it("departs from nowhere while somebody is in, nor where nobody could be kept out: asked first of all, and last", async () => {
    for (const asked of [1, 2]) {
      const [from, to] = [createMemoryStorage(), createMemoryStorage()];
      const { context } = await storeOn(from);
      let asking = 0;
      const mayLeave = async () => {
        if (++asking === asked) throw new PosternError("store_in_use");
      };
      const ends = { from: { ...end(from, "old"), mayLeave }, to: end(to, "new") };
      await rejectsWith(migrateRecords(context, ends), "store_in_use");
      expect([await opens(from), (await to.read(standingOf)).is]).toEqual([true, asked === 1 ? "empty" : "arriving"]);
    }
  });

  it("leaves no way in by a storage that it has left, or has not come into whole: nobody makes a store there", async () => {
    const [from, to] = [createMemoryStorage(), createMemoryStorage()];
    const { context } = await storeOn(from);
    await cutAfter(page, context, from, to);
    await rejectsWith(createBarrier(to, password, cheap), "store_unfinished");
    await move(context, from, to);
    await rejectsWith(createBarrier(from, password, cheap), "store_moved");
    await tamper(from, Buffer.from("\0departure"), Buffer.from("{}"));
    await rejectsWith(openBarrier(from, password, cheap), "store_damaged");
  });
});

describe("the places of a migration", () => {
  it("know what is left where it was cut in front of its last step: the same one, with the same password, does it", async () => {
    const home = await temporaryDirectory();
    const [old, fresh] = ["old", "new"].map((name) => ({ directory: join(home, name), warn })) as [Place, Place];
    await makeReadyStore(old.directory, password.toString());
    const [from, to] = await Promise.all(
      [old, fresh].map(({ directory }) => openLmdbStorage({ directory, create: true })),
    );
    if (from === undefined || to === undefined) throw new Error("they do not open");
    const context = await contextOver(await openBarrier(from, password));
    const failing = cuttable(to);
    const onProgress = (phase: string) => void (phase === "moving" && failing.arm(1));
    await expect(move(context, from, failing, { onProgress })).rejects.toThrow(Cut);
    await Promise.all([from.close(), to.close()]);

    expect(() => refuseSamePlace(old, { directory: `${fresh.directory}/../old`, warn })).toThrow("the same place");
    await rejectsWith(findMoving(fresh, "new"), "store_unfinished");
    await rejectsWith(findMoving({ directory: join(home, "none"), warn }, "none"), "store_missing");
    const moving = await findMoving(old, "old");
    expect(moving.standing.is).toBe("departed");
    await rejectsWith(findTarget({ directory: join(home, "third"), warn }, "third", moving), "store_moved");
    const target = await findTarget(fresh, "new", moving);
    if (target === "done") throw new Error("it is not");
    await rejectsWith(moving.unseal(Buffer.from("another password")), "admin_password_wrong");
    const moved = await (await moving.unseal(password)).moveTo(target);
    expect(moved).toMatchObject({ begun: "finished", copied: 0, replaced: undefined });
    expect(await findTarget(fresh, "new", moving)).toBe("done");
    await moving.close();
    await rejectsWith(findStore(old), "store_moved");
    await (await findStore(fresh))?.close();

    // Another one is to go to where the first had been, and meanwhile that one comes back.
    const other = { directory: join(home, "other"), warn };
    await makeReadyStore(other.directory, password.toString());
    const late = await findMoving(other, "other");
    const leftBehind = await findTarget(old, "old", late);
    if (leftBehind === "done") throw new Error("it is not");
    expect((await moveBetween(fresh, old)).replaced).toContain("store.mdb.replaced-");
    await rejectsWith((await late.unseal(password)).moveTo(leftBehind), "store_exists");
    await late.close();
    for (const place of [old, other]) await (await findStore(place))?.close();
  });

  it("keep a node out that was cut off from the database while the store moved: it has the keys still", async () => {
    const schema = await testDatabase();
    const { url } = schema;
    await makeReadyDatabase(url, password.toString());
    const node = await openOn(url);
    const knows = () => codeOf(node.read(async (tx) => void (await tx.get(Buffer.from("a")))));
    expect(await knows()).toBe("resolved");
    await killSessions(schema);

    const database: StoreLocation = {
      database: { server: parsePostgresUrl(url), password: async () => undefined },
      warn,
    };
    const file: StoreLocation = { directory: await temporaryDirectory(), warn };
    await moveBetween(database, file);
    expect([await knows(), await codeOf(put(node, "a", "1"))]).toEqual(["store_moved", "store_moved"]);
    await expect(findStore(database)).rejects.toMatchObject({
      code: "store_moved",
      message: expect.stringMatching(/from here: to there, on 20/),
    });
    const { replaced } = await moveBetween(file, database);
    onTestFinished(async () => void (await schema.sql(`DROP SCHEMA ${replaced} CASCADE`)));
    expect(await knows()).toBe("resolved");
  });
});

describe("a move out of a database", () => {
  it("is refused to who does not own the tables: nobody would be kept out of what is left there", async () => {
    const { url, schema, sql } = await testDatabase();
    await makeReadyDatabase(url, password.toString());
    const role = `${schema}_runs`;
    await sql(`CREATE ROLE ${role} LOGIN`);
    onTestFinished(async () => void (await sql(`DROP OWNED BY ${role}; DROP ROLE ${role}`)));
    await sql(`GRANT USAGE ON SCHEMA ${schema} TO ${role}; GRANT ALL ON ALL TABLES IN SCHEMA ${schema} TO ${role}`);
    const server = { ...parsePostgresUrl(url), user: role };
    const database: StoreLocation = { database: { server, password: async () => undefined }, warn };
    const file: StoreLocation = { directory: await temporaryDirectory(), warn };
    await expect(moveBetween(database, file)).rejects.toMatchObject({
      code: "store_denied",
      detail: `a store moves as the owner of ${schema}.records`,
    });
    expect(await findStore(file)).toBeUndefined();
    await (await findStore(database))?.close();
  });

  it("goes on only when nobody is in: who came in before it was marked is seen, and nobody comes behind that", async () => {
    const { url, storage } = await newPostgres();
    await storage.mayLeave();
    const node = await openOn(url);
    await rejectsWith(storage.mayLeave(), "store_in_use");
    await rejectsWith(storage.leave("to there"), "store_in_use");
    await node.close();
    await rejectsWith(openOn(url), "store_moved");
    await storage.leave("to there");
  });
});

async function moveBetween(one: StoreLocation, other: StoreLocation) {
  const moving = await findMoving(one, "here");
  try {
    const target = await findTarget(other, "there", moving);
    if (target === "done") throw new Error("it is there already");
    return await (await moving.unseal(password)).moveTo(target);
  } finally {
    await moving.close();
  }
}
