import { createPrivateKey, X509Certificate } from "node:crypto";
import { PosternError } from "@postern/shared/errors";
import { type Fingerprint, fingerprintOf, sameFingerprint } from "@postern/shared/fingerprint";
import { SUCCESSORS_MAX, type SuccessorStatement, signSuccessor } from "@postern/shared/successor";
import type { Barrier, SealedReadTransaction, SealedWriteTransaction } from "../barrier/barrier.js";
import {
  createIdentity,
  identityCreatedAt,
  identityFingerprint,
  identitySpki,
  type ServerIdentity,
} from "../identity/identity-key.js";
import { hostsOf, issueLeaf, type Leaf, leafExpiresAt, leafNeedsRenewal } from "../identity/leaf-certificate.js";
import { appendAudit } from "../records/audit-log.js";
import {
  type FormerIdentity,
  getServerIdentity,
  putServerIdentity,
  type StoredIdentity,
} from "../records/server-identity.js";
import type { AuditContext } from "./context.js";

type Tools = { readonly now: () => number; readonly random: (size: number) => Buffer };

/** What a server shows of itself. The private keys in it are secrets. */
export interface CurrentIdentity {
  readonly identity: ServerIdentity;
  readonly leaf: Leaf;
  /** How this identity came to be the one, newest first: what a client that pinned an earlier one may go by. */
  readonly successors: readonly SuccessorStatement[];
}

/** Earlier identities of which the record tells; enough for an operator to look back on. */
const FORMER_MAX = 32;

export async function putFirstIdentity(
  tx: SealedWriteTransaction,
  { identity, leaf }: Pick<CurrentIdentity, "identity" | "leaf">,
): Promise<void> {
  await putServerIdentity(tx, { ...toStored(identity), leaf: storedLeaf(leaf), sequence: 1, former: [] });
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
): Promise<CurrentIdentity> {
  const stored = await barrier.read(storedIdentity);
  const current = fromStored(stored);
  const { identity, leaf } = current;
  const now = tools.now();
  if (!leafNeedsRenewal(leaf, { identity, hosts, now })) return current;
  const renewed = await issueLeaf(identity, { hosts: [...hostsOf(leaf), ...hosts], now, random: tools.random });
  return barrier.transact(async (tx) => {
    const latest = await storedIdentity(tx);
    // Another process was first, or the identity is another one now: what is stored counts.
    if (!latest.leaf.certificate.equals(stored.leaf.certificate)) return fromStored(latest);
    await putServerIdentity(tx, { ...latest, leaf: storedLeaf(renewed) });
    return { ...current, leaf: renewed };
  });
}

/** The identity and the last leaf, as they are stored. @throws PosternError `store_damaged` */
export async function storedIdentityOf(barrier: Barrier): Promise<CurrentIdentity> {
  return fromStored(await barrier.read(storedIdentity));
}

/** Whether the store still has the identity and the leaf that a server shows: one short read, for every few seconds. */
export async function isCurrent(barrier: Barrier, { leaf }: Pick<CurrentIdentity, "leaf">): Promise<boolean> {
  const stored = await barrier.read(storedIdentity);
  forget(stored);
  return stored.leaf.certificate.equals(leaf.certificateDer);
}

export interface FormerView {
  readonly fingerprint: Fingerprint;
  readonly createdAt: number;
  readonly endedAt: number;
  /**
   * Whether clients that pinned it are led to the present identity: `cut-off` when a later one has no statement, or
   * when there were too many since.
   */
  readonly successor: "published" | "cut-off" | "none";
}

export interface IdentityView {
  readonly fingerprint: Fingerprint;
  /** PEM: what signs the leaves, for programs that verify the HTTPS port by it. */
  readonly certificate: string;
  readonly createdAt: number;
  readonly leaf: { readonly expiresAt: number; readonly hosts: readonly string[] };
  /** The newest first. */
  readonly former: readonly FormerView[];
}

/** The identity as an operator may see it: no private key. */
export async function viewIdentity(barrier: Barrier): Promise<IdentityView> {
  const stored = await barrier.read(storedIdentity);
  forget(stored);
  return viewOf(stored);
}

export interface IdentityRotation {
  /** False when somebody else was first: then nothing was done. */
  readonly rotated: boolean;
  readonly identity: IdentityView;
}

/**
 * Makes a new identity. The old one signs the statement that names it, unless it may have been stolen, and its private
 * key goes with the transaction that puts the new one in its place. `seen` is the identity that is to go: of two
 * operators who rotate at once, one finds it gone.
 * @throws PosternError `store_damaged`
 */
export async function rotateIdentity(
  { barrier, node, now, random }: AuditContext,
  { seen, successor }: { readonly seen: Fingerprint; readonly successor: boolean },
): Promise<IdentityRotation> {
  const { hosts } = (await viewIdentity(barrier)).leaf;
  const identity = await createIdentity({ now: now(), random });
  const leaf = await issueLeaf(identity, { hosts, now: now(), random });
  const outcome = await barrier.transact(async (tx) => {
    const old = await storedIdentity(tx);
    if (!sameFingerprint(identityFingerprint({ certificateDer: old.certificate }), seen))
      return { rotated: false, stored: old };
    const former = [...old.former, formerOf(old, identity, { now: now(), successor })].slice(-FORMER_MAX);
    const stored = { ...toStored(identity), leaf: storedLeaf(leaf), sequence: old.sequence + 1, former };
    await putServerIdentity(tx, stored);
    const reason = successor ? "successor" : "no_successor";
    await appendAudit(tx, node, { event: "identity.rotate", outcome: "done", reason, time: now() }, random);
    old.privateKey.fill(0);
    return { rotated: true, stored };
  });
  const view = viewOf(outcome.stored);
  forget(outcome.stored);
  for (const { privateKeyPkcs8 } of [identity, leaf]) privateKeyPkcs8.fill(0);
  return { rotated: outcome.rotated, identity: view };
}

function formerOf(
  old: StoredIdentity,
  next: ServerIdentity,
  { now, successor }: { readonly now: number; readonly successor: boolean },
): FormerIdentity {
  const { sequence, certificate: certificateDer } = old;
  const key = createPrivateKey({ key: old.privateKey, format: "der", type: "pkcs8" });
  const statement = { from: identitySpki({ certificateDer }), to: identitySpki(next), sequence, time: inSeconds(now) };
  return {
    publicKey: statement.from,
    sequence,
    createdAt: identityCreatedAt({ certificateDer }),
    endedAt: now,
    ...(successor && { successorSignature: signSuccessor(key, statement).signature }),
  };
}

/** The statements that lead to the present identity without a gap, newest first, as many as a client is told. */
function successorsOf({ certificate, former }: StoredIdentity): SuccessorStatement[] {
  const statements: SuccessorStatement[] = [];
  let to = identitySpki({ certificateDer: certificate });
  for (const { publicKey: from, sequence, endedAt, successorSignature: signature } of former.toReversed()) {
    if (signature === undefined || statements.length === SUCCESSORS_MAX) break;
    statements.push({ from, to, sequence, time: inSeconds(endedAt), signature });
    to = from;
  }
  return statements;
}

function viewOf(stored: StoredIdentity): IdentityView {
  const identity = { certificateDer: stored.certificate };
  const leaf = { certificateDer: stored.leaf.certificate };
  const published = successorsOf(stored).length;
  return {
    fingerprint: identityFingerprint(identity),
    certificate: new X509Certificate(stored.certificate).toString(),
    createdAt: identityCreatedAt(identity),
    leaf: { expiresAt: leafExpiresAt(leaf), hosts: hostsOf(leaf) },
    former: stored.former.toReversed().map((former, index) => ({
      fingerprint: fingerprintOf(former.publicKey),
      createdAt: former.createdAt,
      endedAt: former.endedAt,
      successor: former.successorSignature === undefined ? "none" : index < published ? "published" : "cut-off",
    })),
  };
}

async function storedIdentity(tx: SealedReadTransaction): Promise<StoredIdentity> {
  const stored = await getServerIdentity(tx);
  if (stored === undefined) throw new PosternError("store_damaged", { detail: "the server identity is missing" });
  return stored;
}

/** Wipes the private keys of a record that was read for something else. */
function forget({ privateKey, leaf }: StoredIdentity): void {
  privateKey.fill(0);
  leaf.privateKey.fill(0);
}

function fromStored(stored: StoredIdentity): CurrentIdentity {
  const { privateKey, certificate, leaf } = stored;
  return {
    identity: { privateKeyPkcs8: privateKey, certificateDer: certificate },
    leaf: { privateKeyPkcs8: leaf.privateKey, certificateDer: leaf.certificate },
    successors: successorsOf(stored),
  };
}

function toStored({
  privateKeyPkcs8,
  certificateDer,
}: ServerIdentity): Pick<StoredIdentity, "privateKey" | "certificate"> {
  return { privateKey: privateKeyPkcs8, certificate: certificateDer };
}

function storedLeaf({ privateKeyPkcs8, certificateDer }: Leaf): StoredIdentity["leaf"] {
  return { privateKey: privateKeyPkcs8, certificate: certificateDer };
}

const inSeconds = (milliseconds: number) => Math.floor(milliseconds / 1000);
