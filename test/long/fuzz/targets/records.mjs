import { createHash } from "node:crypto";
import { isDeepStrictEqual } from "node:util";
import { findAccount, putAccount } from "../../../../packages/server/dist/records/account.js";
import { findApiKey, putApiKey } from "../../../../packages/server/dist/records/applications/api-key.js";
import { findApplication, putApplication } from "../../../../packages/server/dist/records/applications/application.js";
import {
  ChainVerifier,
  chainOrigin,
  entryText,
  parseEntry,
} from "../../../../packages/server/dist/records/audit-chain.js";
import { auditHead, readAudit } from "../../../../packages/server/dist/records/audit-log.js";
import { findAsking, putAsking } from "../../../../packages/server/dist/records/challenges/asking.js";
import { getCallback, putCallback } from "../../../../packages/server/dist/records/challenges/callback.js";
import { findChallenge, putChallenge } from "../../../../packages/server/dist/records/challenges/challenge.js";
import { findOpenPage, putOpenPage } from "../../../../packages/server/dist/records/challenges/open-page.js";
import { findShelved, shelve } from "../../../../packages/server/dist/records/challenges/outbox.js";
import { findInvite, putInvite } from "../../../../packages/server/dist/records/invite.js";
import { prefixes } from "../../../../packages/server/dist/records/keys.js";
import { findNode, putNode } from "../../../../packages/server/dist/records/node.js";
import { findResetToken, putResetToken, resetOwner } from "../../../../packages/server/dist/records/reset-token.js";
import { getServerIdentity, putServerIdentity } from "../../../../packages/server/dist/records/server-identity.js";
import { putSession, sessionsOf } from "../../../../packages/server/dist/records/session.js";
import { getSettings, putSettings } from "../../../../packages/server/dist/records/settings.js";
import { getSigningKeys, putSigningKeys } from "../../../../packages/server/dist/records/signing-key.js";
import * as counters from "../../../../packages/server/dist/records/stranger-counter.js";
import { must } from "../judge.mjs";
import { NOW, plainStore, transactionOver } from "./plain-store.mjs";

const node = `nod_${"5e".repeat(16)}`;
const account = `acc_${"1a".repeat(16)}`;
const invite = `inv_${"3c".repeat(16)}`;
const challenge = `chl_${"7a".repeat(16)}`;
const apiKey = `pk_${"4d".repeat(16)}`;
const application = `app_${"5e".repeat(16)}`;
const callback = `cbk_${"6f".repeat(16)}`;
const nameIndex = Buffer.alloc(32, 0x4d);

/** Each kind of record, with how it is read and, where anything writes it from what was read, written. */
const kinds = [
  { prefix: "settings", read: getSettings, write: putSettings },
  { prefix: "identity", read: getServerIdentity, write: putServerIdentity },
  { prefix: "signingKey", read: getSigningKeys, write: putSigningKeys },
  {
    prefix: "account",
    read: (tx) => findAccount(tx, nameIndex),
    write: (tx, record) => putAccount(tx, nameIndex, record),
  },
  {
    prefix: "session",
    read: async (tx) => (await sessionsOf(tx, account))[0],
    write: (tx, record) => putSession(tx, { ...record, account }),
    ignoring: ["account"],
  },
  {
    prefix: "strangerCounter",
    read: (tx) => counters.getStrangerCounter(tx, nameIndex),
    write: (tx, record) => counters.putStrangerCounter(tx, nameIndex, record),
  },
  { prefix: "counterQuota", read: counters.getCounterQuota, write: counters.putCounterQuota },
  { prefix: "auditHead", read: (tx) => auditHead(tx, node) },
  { prefix: "auditFields", read: async (tx) => (await readAudit(tx, node, { from: 0, limit: 1 }))[0] },
  {
    prefix: "invite",
    read: (tx) => findInvite(tx, invite),
    write: (tx, record) => putInvite(tx, { ...record, id: invite }),
    ignoring: ["id"],
  },
  {
    prefix: "resetToken",
    read: (tx) => findResetToken(tx, resetOwner(account), "factors"),
    write: (tx, record) => putResetToken(tx, { ...record, account }),
    ignoring: ["account"],
  },
  {
    prefix: "apiKey",
    read: (tx) => findApiKey(tx, apiKey),
    write: (tx, record) => putApiKey(tx, { ...record, id: apiKey }),
    ignoring: ["id"],
  },
  {
    prefix: "application",
    read: (tx) => findApplication(tx, application),
    write: (tx, record) => putApplication(tx, { ...record, id: application }),
    ignoring: ["id"],
  },
  {
    prefix: "challenge",
    read: (tx) => findChallenge(tx, application, challenge),
    write: (tx, record) => putChallenge(tx, { ...record, application, id: challenge }),
    ignoring: ["application", "id"],
  },
  {
    prefix: "challengePage",
    read: (tx) => findOpenPage(tx, challenge),
    write: (tx, record) => putOpenPage(tx, challenge, record),
  },
  {
    prefix: "callback",
    read: (tx) => getCallback(tx, { application, id: callback }),
    write: (tx, record) => putCallback(tx, { ...record, application, id: callback }),
    ignoring: ["application", "id"],
  },
  {
    prefix: "outbox",
    read: (tx) => findShelved(tx, Buffer.alloc(26)),
    write: (tx, record) => shelve(tx, 0, { ...record, callback }),
    ignoring: ["callback"],
  },
  {
    prefix: "asking",
    read: (tx) => findAsking(tx, { application, subjectIndex: nameIndex }),
    write: (tx, record) => putAsking(tx, { application, subjectIndex: nameIndex }, record),
  },
  {
    prefix: "node",
    read: (tx) => findNode(tx, nameIndex),
    write: (tx, record) => putNode(tx, nameIndex, record),
  },
];

/** A transaction in which every record is the same one. */
const holding = (value) => ({
  get: async () => Buffer.from(value),
  scan: async () => [{ key: Buffer.alloc(33, prefixes.session), value: Buffer.from(value) }],
});

/** What is written when a record is put. */
async function written(write, record) {
  const values = new Map();
  await write(transactionOver(values), record);
  return [...values.values()][0];
}

async function soundRecords() {
  const values = await plainStore();
  const budget = { failures: 3, lastFailure: NOW, blockedUntil: 0 };
  const session = {
    id: `ses_${"2b".repeat(16)}`,
    account,
    identity: "alice",
    secretHash: Buffer.alloc(32, 1),
    authenticatedAt: NOW,
    verifiedAt: NOW,
    lastSeenAt: NOW,
    expiresAt: NOW,
    amr: ["pwd"],
    address: "::1",
    client: "postern",
  };
  const tx = transactionOver(values);
  await putSession(tx, session);
  const token = { hash: Buffer.alloc(32, 2), createdAt: NOW, expiresAt: NOW };
  await putInvite(tx, { ...token, id: invite, uses: 2, used: 1, revoked: false, note: "for alice" });
  await putResetToken(tx, { ...token, account, resets: "factors" });
  const name = "shop";
  const whole = { expiresAt: NOW, successor: apiKey, revokedAt: NOW, lastUsedAt: NOW };
  await putApiKey(tx, {
    ...{ id: apiKey, application, applicationName: name, name, hash: token.hash, scopes: ["otp", "admin"] },
    ...{ createdAt: NOW, ...whole },
  });
  await putApplication(tx, { id: application, name, createdAt: NOW });
  const times = { createdAt: NOW, expiresAt: NOW + 1 };
  await putOpenPage(tx, challenge, { application, ...times });
  const asked = { id: challenge, application, subject: "4711", locale: "es", ...times };
  const page = { question: "birth_date_choice", days: [5172, 5173, 5190, 5200, 5201] };
  const replyTo = "https://wa.me/1";
  const toldOf = { name: "bot", clientId: "77", flow: "f", onExpiry: true };
  const open = { ...asked, state: "open", page, right: 5, replyTo, callback: toldOf };
  const over = { ...asked, state: "answered", question: "own", result: "right", endedAt: NOW };
  const target = { kind: "webhook", url: "https://bot.example/", secret: Buffer.alloc(32, 3) };
  await putChallenge(tx, open);
  await putChallenge(tx, { ...over, id: `chl_${"8b".repeat(16)}` });
  await putCallback(tx, { id: callback, application, name: "bot", createdAt: NOW, target });
  const told = {
    subject: "4711",
    event: "challenge.answered",
    result: "right",
    occurredAt: NOW,
    clientId: "77",
    flow: "f",
  };
  const state = { attempts: 1, dueAt: NOW, lease: Buffer.alloc(16, 4), fault: "http_503" };
  await shelve(tx, 1, { application, callback, challenge, ...told, ...state });
  await putAsking(tx, { application, subjectIndex: nameIndex }, { budget, pages: [challenge], askedAt: NOW });
  await putNode(tx, nameIndex, { name: "web-1", node, since: NOW });
  await counters.putStrangerCounter(tx, nameIndex, budget);
  await counters.putCounterQuota(tx, { hour: 1, made: 2 });
  return [...values].flatMap(([key, value]) => {
    const kind = kinds.findIndex(({ prefix }) => prefixes[prefix] === Number.parseInt(key.slice(0, 2), 16));
    return kind === -1 ? [] : [Buffer.concat([Buffer.of(kind), value])];
  });
}

const seeds = await soundRecords();
const [soundSettings] = seeds.filter(([kind]) => kind === 0).map((seed) => seed.subarray(1));

/** MessagePack: types, lengths that are not there, extensions. */
const messagePack = [
  "c0",
  "c2",
  "c4ff",
  "c6ffffffff",
  "c7ff65",
  "d47201",
  "d47000",
  "d6ff00000000",
  "c70c75",
  "cb7ff8000000000000",
];
const lengths = [
  "dcffff",
  "ddffffffff",
  "deffff",
  "dfffffffff",
  "dbffffffff",
  "d3ffffffffffffffff",
  "cf7fffffffffffffff",
  "92",
  "9101",
];
const names = ["__proto__", "constructor", "toString", "format", "id", "secret", "factors", "recovery"];

/** The first byte says which kind of record the rest is taken for. */
const records = {
  name: "records",
  codes: ["store_damaged", "store_future"],
  dictionary: [...[...messagePack, ...lengths].map((hex) => Buffer.from(hex, "hex")), ...names],
  seeds: [...seeds, "\x00\x92\x01\x80", "\x05\x92\x02\x80", Buffer.from("0392c0", "hex")],
  maxLength: 4096,
  async run(input) {
    const { read, write, ignoring = [] } = kinds[(input[0] ?? 0) % kinds.length];
    try {
      const record = await read(holding(input.subarray(1)));
      if (write === undefined || record === undefined || record === "damaged") return;
      const again = await read(holding(await written(write, record)));
      const compared = (whole) =>
        Object.fromEntries(Object.entries(whole).filter(([field]) => !ignoring.includes(field)));
      must(isDeepStrictEqual(compared(again), compared(record)), "what is written is read back");
    } finally {
      must((await getSettings(holding(soundSettings))) !== undefined, "a sound record is read afterwards");
      must({}.polluted === undefined && Object.keys(Object.prototype).length === 0, "nothing is polluted");
    }
  },
};

const sha256 = (text) => createHash("sha256").update(text).digest("hex");

/** The texts of a sound chain. */
function soundChain(length) {
  const texts = [];
  for (let index = 0; index < length; index++) {
    const prev = index === 0 ? chainOrigin(node) : sha256(texts[index - 1]);
    const facts = index % 2 === 0 ? {} : { reason: "wrong_password", account, session: "ses_1" };
    const commitments = index % 2 === 0 ? {} : { name: sha256("a"), address: sha256("b") };
    texts.push(entryText({ index, prev, time: NOW, event: "login", outcome: "done", ...facts, commitments }));
  }
  return texts;
}

const members = [
  "index",
  "prev",
  "time",
  "event",
  "outcome",
  "reason",
  "account",
  "session",
  "commitments",
  "name",
  "client",
];
const dictionary = [
  ...members.map((member) => `"${member}":`),
  '"done"',
  '"granted"',
  '"refused"',
  sha256("a"),
  "{}",
  "\n",
];

const auditEntry = {
  name: "audit-entry",
  codes: [],
  dictionary,
  seeds: soundChain(2),
  maxLength: 2048,
  run(input) {
    const text = input.toString("utf8");
    const entry = parseEntry(text);
    must(entry === undefined || entryText(entry) === text, "an entry has one text");
    return entry === undefined ? "no entry" : Object.keys(entry).join();
  },
};

/** One entry a line, an empty one where an entry is missing; the head is that of the lines, or of the chain as it was. */
const auditChain = {
  name: "audit-chain",
  codes: [],
  dictionary: [...dictionary, ...soundChain(3)],
  seeds: [soundChain(0), soundChain(1), soundChain(4), soundChain(3).reverse(), soundChain(4).slice(1)].map((texts) =>
    texts.join("\n"),
  ),
  maxLength: 4096,
  run(input) {
    const texts = input.toString("utf8").split("\n");
    const verifier = new ChainVerifier({ first: 0, prev: chainOrigin(node) });
    for (const text of texts) {
      const verdict = verifier.next(text === "" ? undefined : text);
      if (verdict === undefined) continue;
      must(!verdict.ok && verdict.firstBad >= 0 && verdict.firstBad < texts.length, "the bad entry is one of them");
      return verdict.why;
    }
    const verdict = verifier.end({ length: texts.length, hash: sha256(texts.at(-1) ?? "") });
    if (!verdict.ok) return `at the end: ${verdict.why}`;
    for (const [index, text] of texts.entries()) {
      const prev = index === 0 ? chainOrigin(node) : sha256(texts[index - 1]);
      must(JSON.parse(text).prev === prev, "every entry holds the one before");
    }
    return "sound";
  },
};

export const targets = [records, auditEntry, auditChain];
