import { start } from "../processes/channel.mjs";
import { startPostgres } from "../processes/postgres.mjs";
import { figure, inRounds } from "../report/figures.mjs";
import { fill, numbers } from "./measuring.mjs";

/** What one store takes: its transactions are one after another, however many processes and nodes there are. */
export const title = "What one store takes";

const AT_ONCE = 64;

export async function measure(context) {
  const [rounds, count] = context.quick ? [2, 400] : [5, 1200];
  const postgres = await startPostgres(await context.scratch("store-postgres"));
  const places = { lmdb: { directory: await context.scratch("store-lmdb") }, postgres: { database: postgres.url } };
  const lists = {};
  try {
    for (const [kind, place] of Object.entries(places)) lists[kind] = await measureStore(context, place, rounds, count);
  } finally {
    await postgres.stop();
  }
  return { figures: Object.entries(lists).flatMap(figuresOf), aims: [], notes };
}

/** Rounds with one process, and with two that share the store, in turn. */
async function measureStore(context, place, rounds, count) {
  await fill({ ...context, place, people: 2 * (rounds + 1) * count });
  const take = numbers();
  const writers = [];
  for (const node of ["first", "second"]) writers.push(await start("writer.mjs", { place, node }));
  try {
    const round = async () => ({
      ...(await by(writers.slice(0, 1), take, count)),
      ...(await by(writers, take, count)),
    });
    await round();
    return await inRounds(rounds, round);
  } finally {
    for (const writer of writers) await writer.stop();
  }
}

async function by(writers, take, count) {
  const share = { count: count / writers.length, atOnce: AT_ONCE / writers.length };
  const tasks = writers.map((writer) => writer.ask("logins", { from: take(share.count), ...share }));
  const outcomes = await Promise.all(tasks);
  const cpu = outcomes.reduce((sum, outcome) => sum + outcome.cpu, 0) / writers.length;
  const rate = count / Math.max(...outcomes.map(({ seconds }) => seconds));
  return { [`${writers.length}.rate`]: rate, [`${writers.length}.cpu`]: cpu };
}

const kinds = { lmdb: "LMDB", postgres: "PostgreSQL" };
const processes = { 1: "one process", 2: "two processes" };

const figuresOf = ([kind, list]) =>
  Object.entries(processes).flatMap(([used, who]) => [
    figure(`store.${kind}.${used}.rate`, `${kinds[kind]}, ${who}: logins' transactions`, "/s", list[`${used}.rate`]),
    figure(`store.${kind}.${used}.cpu`, `${kinds[kind]}, ${who}: those of a login`, "ms CPU", list[`${used}.cpu`]),
  ]);

const notes = [
  `The two transactions of a login, ${AT_ONCE} logins at once in all, by processes that do nothing else: no connections, ` +
    "no powers. So much a store takes at most, whatever there is in front of it.",
  "PostgreSQL has its processes on the same cores.",
];
