import { start } from "../processes/channel.mjs";
import { figure } from "../report/figures.mjs";

/** How large a store becomes: what its file grows by. */
export const title = "The size of the store";

/** So many a transaction: pages that a transaction replaces are free for the next one, not for itself. */
const BATCH = 16;

const kinds = { account: "an account", device: "a known device", login: "an audit entry" };

export async function measure({ scratch, quick }) {
  const count = quick ? 4000 : 20_000;
  const seed = await start("seed.mjs", { place: { directory: await scratch("size") } });
  const figures = [];
  let before = await seed.ask("bytes");
  for (const [kind, what] of Object.entries(kinds)) {
    const bytes = await seed.ask("fill", { from: 0, to: count, kinds: [kind], batch: BATCH });
    figures.push(figure(`size.${kind}`, what, "bytes", [(bytes - before) / count]));
    before = bytes;
  }
  await seed.stop();
  return {
    figures,
    aims: [],
    notes: [`On average of ${count.toLocaleString("en-US")} each, ${BATCH} a transaction, on LMDB.`],
  };
}
