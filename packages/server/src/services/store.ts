import { PosternError } from "@postern/shared/errors";
import { type NodeId, newId } from "@postern/shared/ids";
import { RECOVERY_CODES } from "@postern/shared/otp/recovery-code";
import type { Barrier, SealedWriteTransaction } from "../barrier/barrier.js";
import { createIdentity } from "../identity/identity-key.js";
import { issueLeaf } from "../identity/leaf-certificate.js";
import { putDummyAccount } from "../records/account.js";
import { appendAudit, beginAudit, chainLengths } from "../records/audit-log.js";
import { untouchedBudget } from "../records/budget.js";
import { recordKey, wholeRange } from "../records/keys.js";
import { getSettings, putSettings, type Settings } from "../records/settings.js";
import { putStretchCensus } from "../records/stretch-census.js";
import { createAuditKey } from "./audit-key.js";
import { newTotpFactor } from "./enrolment.js";
import { putFirstIdentity } from "./server-identity.js";
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
    await putFirstIdentity(tx, { identity, leaf });
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

/** How many entries all chains of the audit log have, those that retention has removed included. */
export async function auditLength(barrier: Barrier): Promise<number> {
  const lengths = await barrier.read((tx) => chainLengths(tx));
  return [...lengths.values()].reduce((sum, length) => sum + length, 0);
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
