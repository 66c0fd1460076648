import { randomBytes } from "node:crypto";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { ADMIN_STRETCH_FLOOR } from "../../packages/server/src/barrier/admin-password.js";
import { createBarrier } from "../../packages/server/src/barrier/barrier.js";
import { parsePostgresUrl } from "../../packages/server/src/postgres-url.js";
import { initialiseStore } from "../../packages/server/src/services/store.js";
import { openLmdbStorage } from "../../packages/server/src/storage/lmdb.js";
import { openPostgresStorage } from "../../packages/server/src/storage/postgres.js";
import type { Storage } from "../../packages/server/src/storage/storage.js";

/** The least that posternd accepts of a store: each of its starts takes a quarter of what its own stores cost. */
export const leastStretch = { stretch: ADMIN_STRETCH_FLOOR } as const;

/** Makes a store that posternd opens, as `posternd start --init` does but for how much its password is stretched. */
export async function makeReadyStore(directory: string, password: string): Promise<void> {
  if (existsSync(join(directory, "store.mdb"))) return;
  await fill(await openLmdbStorage({ directory, create: true }), password);
}

/** The same in a database; where there is a store already it fails. */
export async function makeReadyDatabase(url: string, password: string): Promise<void> {
  const server = parsePostgresUrl(url);
  await fill(await openPostgresStorage({ server, password: async () => undefined, create: true }), password);
}

async function fill(storage: Storage, password: string): Promise<void> {
  try {
    const barrier = await createBarrier(storage, Buffer.from(password), leastStretch);
    await initialiseStore(barrier, { now: Date.now, random: randomBytes }, ["localhost"]);
    await barrier.close();
  } finally {
    await storage.close();
  }
}
