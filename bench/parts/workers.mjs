import { setTimeout as delay } from "node:timers/promises";
import { startProgram } from "../processes/posternd.mjs";
import { figure, inRounds } from "../report/figures.mjs";
import { have, numbers, seeded, startLoad, warmingUp } from "./measuring.mjs";

/** One process, and several that are one server: the real program, with all of its processes. */
export const title = "A server of several processes";

const WORKERS = [1, 2];
const AT_ONCE = 32;

/** A server begins to compute powers in the way that pays in the long run some seconds after it is ready. */
const SETTLED_MS = 6000;

export async function measure(context) {
  if (process.platform !== "linux")
    return { figures: [], aims: [], notes: ["Only Linux tells what a family of processes takes."] };
  const [rounds, count] = context.quick ? [2, 300] : [5, 800];
  const warm = warmingUp(context);
  const people = WORKERS.reduce((sum, workers) => sum + workers * warm + rounds * count, 0);
  const place = await seeded(context, people, "workers");
  const load = await startLoad();
  const take = numbers();
  const servers = {};
  const logins = (server, number) =>
    have(load, server, { what: "login", from: take(number), count: number, atOnce: AT_ONCE });
  try {
    for (const workers of WORKERS) servers[workers] = await startProgram(place, ["--workers", String(workers)]);
    await delay(SETTLED_MS);
    // Each process has to be warm.
    for (const workers of WORKERS) await logins(servers[workers], workers * warm);
    return reportOf(await inRounds(rounds, () => inTurn(servers, logins, count)));
  } finally {
    await load.stop();
    for (const server of Object.values(servers)) await server.stop();
  }
}

async function inTurn(servers, logins, count) {
  const figures = {};
  for (const [workers, server] of Object.entries(servers)) {
    const before = await server.ask("first");
    const { cpu, rate } = await logins(server, count);
    const first = ((await server.ask("first")) - before) / count;
    Object.assign(figures, { [`${workers}.cpu`]: cpu, [`${workers}.rate`]: rate, [`${workers}.first`]: first });
  }
  return figures;
}

const reportOf = (lists) => ({
  figures: [
    figure("workers.1.cpu", "one process: a login", "ms CPU", lists["1.cpu"]),
    figure("workers.1.rate", "one process: logins", "/s", lists["1.rate"]),
    figure("workers.2.cpu", "two workers: a login, all processes", "ms CPU", lists["2.cpu"]),
    figure("workers.2.first", "  of it the first process, which deals out connections", "ms CPU", lists["2.first"]),
    figure("workers.2.rate", "two workers: logins", "/s", lists["2.rate"]),
  ],
  aims: [],
  notes: [
    `${AT_ONCE} at once, by the real program, in turn; CPU by the kernel's ticks of 10 ms. Clients share the cores: the ` +
      "rates say nothing of a machine that has cores for both.",
  ],
});
