import { createServer, type Server } from "node:net";
import { describe, expect, it, onTestFinished } from "vitest";
import { eventually } from "../../../../test/support/eventually.js";
import { asksPassword, cluster, killSessions, startCluster, testDatabase } from "../../../../test/support/postgres.js";
import { openDamagedWay } from "../../../../test/support/postgres-proxy.js";
import { parsePostgresUrl } from "../../src/postgres-url.js";
import { Session } from "../../src/storage/postgres-session.js";
import { bytes, get, increment, newStore, openOn, put } from "./postgres-support.js";

/** A promise to be resolved from outside. */
function gate() {
  let open = () => {};
  const opened = new Promise<void>((resolve) => {
    open = resolve;
  });
  return { opened, open };
}

async function listening(server: Server): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => void server.close());
  return (server.address() as { port: number }).port;
}

describe("opening a store in a database", () => {
  it("says at once that nothing listens there, and before long that nobody answers", async () => {
    const { url } = await testDatabase();
    const server = createServer();
    const port = await listening(server);
    await new Promise((resolve) => server.close(resolve));
    await expect(openOn(url, { server: { port } })).rejects.toMatchObject({ code: "store_unreachable" });
    const silent = await listening(createServer((socket) => socket.on("error", () => undefined)));
    const given = { server: { port: silent }, timeouts: { connect: 50 } };
    await expect(openOn(url, given)).rejects.toMatchObject({ code: "store_unreachable" });
  });

  it("says what the database holds against this user, with TLS or without", async () => {
    const { url, sql } = await testDatabase({ ours: true });
    await sql(`DO $$ BEGIN CREATE ROLE ${asksPassword} LOGIN; EXCEPTION WHEN duplicate_object THEN NULL; END $$`);
    await sql(`ALTER ROLE ${asksPassword} PASSWORD 'right'`);
    const denied = (why: RegExp) => ({ code: "store_denied", detail: expect.stringMatching(why) });
    const as = { server: { user: asksPassword } };
    await expect(openOn(url, as)).rejects.toMatchObject(denied(/asks for a password/));
    await expect(openOn(url, { ...as, password: async () => "wrong" })).rejects.toMatchObject(denied(/not right/));
    await expect(openOn(url, { ...as, password: async () => "right" })).rejects.toMatchObject(denied(/lacks a right/));
    const { rootCertificate } = await cluster();
    const bound = { server: { ...as.server, host: "localhost", tls: "full", rootCertificate } } as const;
    await expect(openOn(url, { ...bound, password: async () => "wrong" })).rejects.toMatchObject(denied(/not right/));
    await expect(openOn(url, { ...bound, password: async () => "right" })).rejects.toMatchObject(
      denied(/lacks a right/),
    );
    await expect(openOn(url, { server: { database: "nowhere" } })).rejects.toMatchObject(denied(/no such database/));
  });

  it("makes its tables in a schema that somebody else has made for it", async () => {
    const { url, sql, schema } = await testDatabase();
    await sql(`CREATE SCHEMA ${schema}`);
    const storage = await openOn(url);
    await put(storage, "a", "1");
    expect(await get(storage, "a")).toBe("1");
  });

  it("tells none from one, makes none unless it may, and finds again what was there", async () => {
    const { url } = await testDatabase();
    await expect(openOn(url, { create: false })).rejects.toMatchObject({ code: "store_missing" });
    const first = await openOn(url);
    await put(first, "a", "1");
    await first.close();
    expect(await get(await openOn(url, { create: false }), "a")).toBe("1");
  });

  it("may happen many times in the same moment where there is no store yet", async () => {
    const { url } = await testDatabase();
    const storages = await Promise.all(Array.from({ length: 4 }, () => openOn(url)));
    await Promise.all(storages.map((storage) => increment(storage)));
    expect(await get(storages[0] as (typeof storages)[0], "counter")).toBe("4");
  });

  it("refuses tables of another program, and those of a newer Postern", async () => {
    const { url, sql, schema } = await testDatabase();
    await sql(`CREATE SCHEMA ${schema}`);
    await sql(`CREATE TABLE ${schema}.customers (name text)`);
    await expect(openOn(url)).rejects.toMatchObject({ code: "store_foreign" });
    await sql(`DROP TABLE ${schema}.customers`);
    await (await openOn(url)).close();
    await sql(`UPDATE ${schema}.format SET version = 2`);
    await expect(openOn(url)).rejects.toMatchObject({ code: "store_future" });
    await sql(`UPDATE ${schema}.format SET version = 0`);
    await expect(openOn(url)).rejects.toMatchObject({ code: "store_foreign" });
  });

  it("checks the certificate by default, and its name, unless it is told to do otherwise", async () => {
    const { url } = await testDatabase({ ours: true });
    const { rootCertificate } = await cluster();
    const untrusted = { code: "store_untrusted" };
    const named = { host: "localhost", rootCertificate };
    await expect(openOn(url, { server: { ...named, tls: "full" } })).resolves.toBeDefined();
    await expect(openOn(url, { server: { rootCertificate, tls: "full" } })).rejects.toMatchObject(untrusted);
    await expect(openOn(url, { server: { rootCertificate, tls: "ca" } })).resolves.toBeDefined();
    await expect(openOn(url, { server: { host: "localhost", tls: "full" } })).rejects.toMatchObject(untrusted);
    await expect(openOn(url, { server: { tls: "unverified" } })).resolves.toBeDefined();
    const gone = { ...named, rootCertificate: "/nowhere/root.crt", tls: "full" } as const;
    await expect(openOn(url, { server: gone })).rejects.toMatchObject({ code: "file_unreadable" });
  });

  it("makes every commit durable, whatever the database does by default, and warns of one that never syncs", async () => {
    const { url, sql } = await testDatabase({ ours: true });
    await sql("CREATE ROLE hasty LOGIN");
    onTestFinished(async () => void (await sql("DROP ROLE hasty")));
    await sql("ALTER ROLE hasty SET synchronous_commit = off");
    const server = { ...parsePostgresUrl(url), user: "hasty" };
    const session = await Session.open({ server, password: async () => undefined }, { door: "ask" });
    expect(await session.once("SHOW synchronous_commit")).toEqual([["on"]]);
    await session.end();
    const warnings: string[] = [];
    await openOn(url, { warn: (warning) => warnings.push(warning) });
    expect(warnings).toEqual([expect.stringContaining("fsync off")]);
  });
});

describe("a database that fails", () => {
  it("that ends all sessions is found again by the next calls", async () => {
    const { storage, ...database } = await newStore();
    await put(storage, "a", "1");
    await get(storage, "a");
    await killSessions(database);
    await put(storage, "b", "2");
    expect([await get(storage, "a"), await get(storage, "b")]).toEqual(["1", "2"]);
  });

  it("has a transaction run again that it ended in the middle, and a reader hear of it", async () => {
    const { storage, ...database } = await newStore();
    expect(await increment(storage, () => killSessions(database))).toBe(2);
    expect(await get(storage, "counter")).toBe("1");
    const reading = storage.read(async (tx) => {
      await tx.get(bytes("counter"));
      await killSessions(database);
      return tx.get(bytes("counter"));
    });
    await expect(reading).rejects.toMatchObject({ code: "store_unreachable" });
    expect(await get(storage, "counter")).toBe("1");
  });

  it("does a transaction once when the answer to its commit is lost, and once when the commit is", async () => {
    const { url } = await testDatabase();
    const way = await openDamagedWay(url);
    const storage = await openOn(way.url);
    way.cut("answer to COMMIT");
    expect(await increment(storage)).toBe(1);
    expect(await get(storage, "counter")).toBe("1");
    way.cut("COMMIT");
    await increment(storage);
    expect(await get(storage, "counter")).toBe("2");
    expect(way.cuts).toBe(2);
  });

  it("does nothing of a transaction that it is gone for, and the next one goes on when it is back", async () => {
    const { url } = await testDatabase();
    const way = await openDamagedWay(url);
    const storage = await openOn(way.url);
    way.close();
    await expect(increment(storage)).rejects.toMatchObject({ code: "store_unreachable" });
    await expect(get(storage, "counter")).rejects.toMatchObject({ code: "store_unreachable" });
    way.reopen();
    await increment(storage);
    expect(await get(storage, "counter")).toBe("1");
  });
});

describe("a database that crashes", () => {
  it("has all that was acknowledged when it is back, and nothing that was refused", async () => {
    const { url, crash, restart, remove } = await startCluster({ settings: { fsync: "on" } });
    onTestFinished(remove);
    const storage = await openOn(url);
    const sums = { done: 0, unknown: 0 };
    const enough = gate();
    const work = async () => {
      for (;;) {
        try {
          await increment(storage);
          sums.done++;
        } catch (thrown) {
          const { code } = thrown as { code: string };
          expect(["store_unreachable", "store_failed"]).toContain(code);
          if (code === "store_failed") sums.unknown++;
          return;
        }
        if (sums.done === 60) enough.open();
      }
    };
    const working = Promise.all(Array.from({ length: 4 }, work));
    await enough.opened;
    await crash();
    await working;
    await restart();
    const counted = Number(await get(storage, "counter"));
    expect(counted).toBeGreaterThanOrEqual(sums.done);
    expect(counted).toBeLessThanOrEqual(sums.done + sums.unknown);
    await increment(storage);
    expect(await get(storage, "counter")).toBe(String(counted + 1));

    // A number that was lost in a crash is given again: that transaction's commit is not the lost one's.
    const way = await openDamagedWay(url);
    const cutOff = await openOn(way.url);
    await put(cutOff, "b", "1");
    way.cut("COMMIT", "stalled");
    const lost = put(cutOff, "b", "2").catch((thrown) => thrown);
    await eventually(() => way.cuts === 1);
    await crash();
    await restart();
    await put(storage, "a", "1");
    way.flow();
    expect(await lost).toMatchObject({ code: "store_failed" });
    expect(await get(storage, "b")).toBe("1");
  });
});

describe("nodes on one database", () => {
  it("run a transaction again that somebody without a turn got in the way of", async () => {
    const { storage, sql, schema } = await newStore();
    await put(storage, "counter", "5");
    const change = `UPDATE ${schema}.records SET value = '\\x37' WHERE key = '\\x636f756e746572'`;
    expect(await increment(storage, () => sql(change))).toBe(2);
    expect(await get(storage, "counter")).toBe("8");
  });

  it("give up after some tries, and say so", async () => {
    const { storage, sql, schema } = await newStore();
    await put(storage, "counter", "5");
    const change = `UPDATE ${schema}.records SET value = value || '\\x30' WHERE key = '\\x636f756e746572'`;
    const never = storage.transact(async (tx) => {
      await tx.get(bytes("counter"));
      await sql(change);
      await tx.put(bytes("counter"), bytes("1"));
    });
    await expect(never).rejects.toMatchObject({ code: "busy" });
  });

  it("take turns: none of 400 increments of two nodes is lost, or fails for the other's sake", async () => {
    const { url, storage } = await newStore();
    const nodes = [storage, await openOn(url)];
    const runs = await Promise.all(Array.from({ length: 200 }, () => nodes.map((node) => increment(node))).flat());
    expect(await get(storage, "counter")).toBe("400");
    // Once to see what it reads, and once for good.
    expect(Math.max(...runs)).toBe(2);
  });

  it("wait no longer than its turn lasts for one that has come to a stand, and that one runs again", async () => {
    const { url, storage } = await newStore({ timeouts: { idle: 100 } });
    const other = await openOn(url);
    const { opened: mayGoOn, open } = gate();
    const inside = gate();
    const stalled = increment(storage, () => {
      inside.open();
      return mayGoOn;
    });
    await inside.opened;
    await increment(other);
    open();
    expect(await stalled).toBe(2);
    expect(await get(other, "counter")).toBe("2");
  });
});

describe("being alone with a store in a database", () => {
  it("takes that nobody else has it open, and keeps everybody out meanwhile", async () => {
    const { url, storage } = await newStore();
    const other = await openOn(url);
    await expect(storage.alone(async () => "never")).rejects.toMatchObject({ code: "store_in_use" });
    await other.close();
    const inside = await storage.alone(async () => {
      await expect(openOn(url)).rejects.toMatchObject({ code: "store_in_use" });
      await put(storage, "a", "1");
      return Promise.all(Array.from({ length: 6 }, () => get(storage, "a")));
    });
    expect(inside).toEqual(Array(6).fill("1"));
    await expect(openOn(url)).resolves.toBeDefined();
  });

  it("ends with what it was for, also when that throws", async () => {
    const { url, storage } = await newStore();
    await expect(storage.alone(() => Promise.reject(new Error("no")))).rejects.toThrow("no");
    await expect(openOn(url)).resolves.toBeDefined();
  });
});
