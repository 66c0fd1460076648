/**
 * Makes what the published inputs of store files, certificates and successor statements are changes of: a small sound
 * store, a chain of certificates, and the statements of an identity that was replaced twice. With other ones the published inputs mean nothing, so this is run again only together with the fuzzer.
 */
import { createPrivateKey } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { createIdentity, identitySpki } from "../../../packages/server/dist/identity/identity-key.js";
import { issueLeaf } from "../../../packages/server/dist/identity/leaf-certificate.js";
import { openLmdbStorage } from "../../../packages/server/dist/storage/lmdb.js";
import { encodeSuccessor, signSuccessor } from "../../../packages/shared/dist/successor.js";
import { randomOf } from "./random.mjs";

const corpus = new URL("../../corpus/", import.meta.url);

/** Two levels of pages, values on pages of their own, and pages that were freed. */
async function soundStore() {
  const directory = mkdtempSync(join(tmpdir(), "postern-fixture-"));
  const random = randomOf(1);
  const storage = await openLmdbStorage({ directory, create: true });
  for (let round = 0; round < 4; round++) {
    await storage.transact(async (tx) => {
      for (let count = 0; count < 12; count++) {
        const key = Buffer.from(`key${random.below(40)}`);
        if (random.below(4) === 0) await tx.delete(key);
        else await tx.put(key, Buffer.alloc(random.below(8) === 0 ? 5000 : random.below(400), count));
      }
    });
  }
  await storage.close();
  const file = readFileSync(join(directory, "store.mdb"));
  rmSync(directory, { recursive: true });
  return file;
}

const now = Date.UTC(2026, 10, 21, 12);
const identity = await createIdentity({ now });
const leaf = await issueLeaf(identity, { hosts: ["localhost"], now });
const base64 = ({ certificateDer }) => certificateDer.toString("base64");

writeFileSync(new URL("store.mdb.gz", corpus), gzipSync(await soundStore(), { level: 9 }));
const chain = { now, leaf: base64(leaf), identity: base64(identity) };
writeFileSync(new URL("certificates.json", corpus), `${JSON.stringify(chain, null, 2)}\n`);

const identities = [identity, await createIdentity({ now }), await createIdentity({ now })];
const successors = identities.slice(1).map((next, index) => {
  const { privateKeyPkcs8, certificateDer } = identities[index];
  const key = createPrivateKey({ key: privateKeyPkcs8, format: "der", type: "pkcs8" });
  const from = identitySpki({ certificateDer });
  return encodeSuccessor(signSuccessor(key, { from, to: identitySpki(next), sequence: index + 1, time: now / 1000 }));
});
writeFileSync(
  new URL("successors.json", corpus),
  `${JSON.stringify({ successors: successors.toReversed() }, null, 2)}\n`,
);
