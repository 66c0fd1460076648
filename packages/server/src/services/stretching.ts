import { PosternError } from "@postern/shared/errors";
import { firstStretchGeneration, type StretchParameters, stretchGenerations } from "@postern/shared/kdf";
import type { Barrier, SealedWriteTransaction } from "../barrier/barrier.js";
import { refreshAccounts } from "../records/account.js";
import {
  findStretchCensus,
  getStretchCensus,
  putStretchCensus,
  type StretchCensus,
} from "../records/stretch-census.js";
import { type AuditContext, audit, type ServiceContext } from "./context.js";

/**
 * Which Argon2id parameters a password is stretched with. An operator raises them; an account moves at its next login,
 * when the client has the password at hand. Until all have, unknown names answer with an old generation in the same
 * proportion, chosen by a keyed hash of the name. Known names only ever move up, so unknown ones do: their share
 * follows that of the accounts down, and never goes up again.
 */

/** Argon2id parameters and the number by which an account remembers them. */
export interface Stretch extends StretchParameters {
  readonly generation: number;
}

/** @throws PosternError `store_future` for a generation that this release does not know */
export function stretchOf(generation: number): Stretch {
  const known: Readonly<Record<number, StretchParameters>> = stretchGenerations;
  const parameters = known[generation];
  if (parameters === undefined) throw new PosternError("store_future");
  return { generation, ...parameters };
}

/** What an unknown name answers with, by its place among all names (0 to below 1). */
export function unknownGeneration({ generations, current }: StretchCensus, place: number): number {
  return generations.find(({ threshold }) => place < threshold)?.generation ?? current;
}

/** Whether this server asks for a generation, or did before it asked for a higher one. No account is counted on another. */
export function isInUse({ generations }: StretchCensus, generation: number): boolean {
  return generations.some((entry) => entry.generation === generation);
}

export const firstCensus: StretchCensus = {
  current: firstStretchGeneration,
  generations: [{ generation: firstStretchGeneration, accounts: 0, base: 0, threshold: 1 }],
};

type Generation = StretchCensus["generations"][number];

/** Counts an account that was made on `to`, left `from`, or moved; in the transaction of that. */
export async function countAccount(
  tx: SealedWriteTransaction,
  { from, to }: { from?: number; to?: number },
): Promise<void> {
  const census = await getStretchCensus(tx);
  const counted = census.generations.map((entry) => ({
    ...entry,
    // What was never counted, in a store that was put together or damaged, must not keep anybody from deleting it.
    accounts: Math.max(0, entry.accounts + Number(entry.generation === to) - Number(entry.generation === from)),
  }));
  await putStretchCensus(tx, { ...census, generations: lowered(counted) });
}

/**
 * Lowers each threshold to the share, of the accounts that there were when the generation was left, that are still on it
 * or an older one. Who registers later counts in neither: else many new accounts would leave the old names alone with
 * the old answer.
 */
function lowered(generations: readonly Generation[]): Generation[] {
  let upTo = 0;
  return generations.map((entry, index) => {
    upTo += entry.accounts;
    if (index === generations.length - 1) return { ...entry, threshold: 1 };
    return { ...entry, threshold: Math.min(entry.threshold, entry.base === 0 ? 0 : upTo / entry.base) };
  });
}

/**
 * Has new verifiers stretched with a higher generation from now on, in every process.
 * @throws PosternError `usage` for one that is not above the current one, or that this release does not know
 */
export async function raiseStretch(context: AuditContext, generation: number): Promise<Stretch> {
  const known = Object.keys(stretchGenerations).map(Number);
  await context.barrier.transact(async (tx) => {
    const census = await getStretchCensus(tx);
    if (!known.includes(generation) || generation <= census.current) {
      const higher = known.filter((other) => other > census.current);
      const detail =
        higher.length === 0
          ? `generation ${census.current} is the highest that there is`
          : `the generation is one of ${higher.join(", ")}`;
      throw new PosternError("usage", { detail });
    }
    const total = census.generations.reduce((sum, { accounts }) => sum + accounts, 0);
    const left = census.generations.map((entry) =>
      entry.generation === census.current ? { ...entry, base: total } : entry,
    );
    const generations = [...left, { generation, accounts: 0, base: 0, threshold: 1 }];
    await putStretchCensus(tx, { current: generation, generations: lowered(generations) });
    await audit(context, tx, undefined, { event: "stretch.raise", outcome: "done", reason: `to ${generation}` });
  });
  return stretchOf(generation);
}

const PAGE = 256;

/**
 * A store of before there was a census gets one, when a server or a command opens it. Its accounts are counted, and
 * brought to today's format: an old one would take longer to read, and show that it is there.
 */
export async function ensureStretchCensus(barrier: Barrier): Promise<void> {
  if ((await barrier.read(findStretchCensus)) !== undefined) return;
  let accounts = 0;
  let after: Buffer | undefined;
  do {
    const from = after;
    const page = await barrier.transact((tx) => refreshAccounts(tx, from, PAGE));
    accounts += page.accounts;
    after = page.next;
  } while (after !== undefined);
  await barrier.transact(async (tx) => {
    if ((await findStretchCensus(tx)) !== undefined) return;
    // There was one generation before there was a census.
    const [first] = firstCensus.generations;
    await putStretchCensus(tx, { ...firstCensus, generations: [{ ...(first as Generation), accounts }] });
  });
}

export function readStretchCensus({ barrier }: Pick<ServiceContext, "barrier">): Promise<StretchCensus> {
  return barrier.read(getStretchCensus);
}
