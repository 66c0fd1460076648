import { PosternError } from "@postern/shared/errors";
import { type NodeId, newId } from "@postern/shared/ids";
import { RECOVERY_CODES } from "@postern/shared/otp/recovery-code";
import type { Barrier, SealedReadTransaction, SealedWriteTransaction } from "../barrier/barrier.js";
import { createIdentity, type ServerIdentity } from "../identity/identity-key.js";
import { hostsOf, issueLeaf, type Leaf, leafNeedsRenewal } from "../identity/leaf-certificate.js";
import { putDummyAccount } from "../records/account.js";
import { appendAudit, auditHead, beginAudit } from "../records/audit-log.js";
import { untouchedBudget } from "../records/budget.js";
import { recordKey, wholeRange } from "../records/keys.js";
import { getServerIdentity, putServerIdentity, type StoredIdentity } from "../records/server-identity.js";
import { getSettings, putSettings, type Settings } from "../records/settings.js";
import { putStretchCensus } from "../records/stretch-census.js";
import { createAuditKey } from "./audit-key.js";
import { newTotpFactor } from "./enrolment.js";
import { createSigningKey } from "./signing-keys.js";
import { firstCensus } from "./stretching.js";

type Tools = { readonly now: () => number; readonly random: (size: number) => Buffer };

/**
 * Makes what a store must have before a server can run on it, in one transaction: its settings, the record that
 * stands in for unknown names, the identity, the keys that sign tokens and audit checkpoints, and the first entry of the
 * audit chain.
 */
export async function initialiseStore(barrier: Barrier, tools: Tools, hosts: readonly string[]): Promise<void> {
  const identity = await createIdentity({ now: tools.now(), random: tools.random });
  const leaf = await issueLeaf(identity, { hosts, now: tools.now(), random: tools.random });
  await barrier.transact(async (tx) => {
    if ((await getSettings(tx)) !== undefined) return;
    const node = newId("node", tools.random);
    await putSettings(tx, { node, createdAt: tools.now() });
    await putDummy(tx, tools);
    await putStretchCensus(tx, firstCensus);
    await putServerIdentity(tx, toStored(identity, leaf));
    await createSigningKey(tx, tools);
    await createAuditKey(tx, tools);
    await beginAudit(tx, node);
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

/**
 * The identity, and a leaf that is good for these hosts among others: a new one is made, and stored, when the last one
 * is not. The new one is for the last one's hosts too, so that processes with different hosts share it.
 * @throws PosternError `store_damaged`
 */
export async function currentIdentity(
  barrier: Barrier,
  tools: Tools,
  hosts: readonly string[],
): Promise<{ identity: ServerIdentity; leaf: Leaf }> {
  const stored = await barrier.read(storedIdentity);
  const { identity, leaf } = fromStored(stored);
  const now = tools.now();
  if (!leafNeedsRenewal(leaf, { identity, hosts, now })) return { identity, leaf };
  const renewed = await issueLeaf(identity, { hosts: [...hostsOf(leaf), ...hosts], now, random: tools.random });
  return barrier.transact(async (tx) => {
    const current = await storedIdentity(tx);
    // Another process was first, or the identity is another one now: what is stored counts.
    if (!current.leaf.certificate.equals(stored.leaf.certificate)) return fromStored(current);
    await putServerIdentity(tx, toStored(identity, renewed));
    return { identity, leaf: renewed };
  });
}

/** The identity and the last leaf, as they are stored. @throws PosternError `store_damaged` */
export async function storedIdentityOf(barrier: Barrier): Promise<{ identity: ServerIdentity; leaf: Leaf }> {
  return fromStored(await barrier.read(storedIdentity));
}

async function storedIdentity(tx: SealedReadTransaction): Promise<StoredIdentity> {
  const stored = await getServerIdentity(tx);
  if (stored === undefined) throw new PosternError("store_damaged", { detail: "the server identity is missing" });
  return stored;
}

function fromStored({ privateKey, certificate, leaf }: StoredIdentity): { identity: ServerIdentity; leaf: Leaf } {
  return {
    identity: { privateKeyPkcs8: privateKey, certificateDer: certificate },
    leaf: { privateKeyPkcs8: leaf.privateKey, certificateDer: leaf.certificate },
  };
}

function toStored(identity: ServerIdentity, leaf: Leaf): StoredIdentity {
  return {
    privateKey: identity.privateKeyPkcs8,
    certificate: identity.certificateDer,
    leaf: { privateKey: leaf.privateKeyPkcs8, certificate: leaf.certificateDer },
  };
}

/**
 * Whether a transaction can be had, opened and made durable: what a login needs. It writes, and leaves nothing: a
 * transaction that changes nothing would succeed on a full disk too.
 */
export async function probeStore(barrier: Barrier): Promise<void> {
  await barrier.transact(async (tx) => {
    if ((await getSettings(tx)) === undefined) throw new PosternError("store_damaged");
    await tx.put(recordKey("probe"), Buffer.of(1));
    await tx.delete(recordKey("probe"));
  });
}

/** How many entries the audit chain of a node has, those that retention has removed included. */
export async function auditLength(barrier: Barrier, node: NodeId): Promise<number> {
  return (await barrier.read((tx) => auditHead(tx, node))).length;
}

/** Records that a server began or ended its service. */
export async function auditService(barrier: Barrier, node: NodeId, tools: Tools, event: string): Promise<void> {
  await barrier.transact((tx) => appendAudit(tx, node, { event, outcome: "done", time: tools.now() }, tools.random));
}

/** As large as a real account, so that reading it takes as long. Its verifier is never used for anything. */
async function putDummy(tx: SealedWriteTransaction, tools: Tools): Promise<void> {
  const { now, random } = tools;
  await putDummyAccount(tx, {
    id: newId("account", random),
    identity: "nobody",
    createdAt: now(),
    verifier: random(256),
    stretch: firstCensus.current,
    passwordVersion: 0,
    factors: [newTotpFactor(tools, { label: "authenticator" })],
    recovery: Array.from({ length: RECOVERY_CODES }, () => random(32)),
    codeBudget: untouchedBudget,
  });
}
