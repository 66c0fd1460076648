import { newDatabase } from "../../../../test/support/postgres.js";
import { parsePostgresUrl } from "../../src/postgres-url.js";
import { openPostgresStorage } from "../../src/storage/postgres.js";
import { storageConformance } from "./conformance.js";

storageConformance("postgres", async () => {
  const { database, remove } = await newDatabase();
  const server = parsePostgresUrl(database.url);
  return { storage: await openPostgresStorage({ server, password: async () => undefined, create: true }), remove };
});
