import type { AccountId, ApplicationId, ChallengeId, DeviceId, NodeId, SessionId } from "@postern/shared/ids";
import type { Barrier, SealedWriteTransaction } from "../barrier/barrier.js";
import type { Account } from "../records/account.js";
import { type AuditEvent, appendAudit } from "../records/audit-log.js";
import type { Session } from "../records/session.js";

export type RegistrationMode = "open" | "invite" | "closed";

/** What every rule needs: the unsealed store, and time and randomness as arguments. */
export interface ServiceContext {
  readonly barrier: Barrier;
  /** The chain that this process appends to. */
  readonly node: NodeId;
  /** Milliseconds since 1970. */
  readonly now: () => number;
  readonly random: (size: number) => Buffer;
  readonly registration: RegistrationMode;
  /** `iss` of the tokens that this server signs. */
  readonly issuer: () => string;
  /**
   * Hears each event of the audit log once it is durable, to count it: without names, addresses and ids. And each API
   * key that is refused (`refusedKey`), of which the log does not tell.
   */
  readonly heard?: ((event: HeardEvent) => void) | undefined;
  /** Hears that a callback is in the outbox, once that is durable: whoever delivers need not look for it. */
  readonly enqueued?: (() => void) | undefined;
}

/** What a refused API key is heard as. */
export const refusedKey = "apikey.use";

/** What is counted of an event. */
export type HeardEvent = Pick<AuditEvent, "event" | "outcome" | "reason">;

/** Who asks, as the edge saw it: the address is the socket's, the client's name is what it says of itself. */
export interface Peer {
  readonly address: string;
  readonly client: string;
}

/** What an event tells, with the fields that it does not have left undefined. */
export interface Told extends Pick<AuditEvent, "event" | "outcome"> {
  readonly name?: string | undefined;
  readonly reason?: string | undefined;
  readonly account?: AccountId | undefined;
  readonly session?: SessionId | undefined;
  readonly device?: DeviceId | undefined;
  readonly application?: ApplicationId | undefined;
  readonly challenge?: ChallengeId | undefined;
  /** Whom an application means, in its own words. */
  readonly subject?: string | undefined;
}

/** What it takes to append to the chain of a store. */
export type AuditContext = Pick<ServiceContext, "barrier" | "node" | "now" | "random" | "heard">;

/** Appends an event to the audit chain in the transaction of what it tells of. */
export async function audit(
  context: AuditContext,
  tx: SealedWriteTransaction,
  peer: Peer | undefined,
  { event, outcome, name, reason, account, session, device, application, challenge, subject }: Told,
): Promise<void> {
  const told: AuditEvent = {
    event,
    outcome,
    time: context.now(),
    ...(reason !== undefined && { reason }),
    ...(account !== undefined && { account }),
    ...(session !== undefined && { session }),
    ...(device !== undefined && { device }),
    ...(application !== undefined && { application }),
    ...(challenge !== undefined && { challenge }),
    personal: {
      ...(name !== undefined && { name }),
      ...(subject !== undefined && { subject }),
      ...(peer !== undefined && { address: peer.address, client: peer.client }),
    },
  };
  await appendAudit(tx, context.node, told, context.random);
  const { heard } = context;
  if (heard !== undefined) tx.afterCommit(() => heard({ event, outcome, ...(reason !== undefined && { reason }) }));
}

/** Whose event it is. */
export function aboutAccount({ id, identity }: Pick<Account, "id" | "identity">): Pick<Told, "account" | "name"> {
  return { account: id, name: identity };
}

export function aboutSession({
  account,
  id,
  identity,
  device,
}: Session): Pick<Told, "account" | "session" | "name" | "device"> {
  return { account, session: id, name: identity, device };
}

/**
 * How the log names someone who is not registered: what stands there may be a password that was typed in the wrong
 * place. The same name has the same pseudonym, so that guesses at it can be seen together. No name has a colon: nobody
 * can register as a pseudonym.
 */
export function pseudonym(nameIndex: Buffer): string {
  return `unknown:${nameIndex.toString("hex", 0, 6)}`;
}
