/**
 * Fills a store by the records that registrations and first logins leave, without their powers and round trips: the
 * account, the device that was made known, and an audit entry of each of the two.
 */
import { randomFillSync } from "node:crypto";
import { newId } from "@postern/shared/ids";
import { serve } from "./channel.mjs";
import { server } from "./dist.mjs";
import { person } from "./people.mjs";
import { openStore } from "./store.mjs";

const { putAccount } = await server("records/account.js");
const { putDevice } = await server("records/device.js");
const { prefixes } = await server("records/keys.js");
const { untouchedBudget } = await server("records/budget.js");
const { getStretchCensus, putStretchCensus } = await server("records/stretch-census.js");
const { newTotpFactor } = await server("services/enrolment.js");
const { audit } = await server("services/context.js");
const { readSettings } = await server("services/store.js");

const { place } = JSON.parse(process.argv[2]);
const store = await openStore(place);
const { barrier } = store;
const { node } = await readSettings(barrier);

/** Random bytes, drawn many at a time: a million people take a hundred million of them. */
const pool = { bytes: Buffer.alloc(0), at: 0 };

function random(size) {
  if (pool.at + size > pool.bytes.length) Object.assign(pool, { bytes: randomFillSync(Buffer.alloc(65_536)), at: 0 });
  pool.at += size;
  return pool.bytes.subarray(pool.at - size, pool.at);
}

const context = { barrier, node, now: Date.now, random };
const peer = { address: "203.0.113.207", client: "postern 0.1.0" };

/** So many accounts a transaction: few enough to be held in memory. */
const BATCH = 2000;

function accountOf(number) {
  const { name, verifier, secret } = person(number);
  return {
    id: newId("account", random),
    identity: name,
    createdAt: Date.now(),
    verifier,
    stretch: 1,
    passwordVersion: 0,
    factors: [{ ...newTotpFactor(context, { label: "authenticator" }), secret }],
    recovery: Array.from({ length: 10 }, () => random(32)),
    codeBudget: untouchedBudget,
    lastLoginAt: Date.now(),
    auditSince: { [node]: 0 },
  };
}

function deviceOf({ id: account }) {
  const seen = { createdAt: Date.now(), lastSeenAt: Date.now(), ...peer };
  const budgets = { passwordBudget: untouchedBudget, codeBudget: untouchedBudget };
  return { id: newId("device", random), account, passwordVersion: 0, secret: random(32), ...seen, ...budgets };
}

/** What may be put of each account, one of them or all. */
const kinds = {
  account: (tx, account) => putAccount(tx, barrier.nameIndex(account.identity), account),
  device: (tx, account) => putDevice(tx, deviceOf(account)),
  registration: (tx, { id, identity }) =>
    audit(context, tx, peer, { event: "register", outcome: "done", account: id, name: identity }),
  login: (tx, { id, identity }) =>
    audit(context, tx, peer, { event: "login", outcome: "granted", account: id, name: identity, reason: "totp" }),
};

async function fill({ from, to, kinds: wanted = Object.keys(kinds), batch = BATCH }) {
  for (let first = from; first < to; first += batch) {
    const end = Math.min(to, first + batch);
    const accounts = Array.from({ length: end - first }, (_, index) => accountOf(first + index));
    await barrier.transact(async (stored) => {
      const tx = withOneHead(stored);
      for (const account of accounts) for (const kind of wanted) await kinds[kind](tx, account);
      if (wanted.includes("account")) await count(tx, accounts.length);
      await tx.putHead();
    });
    process.send({ number: "progress", answer: end });
  }
  return (await store.usage()).bytes;
}

/**
 * A transaction that stores the head of the audit chain once, at its end, and does not look whether there is an entry
 * beyond it: what is in the store then is the same.
 */
function withOneHead(tx) {
  let head;
  const isHead = (key) => key[0] === prefixes.auditHead;
  return {
    get: async (key) => {
      if (isHead(key) && head !== undefined) return head.value;
      return key[0] === prefixes.auditEntry ? undefined : tx.get(key);
    },
    put: async (key, value) => {
      if (!isHead(key)) return tx.put(key, value);
      head = { key, value };
    },
    putHead: async () => head && tx.put(head.key, head.value),
  };
}

async function count(tx, more) {
  const census = await getStretchCensus(tx);
  const [first, ...rest] = census.generations;
  await putStretchCensus(tx, { ...census, generations: [{ ...first, accounts: first.accounts + more }, ...rest] });
}

serve({ fill, bytes: async () => (await store.usage()).bytes, stop: () => store.close() });
