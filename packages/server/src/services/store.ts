import { PosternError } from "@postern/shared/errors";
import { type NodeId, newId } from "@postern/shared/ids";
import { totpDefaults } from "@postern/shared/otp/parameters";
import { NO_STEP } from "@postern/shared/otp/totp";
import type { Barrier, SealedWriteTransaction } from "../barrier/barrier.js";
import { createIdentity, type ServerIdentity } from "../identity/identity-key.js";
import { issueLeaf, type Leaf, leafNeedsRenewal } from "../identity/leaf-certificate.js";
import { putDummyAccount } from "../records/account.js";
import { appendAudit } from "../records/audit-log.js";
import { untouchedBudget } from "../records/budget.js";
import { wholeRange } from "../records/keys.js";
import { getServerIdentity, putServerIdentity } from "../records/server-identity.js";
import { getSettings, putSettings, type Settings } from "../records/settings.js";
import { createSigningKey } from "./tokens.js";

type Tools = { readonly now: () => number; readonly random: (size: number) => Buffer };

/**
 * Makes what a store must have before a server can run on it, in one transaction: its settings, the record that
 * stands in for unknown names, the identity, the key that signs tokens, and the first entry of the audit chain.
 */
export async function initialiseStore(barrier: Barrier, tools: Tools, hosts: readonly string[]): Promise<void> {
  const identity = await createIdentity({ now: tools.now(), random: tools.random });
  const leaf = await issueLeaf(identity, { hosts, now: tools.now(), random: tools.random });
  await barrier.transact(async (tx) => {
    if ((await getSettings(tx)) !== undefined) return;
    const node = newId("node", tools.random);
    await putSettings(tx, { node, createdAt: tools.now(), accounts: 0 });
    await putDummy(tx, tools);
    await putServerIdentity(tx, storedIdentity(identity, leaf));
    await createSigningKey(tx, tools);
    await appendAudit(tx, node, { event: "store.create", outcome: "done", time: tools.now() }, tools.random);
  });
}

/** Whether nothing was ever stored: then the store is to be initialised, also where a first start was cut short. */
export function isEmpty(barrier: Barrier): Promise<boolean> {
  return barrier.read(async (tx) => (await tx.scan({ ...wholeRange, limit: 1 })).length === 0);
}

/** @throws PosternError `store_damaged` */
export async function readSettings(barrier: Barrier): Promise<Settings> {
  const settings = await barrier.read((tx) => getSettings(tx));
  if (settings === undefined) throw new PosternError("store_damaged", { detail: "the settings record is missing" });
  return settings;
}

/** The identity, and a leaf that is good for these hosts: a new one is made, and stored, when the last one is not. */
export async function currentIdentity(
  barrier: Barrier,
  tools: Tools,
  hosts: readonly string[],
): Promise<{ identity: ServerIdentity; leaf: Leaf }> {
  const stored = await barrier.read((tx) => getServerIdentity(tx));
  if (stored === undefined) throw new PosternError("store_damaged", { detail: "the server identity is missing" });
  const identity = { privateKeyPkcs8: stored.privateKey, certificateDer: stored.certificate };
  const leaf = { privateKeyPkcs8: stored.leaf.privateKey, certificateDer: stored.leaf.certificate };
  const now = tools.now();
  if (!leafNeedsRenewal(leaf, { identity, hosts, now })) return { identity, leaf };
  const renewed = await issueLeaf(identity, { hosts, now, random: tools.random });
  await barrier.transact((tx) => putServerIdentity(tx, storedIdentity(identity, renewed)));
  return { identity, leaf: renewed };
}

/** Records that a server began or ended its service. */
export async function auditService(barrier: Barrier, node: NodeId, tools: Tools, event: string): Promise<void> {
  await barrier.transact((tx) => appendAudit(tx, node, { event, outcome: "done", time: tools.now() }, tools.random));
}

function storedIdentity(identity: ServerIdentity, leaf: Leaf) {
  return {
    privateKey: identity.privateKeyPkcs8,
    certificate: identity.certificateDer,
    leaf: { privateKey: leaf.privateKeyPkcs8, certificate: leaf.certificateDer },
  };
}

/** As large as a real account, so that reading it takes as long. Its verifier is never used for anything. */
async function putDummy(tx: SealedWriteTransaction, { now, random }: Tools): Promise<void> {
  const { algorithm, digits, period } = totpDefaults;
  const secret = random(20);
  await putDummyAccount(tx, {
    id: newId("account", random),
    identity: "nobody",
    createdAt: now(),
    verifier: random(256),
    stretch: 1,
    factors: [
      {
        kind: "totp",
        id: newId("factor", random),
        label: "authenticator",
        secret,
        algorithm,
        digits,
        period,
        lastStep: NO_STEP,
        createdAt: now(),
      },
    ],
    recovery: Array.from({ length: 10 }, () => random(32)),
    codeBudget: untouchedBudget,
  });
}
