import { expiryNotice, type OwnCertificate } from "./identity/own-certificate.js";
import type { Log } from "./log.js";
import { attempt } from "./repeat.js";
import { sweepIdempotency } from "./services/applications/idempotency.js";
import { sweepApiKeys } from "./services/applications/key-care.js";
import { sweepMailboxes } from "./services/applications/mail-limits.js";
import { sweepOneTimeCodes } from "./services/applications/one-time-code-care.js";
import { keepAuditFor } from "./services/audit-retention.js";
import { sweepAsking } from "./services/challenges/asking.js";
import { sweepDeadLetters } from "./services/challenges/dead-letters.js";
import { sweepChallenges } from "./services/challenges/expire.js";
import type { ServiceContext } from "./services/context.js";
import { sweepInvites } from "./services/invites.js";
import { sweepResetTokens } from "./services/reset-tokens.js";
import { sweepSessions } from "./services/sessions.js";
import { keepSigningKeys } from "./services/signing-keys.js";
import { sweepStrangerCounters } from "./services/stranger-counters.js";

const DAY_MS = 86_400_000;

const sweeps = [
  sweepStrangerCounters,
  sweepSessions,
  sweepInvites,
  sweepResetTokens,
  sweepApiKeys,
  sweepOneTimeCodes,
  sweepMailboxes,
  sweepIdempotency,
  sweepChallenges,
  sweepAsking,
  sweepDeadLetters,
];

/**
 * What a server does by itself now and then: renews its leaf and the key that signs tokens, and forgets what has
 * ended. One failing stops no other.
 */
export async function keepUp(
  services: ServiceContext,
  ofCertificates: readonly (() => Promise<void>)[],
  auditRetention: number | undefined,
  log: Log,
): Promise<void> {
  // One run goes by one moment, however long it takes.
  const began = services.now();
  const then = { ...services, now: () => began };
  const rotate = () => keepSigningKeys(services);
  const retain = async () => auditRetention === undefined || keepAuditFor(services, auditRetention);
  const tasks = [...ofCertificates, rotate, ...sweeps.map((sweep) => () => sweep(then)), retain];
  for (const task of tasks) await attempt(task, log);
}

/** Logs once a day that the operator's certificate comes to its end, and at once of another one. */
export function expiryWatch(now: () => number, log: Log): (certificate: OwnCertificate | undefined) => void {
  let last: { certificate: OwnCertificate; at: number } | undefined;
  return (certificate) => {
    const notice = certificate && expiryNotice(certificate, now());
    if (certificate === undefined || notice === undefined) return;
    if (last?.certificate === certificate && Math.abs(now() - last.at) < DAY_MS) return;
    last = { certificate, at: now() };
    log.warn({ expires: new Date(certificate.expiresAt).toISOString() }, notice);
  };
}
