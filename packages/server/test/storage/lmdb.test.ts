import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openLmdbStorage } from "../../src/storage/lmdb.js";
import { storageConformance } from "./conformance.js";

storageConformance("lmdb", async () => {
  const directory = await mkdtemp(join(tmpdir(), "postern-lmdb-"));
  return {
    storage: await openLmdbStorage({ directory, create: true }),
    remove: () => rm(directory, { recursive: true }),
  };
});
