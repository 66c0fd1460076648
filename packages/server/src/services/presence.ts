import type { Barrier } from "../barrier/barrier.js";
import { deletePresence, type Presence, presences, putPresence } from "../records/presence.js";

/** A running server says so in the store as often. */
export const PRESENCE_MS = 15_000;

/** Silent for so long, it seems to run no more: it was killed, or its store is beyond use. */
const SILENT_MS = 3 * PRESENCE_MS;

/** What a killed server left behind goes after so long. */
const FORGOTTEN_MS = 24 * 3_600_000;

export async function keepPresence(barrier: Barrier, presence: Presence): Promise<void> {
  await barrier.transact(async (tx) => {
    for (const { instance, seenAt } of await presences(tx)) {
      if (Math.abs(presence.seenAt - seenAt) > FORGOTTEN_MS) await deletePresence(tx, instance);
    }
    await putPresence(tx, presence);
  });
}

export async function endPresence(barrier: Barrier, instance: string): Promise<void> {
  await barrier.transact((tx) => deletePresence(tx, instance));
}

/** The servers of the last day that did not say that they stop, and are silent: each was killed, or cut off. */
export async function silentServers(barrier: Barrier, now: number): Promise<Presence[]> {
  const all = await barrier.read(presences);
  return all.filter((server) => isSilent(server, now)).sort((a, b) => b.seenAt - a.seenAt);
}

/** The servers that seem to run on this store, the one that was started first in front. */
export async function runningServers(barrier: Barrier, now: number): Promise<Presence[]> {
  const all = await barrier.read(presences);
  return all.filter((server) => !isSilent(server, now)).sort((a, b) => a.startedAt - b.startedAt);
}

/** A clock that was set back makes no server silent. */
const isSilent = ({ seenAt }: Presence, now: number) => now - seenAt >= SILENT_MS;
