import type { NodeId } from "@postern/shared/ids";
import type { Barrier, SealedWriteTransaction } from "../barrier/barrier.js";
import { type AuditEvent, appendAudit } from "../records/audit-log.js";

export type RegistrationMode = "open" | "closed";

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
}

/** Who asks, as the edge saw it: the address is the socket's, the client's name is what it says of itself. */
export interface Peer {
  readonly address: string;
  readonly client: string;
}

/** Appends an event to the audit chain in the transaction of what it tells of. */
export async function audit(
  context: ServiceContext,
  tx: SealedWriteTransaction,
  peer: Peer | undefined,
  { name, ...event }: Omit<AuditEvent, "time" | "personal"> & { name?: string | undefined },
): Promise<void> {
  const personal = {
    ...(name !== undefined && { name }),
    ...(peer !== undefined && { address: peer.address, client: peer.client }),
  };
  await appendAudit(tx, context.node, { ...event, time: context.now(), personal }, context.random);
}
