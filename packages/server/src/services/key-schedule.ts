import type { PublishedKey, SigningKey, SigningKeys } from "../records/signing-key.js";

/**
 * When a key is published, when it signs, and when it is gone: functions of the record and of the time, so that
 * processes that share a store agree without a word.
 *
 *     made, published ── LEAD ──► signs ── until the next one does ──► private part wiped ── TAIL ──► removed
 */

/** Seconds a token is good for: so long a service that verifies offline may take a revoked session for live. */
export const TOKEN_LIFETIME = 300;

/** Seconds for which a verifier may keep the published keys without asking again. RFC 9111 section 5.2.2.1. */
export const JWKS_MAX_AGE = 300;

/** For verifiers that keep the keys longer than they were told (ten minutes is a common default), and for their clocks. */
const SLACK_MS = 10 * 60_000;

/** A key is published for so long before it signs: by then no verifier has a set that is without it. */
export const LEAD_MS = JWKS_MAX_AGE * 1000 + SLACK_MS;

/** A key is published for so long after it signed last: by then its last token has expired. */
export const TAIL_MS = TOKEN_LIFETIME * 1000 + SLACK_MS;

/** The newest key's age at which the hourly upkeep makes the next one. */
export const ROTATE_AFTER_MS = 30 * 86_400_000;

/**
 * The keys as they are at this time: what signs no more has lost its private part, what has retired is gone. A time
 * that lies further ahead than the rules could have put it was set by a clock that ran ahead, and is brought back: the
 * newest key signs at the latest LEAD from now, and a retired one is gone at the latest TAIL from now.
 */
export function settledAt(keys: SigningKeys, now: number): SigningKeys {
  const { ending } = keys;
  const newest = withinReach(keys.newest, ending === undefined ? now : now + LEAD_MS, now);
  const waits = ending !== undefined && now < newest.signsFrom;
  const done = ending === undefined || waits ? [] : [retire(ending, newest.signsFrom)];
  const retired = [...keys.retired, ...done].map((key) => ({
    ...key,
    signsUntil: Math.min(key.signsUntil, now),
    retiresAt: Math.min(key.retiresAt, now + TAIL_MS),
  }));
  return {
    newest,
    ...(waits && { ending: { ...ending, ...endsWith(newest) } }),
    retired: retired.filter(({ retiresAt }) => now < retiresAt),
  };
}

function withinReach(key: SigningKey, latestStart: number, now: number): SigningKey {
  return { ...key, createdAt: Math.min(key.createdAt, now), signsFrom: Math.min(key.signsFrom, latestStart) };
}

function retire({ id, publicKey, createdAt, signsFrom }: PublishedKey, signsUntil: number) {
  return { id, publicKey, createdAt, signsFrom, signsUntil, retiresAt: signsUntil + TAIL_MS };
}

function endsWith(next: PublishedKey) {
  return { signsUntil: next.signsFrom, retiresAt: next.signsFrom + TAIL_MS };
}

/** A pair of keys that was just made, before it has its times. */
export type FreshKey = Omit<SigningKey, "createdAt" | "signsFrom">;

/** The first key, or the one that takes the place of all others at once: nobody can wait for it. */
export function onlyKey(key: FreshKey, now: number): SigningKeys {
  return { newest: { ...key, createdAt: now, signsFrom: now }, retired: [] };
}

/** Publishes the next key. Of settled keys, none of which waits for its turn. */
export function withNext({ newest, retired }: SigningKeys, key: FreshKey, now: number): SigningKeys {
  const next = { ...key, createdAt: now, signsFrom: now + LEAD_MS };
  return { newest: next, ending: { ...newest, ...endsWith(next) }, retired };
}

/** Whether it is time for the next key. Of settled keys. */
export function isDue({ newest, ending }: SigningKeys, now: number): boolean {
  return ending === undefined && now - newest.createdAt >= ROTATE_AFTER_MS;
}

/** The key that signs. Of settled keys. */
export function signerOf({ newest, ending }: SigningKeys): SigningKey {
  return ending ?? newest;
}

/** All keys that verify, oldest first. */
export function publishedOf({ newest, ending, retired }: SigningKeys): PublishedKey[] {
  return [...retired, ...(ending === undefined ? [] : [ending]), newest];
}

/** A key for people to look at. */
export interface KeyView extends Pick<SigningKey, "id" | "createdAt" | "signsFrom"> {
  readonly state: "next" | "signs" | "retired";
  /** Both are open for the newest key. */
  readonly signsUntil?: number;
  readonly retiresAt?: number;
}

/** Of settled keys, oldest first. */
export function viewsOf({ newest, ending, retired }: SigningKeys): KeyView[] {
  const view = ({ id, createdAt, signsFrom }: PublishedKey) => ({ id, createdAt, signsFrom });
  const ended = ({ signsUntil, retiresAt }: SigningKeys["retired"][number]) => ({ signsUntil, retiresAt });
  return [
    ...retired.map((key) => ({ ...view(key), ...ended(key), state: "retired" as const })),
    ...(ending === undefined ? [] : [{ ...view(ending), ...ended(ending), state: "signs" as const }]),
    { ...view(newest), state: ending === undefined ? "signs" : "next" },
  ];
}
