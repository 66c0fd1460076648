import { setImmediate as turn } from "node:timers/promises";
import type { Barrier } from "../../barrier/barrier.js";
import { shelfOf, shelves } from "../../records/challenges/outbox.js";
import { recordRange } from "../../records/keys.js";

/** What an operator watches of challenges. */
export interface ChallengeFigures {
  /** Pages that can be answered; those whose time is over are counted out within a minute. */
  readonly open: number;
  /** Messages to applications that wait or are under way, and those that could not be delivered. */
  readonly waiting: number;
  readonly dead: number;
}

/** Counts keys alone: nothing is opened. */
export async function challengeFigures(barrier: Pick<Barrier, "read">): Promise<ChallengeFigures> {
  let open = 0;
  for await (const keys of pagesOf(barrier, "challengePage")) open += keys.length;
  let inAll = 0;
  let dead = 0;
  for await (const keys of pagesOf(barrier, "outbox")) {
    inAll += keys.length;
    dead += keys.filter((key) => shelfOf(key).shelf === shelves.dead).length;
  }
  return { open, waiting: inAll - dead, dead };
}

/** Keys that are read in one go: logins wait no longer than that takes. */
const PAGE = 1024;

async function* pagesOf(barrier: Pick<Barrier, "read">, kind: "challengePage" | "outbox"): AsyncGenerator<Buffer[]> {
  const { from: first, to } = recordRange(kind);
  let from = first;
  for (;;) {
    const keys = await barrier.read((tx) => tx.keys({ from, to, limit: PAGE }));
    yield keys;
    const last = keys.at(-1);
    if (last === undefined || keys.length < PAGE) return;
    from = Buffer.concat([last, Buffer.of(0)]);
    await turn();
  }
}
