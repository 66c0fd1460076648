import { X509Certificate } from "node:crypto";
import { setImmediate as turn } from "node:timers/promises";
import type { Fingerprint } from "@postern/shared/fingerprint";
import type { NodeId } from "@postern/shared/ids";
import type { Barrier, SealedReadTransaction } from "../barrier/barrier.js";
import { HEADER_FORMAT } from "../barrier/header.js";
import { identityFingerprint } from "../identity/identity-key.js";
import { scanAccounts } from "../records/account.js";
import type { ChainHead } from "../records/audit-chain.js";
import { type AuditRow, auditHead, type DamagedRow, readAudit } from "../records/audit-log.js";
import type { Budget } from "../records/budget.js";
import { scanDevices } from "../records/device.js";
import type { StoredLogLevel } from "../records/log-level.js";
import type { Presence } from "../records/presence.js";
import { scanSessions } from "../records/session.js";
import { scanStrangerCounters } from "../records/stranger-counter.js";
import { isUsable } from "./applications/api-keys.js";
import { listApiKeys } from "./applications/key-care.js";
import { AUDIT_PAGE } from "./audit-pages.js";
import { budgetState, CODE_FAILURES_MAX } from "./budget.js";
import { type ChallengeFigures, challengeFigures } from "./challenges/figures.js";
import type { KeyView } from "./key-schedule.js";
import { isLive } from "./live-session.js";
import { storedLogLevel } from "./log-level.js";
import { chainsOf, labelOf, type NamedChain, ofChain } from "./nodes.js";
import { runningServers, silentServers } from "./presence.js";
import { storedIdentityOf } from "./server-identity.js";
import { listSigningKeys } from "./signing-keys.js";
import { readSettings } from "./store.js";
import { ensureStretchCensus, readStretchCensus } from "./stretching.js";

/** A store as an operator looks at it. Times are in milliseconds since 1970. */
export interface StoreStatus {
  readonly format: number;
  readonly since: number;
  /** Records by the term that seals them. */
  readonly terms: ReadonlyMap<number | undefined, number>;
  /** Of all chains together; the head is that of the store's own. */
  readonly audit: ChainHead;
  readonly nodes: readonly NodeView[];
  readonly fingerprint: Fingerprint;
  readonly leafEnds: number;
  readonly accounts: number;
  readonly sessions: number;
  /** Those that applications can use. */
  readonly apiKeys: number;
  readonly challenges: ChallengeFigures;
  readonly budgets: Budgets;
  readonly signingKeys: readonly KeyView[];
  readonly logLevel: StoredLogLevel | undefined;
  /** The last start and the last stop, as far as the end of the log tells. */
  readonly lastStart: number | undefined;
  readonly lastStop: number | undefined;
  readonly servers: readonly Presence[];
  /** Those of the last day that were killed or cut off. */
  readonly silent: readonly Presence[];
}

/** A node's chain, the store's own in front. */
export interface NodeView extends ChainHead {
  readonly node: string;
  /** When its last entry was written; undefined where that does not open. */
  readonly lastEntry: number | undefined;
}

/** Who is kept waiting, or kept out, now. */
export interface Budgets {
  /** Names whose passwords strangers may not guess at for a while. */
  readonly names: number;
  /** Accounts and devices whose codes are not looked at for a while, or devices whose passwords are not. */
  readonly accounts: number;
  readonly devices: number;
  /** Accounts and devices whose codes are refused until a recovery code opens them. */
  readonly locked: number;
}

export async function readStatus(barrier: Barrier, now: number): Promise<StoreStatus> {
  await ensureStretchCensus(barrier);
  const { createdAt } = await readSettings(barrier);
  const { identity, leaf } = await storedIdentityOf(barrier);
  const { generations } = await readStretchCensus({ barrier });
  const chains = await chainsOf(barrier);
  const nodes = await barrier.read((tx) => nodeViews(tx, chains));
  return {
    format: HEADER_FORMAT,
    since: createdAt,
    terms: await barrier.countTerms(),
    audit: { length: nodes.reduce((sum, { length }) => sum + length, 0), hash: nodes[0]?.hash ?? "" },
    nodes,
    fingerprint: identityFingerprint(identity),
    leafEnds: Date.parse(new X509Certificate(leaf.certificateDer).validTo),
    accounts: generations.reduce((sum, { accounts }) => sum + accounts, 0),
    sessions: await liveSessions(barrier, now),
    apiKeys: (await listApiKeys({ barrier })).filter((key) => isUsable(key, now)).length,
    challenges: await challengeFigures(barrier),
    budgets: await readBudgets(barrier, now),
    signingKeys: await listSigningKeys({ barrier, now: () => now }),
    logLevel: await storedLogLevel(barrier, now),
    ...(await lastService(
      barrier,
      chains.map(({ node }, at) => ({ node, length: nodes[at]?.length ?? 0 })),
    )),
    servers: await runningServers(barrier, now),
    silent: await silentServers(barrier, now),
  };
}

/** Records that are read in one go: logins wait no longer than that takes. */
const PAGE = 256;

type Page<T> = (
  tx: Parameters<Parameters<Barrier["read"]>[0]>[0],
  after: Buffer | undefined,
  limit: number,
) => Promise<{ readonly items: readonly T[]; readonly next: Buffer | undefined }>;

async function count<T>(barrier: Barrier, page: Page<T>, counts: (item: T) => void): Promise<void> {
  let after: Buffer | undefined;
  do {
    const from = after;
    const { items, next } = await barrier.read((tx) => page(tx, from, PAGE));
    for (const item of items) counts(item);
    after = next;
    await turn();
  } while (after !== undefined);
}

async function liveSessions(barrier: Barrier, now: number): Promise<number> {
  let live = 0;
  const page: Page<Parameters<typeof isLive>[0]> = async (tx, after, limit) => {
    const { sessions, next } = await scanSessions(tx, after, limit);
    return { items: sessions, next };
  };
  await count(barrier, page, (session) => {
    live += Number(isLive(session, now));
  });
  return live;
}

async function readBudgets(barrier: Barrier, now: number): Promise<Budgets> {
  const sum = { names: 0, accounts: 0, devices: 0, locked: 0 };
  const names: Page<Budget> = async (tx, after, limit) => {
    const { counters, next } = await scanStrangerCounters(tx, after, limit);
    return { items: counters.map(({ counter }) => counter), next };
  };
  const accounts: Page<Budget> = async (tx, after, limit) => {
    const { accounts: listed, next } = await scanAccounts(tx, after, limit);
    return { items: listed.flatMap(({ account }) => account?.codeBudget ?? []), next };
  };
  const devices: Page<{ passwordBudget: Budget; codeBudget: Budget }> = async (tx, after, limit) => {
    const { devices: items, next } = await scanDevices(tx, after, limit);
    return { items, next };
  };
  const codesOf = (budget: Budget) => budgetState(budget, now, CODE_FAILURES_MAX).kind;
  const isBlocked = (budget: Budget) => budgetState(budget, now).kind === "blocked";
  await count(barrier, names, (counter) => {
    sum.names += Number(isBlocked(counter));
  });
  await count(barrier, accounts, (budget) => {
    const state = codesOf(budget);
    sum.accounts += Number(state === "blocked");
    sum.locked += Number(state === "locked");
  });
  await count(barrier, devices, ({ passwordBudget, codeBudget }) => {
    const state = codesOf(codeBudget);
    sum.devices += Number(state === "blocked" || isBlocked(passwordBudget));
    sum.locked += Number(state === "locked");
  });
  return sum;
}

async function nodeViews(tx: SealedReadTransaction, chains: readonly NamedChain[]): Promise<NodeView[]> {
  const views: NodeView[] = [];
  for (const chain of chains) {
    const { node, name } = chain;
    const head = await ofChain(labelOf(chains, chain), () => auditHead(tx, node));
    const [last] = await readAudit(tx, node, { from: Math.max(0, head.length - 1), to: head.length });
    const lastEntry = last === undefined || "damaged" in last ? undefined : last.time;
    views.push({ node: name, ...head, lastEntry });
  }
  return views;
}

/** How far back the log is searched: a busy server may have run for a million entries. */
const SEARCHED = 20 * AUDIT_PAGE;

type Service = Pick<StoreStatus, "lastStart" | "lastStop">;

interface ChainLength {
  readonly node: NodeId;
  readonly length: number;
}

async function lastService(barrier: Barrier, chains: readonly ChainLength[]): Promise<Service> {
  const latest: { lastStart: number | undefined; lastStop: number | undefined } = {
    lastStart: undefined,
    lastStop: undefined,
  };
  for (const chain of chains) {
    const found = await lastServiceIn(barrier, chain);
    latest.lastStart = laterOf(latest.lastStart, found.get("server.start"));
    latest.lastStop = laterOf(latest.lastStop, found.get("server.stop"));
  }
  return latest;
}

const laterOf = (one: number | undefined, other: number | undefined) =>
  one === undefined || other === undefined ? (one ?? other) : Math.max(one, other);

async function lastServiceIn(barrier: Barrier, { node, length }: ChainLength): Promise<ReadonlyMap<string, number>> {
  const found = new Map<string, number>();
  for (let to = length; to > Math.max(0, length - SEARCHED) && found.size < 2; to -= AUDIT_PAGE) {
    const from = Math.max(0, to - AUDIT_PAGE);
    const rows = await barrier.read((tx) => readAudit(tx, node, { from, to }));
    for (const row of rows.reverse()) note(row, found);
    await turn();
  }
  return found;
}

function note(row: AuditRow | DamagedRow, found: Map<string, number>): void {
  if ("damaged" in row || !/^server\.(start|stop)$/.test(row.event) || found.has(row.event)) return;
  found.set(row.event, row.time);
}
