import type { AccountId, ApplicationId, CallbackId, ChallengeId, DeviceId, Id, SessionId } from "@postern/shared/ids";
import { SIGNATURE_BYTES, SPKI_BYTES } from "@postern/shared/successor";
import type { SealedReadTransaction, SealedWriteTransaction } from "../../../src/barrier/barrier.js";
import * as accounts from "../../../src/records/account.js";
import * as apiKeys from "../../../src/records/applications/api-key.js";
import * as applications from "../../../src/records/applications/application.js";
import * as authenticators from "../../../src/records/applications/authenticator.js";
import * as idempotency from "../../../src/records/applications/idempotency.js";
import * as mailboxes from "../../../src/records/applications/mailbox.js";
import * as codes from "../../../src/records/applications/one-time-code.js";
import * as anchors from "../../../src/records/audit-anchor.js";
import * as erasures from "../../../src/records/audit-erasure.js";
import * as auditKeys from "../../../src/records/audit-key.js";
import * as audit from "../../../src/records/audit-stored.js";
import * as asking from "../../../src/records/challenges/asking.js";
import * as callbacks from "../../../src/records/challenges/callback.js";
import * as challenges from "../../../src/records/challenges/challenge.js";
import * as pages from "../../../src/records/challenges/open-page.js";
import * as outbox from "../../../src/records/challenges/outbox.js";
import * as devices from "../../../src/records/device.js";
import * as invites from "../../../src/records/invite.js";
import * as levels from "../../../src/records/log-level.js";
import * as nodes from "../../../src/records/node.js";
import * as presences from "../../../src/records/presence.js";
import * as resets from "../../../src/records/reset-token.js";
import * as identities from "../../../src/records/server-identity.js";
import * as sessions from "../../../src/records/session.js";
import * as settings from "../../../src/records/settings.js";
import * as signingKeys from "../../../src/records/signing-key.js";
import * as counters from "../../../src/records/stranger-counter.js";
import * as censuses from "../../../src/records/stretch-census.js";
import {
  anything,
  bytes,
  count,
  either,
  type Form,
  flag,
  list,
  matching,
  named,
  openRecord,
  optional,
  ordinal,
  record,
  set,
  share,
  someText,
  text,
  whole,
  withDefault,
  words,
} from "./forms.js";

/** A kind of record as it is documented, with how the server reads it and, where it is written alone, writes it. */
export interface RecordForm {
  readonly name: string;
  readonly format: number;
  readonly fields: ReturnType<typeof record> | Form;
  /** The format before it is read alike. */
  readonly formerAlike?: true;
  /** What stands padded in one of the fields, to a multiple of `block`; in the record's value it stands among the others. */
  readonly inner?: { readonly field: string; readonly block: number; readonly form: ReturnType<typeof record> };
  read(tx: SealedReadTransaction): Promise<unknown>;
  write(tx: SealedWriteTransaction, value: never): Promise<unknown>;
}

const some = Buffer.alloc(32);
const id = text;

const budget = record({
  failures: count,
  lastFailure: count,
  blockedUntil: count,
  noted: withDefault(flag, false),
});

const secretFacts = {
  secret: bytes(),
  algorithm: words("SHA1", "SHA256", "SHA512"),
  digits: whole(6, 8),
  createdAt: count,
  lastUsedAt: optional(count),
};
const factorFacts = { id, label: text, ...secretFacts };
const totp = { period: ordinal, lastStep: whole(Number.MIN_SAFE_INTEGER) };

const accountDetails = record({
  identity: someText,
  createdAt: count,
  factors: list(
    either(
      record({ kind: words("totp"), ...factorFacts, ...totp }),
      record({ kind: words("hotp"), ...factorFacts, counter: count, resync: optional(set) }),
    ),
    1,
  ),
  recovery: list(bytes(32)),
  codeBudget: budget,
  auditSince: optional(named(count)),
  disabledAt: optional(count),
  lastLoginAt: optional(count),
});

const personal = optional(record({ value: text, salt: bytes(32) }));

const callbackTarget = either(
  record({ kind: words("webhook"), url: text, secret: bytes(32) }),
  record({ kind: words("template"), url: text, method: words("GET", "POST"), token: optional(text) }),
);

const asked = { id, application: id, subject: text, locale: optional(text), createdAt: count, expiresAt: count };
const ended = { ...asked, question: words("birth_date_choice", "birth_date_sum", "own"), endedAt: count };
const anyWhole = whole(Number.MIN_SAFE_INTEGER);
const challenge = either(
  record({
    ...asked,
    state: words("open"),
    page: either(
      record({ question: words("birth_date_choice"), days: list(anyWhole) }),
      record({ question: words("birth_date_sum"), sums: list(anyWhole) }),
      record({ question: words("own"), text, options: list(text) }),
    ),
    right: count,
    replyTo: text,
    callback: optional(record({ name: text, clientId: optional(text), flow: optional(text), onExpiry: flag })),
  }),
  record({ ...ended, state: words("answered"), result: words("right", "wrong") }),
  record({ ...ended, state: words("expired", "cancelled") }),
);

const applicationsFacts = { subject: text, issuer: text, account: text, ...secretFacts, budget, version: ordinal };
const authenticator = either(
  record({ kind: words("totp"), id, ...applicationsFacts, ...totp }),
  record({
    ...{ kind: words("hotp"), id, ...applicationsFacts, counter: count },
    ...{ lookAhead: whole(1, 10), resync: optional(set) },
  }),
);

const issued = record({
  subject: text,
  mac: bytes(32),
  macKey: bytes(32),
  digits: whole(4, 10),
  createdAt: count,
  expiresAt: count,
  attemptsLeft: count,
  usedAt: optional(count),
  mailed: flag,
});

const leaf = record({ privateKey: bytes(), certificate: bytes() });
const formerIdentity = record({
  publicKey: bytes(SPKI_BYTES),
  sequence: ordinal,
  createdAt: count,
  endedAt: count,
  successorSignature: optional(bytes(SIGNATURE_BYTES)),
});

const madeKey = { id, publicKey: bytes(32), createdAt: count, signsFrom: count };
const endsOfKey = { signsUntil: count, retiresAt: count };

const app = "app_00" as ApplicationId;
const nodeName = matching(/^(?=.{1,32}$)[a-z0-9]+(-+[a-z0-9]+)*$/, /^[a-z0-9]{1,32}$/);
const hex32 = matching(/^[0-9a-f]{32}$/);

export const recordForms: readonly RecordForm[] = [
  {
    name: "account",
    format: 2,
    fields: record({ id, verifier: bytes(256), stretch: ordinal, passwordVersion: count, details: bytes() }),
    inner: { field: "details", block: 2048, form: accountDetails },
    read: (tx) => accounts.findAccount(tx, some),
    write: (tx, value) => accounts.putAccount(tx, some, value),
  },
  {
    name: "auditFields",
    format: 2,
    fields: record({ padded: bytes() }),
    inner: {
      field: "padded",
      block: 640,
      form: record({ name: personal, address: personal, client: personal, subject: personal }),
    },
    read: async (tx) => (await audit.readFields(tx, "nod_00", { from: 0, to: 1 }))[0],
    write: (tx, fields) => audit.putEntry(tx, "nod_00", 0, { text: "", fields }),
  },
  {
    name: "session",
    format: 2,
    fields: record({
      ...{ id, account: id, identity: text, secretHash: bytes(32), authenticatedAt: count, verifiedAt: count },
      ...{ lastSeenAt: count, expiresAt: count, amr: list(text), address: text, client: text, device: optional(id) },
    }),
    read: (tx) => sessions.findSession(tx, "acc_00" as AccountId, "ses_00" as SessionId),
    write: sessions.putSession,
  },
  {
    name: "device",
    format: 1,
    fields: record({
      ...{ id, account: id, passwordVersion: count, secret: bytes(32), createdAt: count, lastSeenAt: count },
      ...{ address: text, client: text, passwordBudget: budget, codeBudget: budget },
    }),
    read: (tx) => devices.findDevice(tx, some, "dev_00" as DeviceId),
    write: devices.putDevice,
  },
  {
    name: "strangerCounter",
    format: 2,
    fields: budget,
    formerAlike: true,
    read: (tx) => counters.getStrangerCounter(tx, some),
    write: (tx, value) => counters.putStrangerCounter(tx, some, value),
  },
  {
    name: "counterQuota",
    format: 2,
    fields: record({ hour: count, made: count, noted: withDefault(flag, false) }),
    formerAlike: true,
    read: counters.getCounterQuota,
    write: counters.putCounterQuota,
  },
  {
    name: "stretchCensus",
    format: 1,
    fields: record({
      current: ordinal,
      generations: list(record({ generation: ordinal, accounts: count, base: count, threshold: share }), 1),
    }),
    read: censuses.findStretchCensus,
    write: censuses.putStretchCensus,
  },
  {
    name: "settings",
    format: 1,
    fields: record({ node: id, createdAt: count }),
    read: settings.getSettings,
    write: settings.putSettings,
  },
  {
    name: "logLevel",
    format: 1,
    fields: record({ level: words("error", "warn", "info", "debug"), setAt: count, until: optional(count) }),
    read: levels.findLogLevel,
    write: levels.putLogLevel,
  },
  {
    name: "presence",
    format: 1,
    fields: openRecord({
      ...{ instance: hex32, node: optional(text), host: optional(text), pid: ordinal, workers: optional(ordinal) },
      ...{ version: text, startedAt: count, seenAt: count, listen: text, http: optional(text), draining: flag },
    }),
    read: async (tx) => (await presences.presences(tx))[0],
    write: presences.putPresence,
  },
  {
    name: "node",
    format: 1,
    fields: record({ name: nodeName, node: matching(/^nod_[0-9a-f]{32}$/), since: count }),
    read: (tx) => nodes.findNode(tx, some),
    write: (tx, value) => nodes.putNode(tx, some, value),
  },
  {
    name: "invite",
    format: 1,
    fields: record({
      ...{ id, hash: bytes(32), createdAt: count, expiresAt: count, uses: ordinal, used: count, revoked: flag },
      note: optional(text),
    }),
    read: (tx) => invites.findInvite(tx, "inv_00"),
    write: invites.putInvite,
  },
  {
    name: "resetToken",
    format: 1,
    fields: record({
      ...{ account: id, resets: words("password", "factors"), hash: bytes(32), createdAt: count, expiresAt: count },
    }),
    read: (tx) => resets.findResetToken(tx, some, "password"),
    write: resets.putResetToken,
  },
  {
    name: "identity",
    format: 2,
    fields: record({
      ...{ privateKey: bytes(), certificate: bytes(), sequence: ordinal, leaf, former: list(formerIdentity) },
    }),
    read: identities.getServerIdentity,
    write: identities.putServerIdentity,
  },
  {
    name: "signingKey",
    format: 2,
    fields: record({
      newest: record({ ...madeKey, privateKey: bytes() }),
      ending: optional(record({ ...madeKey, privateKey: bytes(), ...endsOfKey })),
      retired: list(record({ ...madeKey, ...endsOfKey })),
    }),
    read: signingKeys.getSigningKeys,
    write: signingKeys.putSigningKeys,
  },
  {
    name: "auditAnchor",
    format: 1,
    fields: record({ first: ordinal, prev: matching(/^[0-9a-f]{64}$/), time: count, signature: text }),
    read: (tx) => anchors.getAnchor(tx, "nod_00"),
    write: (tx, value) => anchors.putAnchor(tx, "nod_00", value),
  },
  {
    name: "auditKey",
    format: 1,
    fields: record({ privateKey: bytes(), publicKey: bytes(32), createdAt: count }),
    read: auditKeys.getAuditKey,
    write: auditKeys.putAuditKey,
  },
  {
    name: "auditErasure",
    format: 1,
    fields: record({
      ...{ account: text, name: optional(text), cursors: named(count), since: optional(named(count)) },
      passedAt: optional(count),
    }),
    read: (tx) => erasures.findErasure(tx, "acc_00"),
    write: erasures.saveErasure,
  },
  {
    name: "apiKey",
    format: 1,
    fields: record({
      ...{ id, application: id, applicationName: text, name: text, hash: bytes(32) },
      scopes: list(words("otp", "totp", "hotp", "challenge", "session", "admin")),
      ...{ createdAt: count, expiresAt: optional(count), successor: optional(id), revokedAt: optional(count) },
      lastUsedAt: optional(count),
    }),
    read: (tx) => apiKeys.findApiKey(tx, "pk_00"),
    write: apiKeys.putApiKey,
  },
  {
    name: "application",
    format: 1,
    fields: record({ id, name: text, createdAt: count }),
    read: (tx) => applications.findApplication(tx, app),
    write: applications.putApplication,
  },
  {
    name: "oneTimeCode",
    format: 1,
    fields: record({ id, version: ordinal, budget, mails: list(count), issued: optional(issued) }),
    read: (tx) => codes.findOneTimeCode(tx, app, "otp_00"),
    write: (tx, value) => codes.putOneTimeCode(tx, app, value),
  },
  {
    name: "authenticator",
    format: 1,
    fields: authenticator,
    read: (tx) => authenticators.findAuthenticator(tx, app, "totp_00" as Id<"totp">),
    write: (tx, value) => authenticators.putAuthenticator(tx, app, value),
  },
  {
    name: "idempotency",
    format: 1,
    fields: record({ fingerprint: bytes(32), createdAt: count, created: anything }),
    read: (tx) => idempotency.findIdempotency(tx, app, some),
    write: (tx, value) => idempotency.putIdempotency(tx, app, some, value),
  },
  {
    name: "mailbox",
    format: 1,
    fields: record({ mails: list(count), noted: flag }),
    read: (tx) => mailboxes.findMailbox(tx, app, some),
    write: (tx, value) => mailboxes.putMailbox(tx, app, some, value),
  },
  {
    name: "challenge",
    format: 1,
    fields: challenge,
    read: (tx) => challenges.findChallenge(tx, app, "chl_00" as ChallengeId),
    write: challenges.putChallenge,
  },
  {
    name: "challengePage",
    format: 1,
    fields: record({ application: id, createdAt: count, expiresAt: count }),
    read: (tx) => pages.findOpenPage(tx, "chl_00" as ChallengeId),
    write: (tx, value) => pages.putOpenPage(tx, "chl_00" as ChallengeId, value),
  },
  {
    name: "callback",
    format: 1,
    fields: record({ id, application: id, name: text, createdAt: count, target: callbackTarget }),
    read: (tx) => callbacks.getCallback(tx, { application: app, id: "cbk_00" as CallbackId }),
    write: callbacks.putCallback,
  },
  {
    name: "outbox",
    format: 1,
    fields: record({
      ...{ application: id, callback: id, challenge: id, subject: text },
      ...{ event: words("challenge.answered", "challenge.expired"), result: words("right", "wrong", "expired") },
      ...{ occurredAt: count, clientId: optional(text), flow: optional(text), attempts: count, dueAt: count },
      ...{ lease: optional(bytes(16)), fault: optional(text) },
    }),
    read: (tx) => outbox.findShelved(tx, some),
    write: (tx, value) => outbox.shelve(tx, 0, value),
  },
  {
    name: "asking",
    format: 1,
    fields: record({ budget, pages: list(id), askedAt: count }),
    read: (tx) => asking.findAsking(tx, { application: app, subjectIndex: some }),
    write: (tx, value) => asking.putAsking(tx, { application: app, subjectIndex: some }, value),
  },
];
