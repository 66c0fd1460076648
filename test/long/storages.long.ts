import { describe, expect, it, onTestFinished } from "vitest";
import { parsePostgresUrl } from "../../packages/server/src/postgres-url.js";
import { openLmdbStorage } from "../../packages/server/src/storage/lmdb.js";
import { createMemoryStorage } from "../../packages/server/src/storage/memory.js";
import { openPostgresStorage } from "../../packages/server/src/storage/postgres.js";
import { seededRandom } from "../support/crash-random.js";
import { temporaryDirectory } from "../support/in-process.js";
import { testDatabase } from "../support/postgres.js";
import { compareStorages } from "../support/storages.js";

const OPERATIONS = Number(process.env["POSTERN_TEST_OPERATIONS"] ?? 100_000);

describe("LMDB, memory and PostgreSQL", () => {
  it("do not differ in a hundred thousand random operations", { timeout: 60_000 + OPERATIONS * 100 }, async () => {
    const lmdb = await openLmdbStorage({ directory: await temporaryDirectory(), create: true, mapSize: 2 ** 28 });
    const { url } = await testDatabase();
    const server = parsePostgresUrl(url);
    const node = () => openPostgresStorage({ server, password: async () => undefined, create: true });
    const nodes = [await node(), await node()];
    onTestFinished(async () => void (await Promise.all([lmdb, ...nodes].map((storage) => storage.close()))));
    const stores = [
      { name: "memory", nodes: [createMemoryStorage()] },
      { name: "lmdb", nodes: [lmdb] },
      { name: "postgres", nodes },
    ];
    await expect(compareStorages(stores, seededRandom("storages"), OPERATIONS)).resolves.toBeUndefined();
  });
});
