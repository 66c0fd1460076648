import { onTestFinished } from "vitest";
import { type TestDatabase, testDatabase } from "../../../../test/support/postgres.js";
import { type PostgresServer, parsePostgresUrl } from "../../src/postgres-url.js";
import { openPostgresStorage, type PostgresOptions, type PostgresStorage } from "../../src/storage/postgres.js";

export const bytes = (text: string) => Buffer.from(text, "latin1");

export type Open = Partial<Omit<PostgresOptions, "server">> & { readonly server?: Partial<PostgresServer> };

/** Opens the store of a URL, and closes it when the test ends. */
export async function openOn(url: string, { server, ...options }: Open = {}): Promise<PostgresStorage> {
  const storage = await openPostgresStorage({
    server: { ...parsePostgresUrl(url), ...server },
    password: async () => undefined,
    create: true,
    ...options,
  });
  onTestFinished(() => storage.close());
  return storage;
}

/** A new store in a database. */
export async function newStore(options: Open = {}): Promise<TestDatabase & { readonly storage: PostgresStorage }> {
  const database = await testDatabase();
  return { ...database, storage: await openOn(database.url, options) };
}

export const put = (storage: PostgresStorage, key: string, value: string) =>
  storage.transact((tx) => tx.put(bytes(key), bytes(value)));

export const get = async (storage: PostgresStorage, key: string) =>
  (await storage.read((tx) => tx.get(bytes(key))))?.toString("latin1");

/** Adds one to a number, and gives how often that was tried. */
export async function increment(storage: PostgresStorage, meanwhile?: () => Promise<unknown>): Promise<number> {
  let runs = 0;
  await storage.transact(async (tx) => {
    runs++;
    const before = Number((await tx.get(bytes("counter"))) ?? 0);
    if (runs === 1) await meanwhile?.();
    await tx.put(bytes("counter"), bytes(String(before + 1)));
  });
  return runs;
}
