import { randomBytes } from "node:crypto";
import { newId } from "@postern/shared/ids";
import { onTestFinished } from "vitest";
import { createBarrier } from "../../../src/barrier/barrier.js";
import type { AuditRow } from "../../../src/records/audit-log.js";
import type { CodeWish } from "../../../src/services/applications/one-time-codes.js";
import { type Owner, parseSubject } from "../../../src/services/applications/subject.js";
import { auditTrail } from "../../../src/services/audit-trail.js";
import type { ServiceContext } from "../../../src/services/context.js";
import { initialiseStore, readSettings } from "../../../src/services/store.js";
import { createMemoryStorage } from "../../../src/storage/memory.js";
import type { Storage } from "../../../src/storage/storage.js";
import { cheap, open, password } from "../../barrier/support.js";

/** In the middle of a TOTP step. */
export const NOW = Date.parse("2026-11-21T12:00:15Z");
export const SECOND = 1000;
export const MINUTE = 60 * SECOND;
export const HOUR = 60 * MINUTE;
export const DAY = 24 * HOUR;

/** The rules over a store in memory, with a clock that stands still until it is moved. */
export interface Desk {
  readonly context: ServiceContext;
  readonly storage: Storage;
  readonly shop: Owner;
  advance(milliseconds: number): void;
  /** The events of credentials and challenges alone, oldest first. */
  events(): Promise<Pick<AuditRow, "event" | "outcome" | "reason">[]>;
  rows(): Promise<AuditRow[]>;
  /** The same store as another process has it. */
  another(): Promise<ServiceContext>;
}

export const peer = { address: "192.0.2.7", client: "shop/1" };

export const newOwner = (applicationName: string): Owner => ({ application: newId("application"), applicationName });

export async function newDesk(random: (size: number) => Buffer = randomBytes): Promise<Desk> {
  const storage = createMemoryStorage();
  const barrier = await createBarrier(storage, password, cheap);
  onTestFinished(() => barrier.close());
  let time = NOW;
  const tools = { now: () => time, random };
  await initialiseStore(barrier, { ...tools, random: randomBytes }, ["localhost"]);
  const { node } = await readSettings(barrier);
  const issuer = () => "https://postern.test";
  const context: ServiceContext = { barrier, node, ...tools, registration: "open", issuer };
  const rows = async () => {
    const found: AuditRow[] = [];
    for await (const row of auditTrail(barrier, Number.MAX_SAFE_INTEGER)) if (!("damaged" in row)) found.push(row);
    return found.filter(({ event }) => /^(otp|totp|hotp|challenge)\./.test(event));
  };
  return {
    context,
    storage,
    shop: newOwner("shop"),
    advance: (milliseconds) => {
      time += milliseconds;
    },
    rows,
    events: async () =>
      (await rows()).map(({ event, outcome, reason }) => ({ event, outcome, ...(reason !== undefined && { reason }) })),
    another: async () => {
      const second = await open(storage);
      onTestFinished(() => second.close());
      return { ...context, barrier: second };
    },
  };
}

export const ann = parseSubject("ann");

/** What most applications ask for. */
export const codeWish: CodeWish = { subject: ann, digits: 6, lifetime: 300 * SECOND, attempts: 5 };

/** Another code of the same length. */
export function wrongCode(right: string): string {
  return right.replace(/^./, (digit) => String((Number(digit) + 1) % 10));
}
