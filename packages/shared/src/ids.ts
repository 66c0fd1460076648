import { randomBytes } from "node:crypto";
import { z } from "zod";

/**
 * Ids that say by their prefix what they name: 128 random bits in lower-case hex behind it. Being random they are
 * never used twice, and tell nothing about the person, the order or the time.
 */
export const idPrefixes = {
  account: "acc",
  session: "ses",
  node: "nod",
  factor: "fac",
  device: "dev",
  key: "key",
  invite: "inv",
  application: "app",
  apiKey: "pk",
  otp: "otp",
  totp: "totp",
  hotp: "hotp",
  challenge: "chl",
  callback: "cbk",
} as const;

export type IdKind = keyof typeof idPrefixes;
export type Id<K extends IdKind> = `${(typeof idPrefixes)[K]}_${string}`;
export type AccountId = Id<"account">;
export type SessionId = Id<"session">;
export type NodeId = Id<"node">;
export type FactorId = Id<"factor">;
export type DeviceId = Id<"device">;
export type KeyId = Id<"key">;
export type InviteId = Id<"invite">;
export type ApplicationId = Id<"application">;
export type ChallengeId = Id<"challenge">;
export type CallbackId = Id<"callback">;
export type ApiKeyId = Id<"apiKey">;

const ID_BYTES = 16;

/** Draws a fresh id. `random` stands in for the system's generator in tests. */
export function newId<K extends IdKind>(kind: K, random: (size: number) => Buffer = randomBytes): Id<K> {
  return `${idPrefixes[kind]}_${random(ID_BYTES).toString("hex")}` as Id<K>;
}

/** How a message says an id. */
export function idPattern<K extends IdKind>(kind: K): z.ZodType<Id<K>, string> {
  const schema: z.ZodType = z.string().regex(new RegExp(`^${idPrefixes[kind]}_[0-9a-f]{32}$`));
  return schema as z.ZodType<Id<K>, string>;
}

export function isId<K extends IdKind>(kind: K, text: string): text is Id<K> {
  const prefix = `${idPrefixes[kind]}_`;
  return text.startsWith(prefix) && /^[0-9a-f]{32}$/.test(text.slice(prefix.length));
}
