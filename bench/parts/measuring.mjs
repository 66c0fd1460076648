import { start } from "../processes/channel.mjs";
import { percentile } from "../report/statistics.mjs";

/** What the parts have in common: servers with people in them, and persons who come to them. */

/** A store in a folder of its own with so many people, numbered from 0. */
export async function seeded({ scratch, say }, people, name = `people-${people}`) {
  const place = { directory: await scratch(name) };
  await fill({ place, people, say });
  return place;
}

export async function fill({ place, people, say }) {
  const thousands = (count) => count.toLocaleString("en-US");
  const onProgress = (count) =>
    say(`  ${thousands(count)} of ${thousands(people)} people in the store`, { passing: true });
  const seed = await start("seed.mjs", { place }, { onProgress });
  await seed.ask("fill", { from: 0, to: people });
  await seed.stop();
}

export async function startServer(place, { imports, ...options } = {}) {
  const input = { place, ...options, spawnedAt: performance.timeOrigin + performance.now() };
  const server = await start("server.mjs", input, { imports });
  return { ...server, ...(await server.ask("ports")) };
}

/** Two processes of clients: with one, its own event loop would be what is measured. */
export async function startLoad(processes = 2) {
  const loads = await Promise.all(Array.from({ length: processes }, () => start("load.mjs")));
  return { loads, stop: () => Promise.all(loads.map((load) => load.end())) };
}

/**
 * Has `count` persons from `from` on do something at a server, `atOnce` of them at a time. What fails counts as nothing,
 * and ends the bench: a figure of refusals would be a good one.
 */
export async function have({ loads }, server, { what, from, count, atOnce }) {
  const used = loads.slice(0, Math.min(loads.length, atOnce));
  const share = Math.ceil(count / used.length);
  const before = await server.ask("cpu");
  const outcomes = await Promise.all(
    used.map((load, index) => {
      const first = from + index * share;
      const to = Math.min(from + count, first + share);
      const task = {
        what,
        port: server.port,
        from: first,
        to,
        atOnce: Math.ceil(atOnce / used.length),
        block: 1 + index,
      };
      return load.ask("run", task);
    }),
  );
  const cpu = (await server.ask("cpu")) - before;
  const refused = Object.assign({}, ...outcomes.map((outcome) => outcome.refused));
  if (Object.keys(refused).length > 0) throw new Error(`${what}: ${JSON.stringify(refused)}`);
  const latencies = outcomes.flatMap((outcome) => outcome.latencies);
  const seconds = Math.max(...outcomes.map((outcome) => outcome.seconds));
  return { cpu: cpu / count, rate: count / seconds, ...percentiles(latencies) };
}

export const percentiles = (latencies) => ({
  p50: percentile(latencies, 50),
  p95: percentile(latencies, 95),
  p99: percentile(latencies, 99),
});

/**
 * So many logins until V8 has compiled what a login runs: the first ones cost twice as much as those of a server that has
 * run for a minute.
 */
export const warmingUp = ({ quick }) => (quick ? 300 : 2000);

/**
 * So many that do not count before those that do, where another process had the cores in between: what is asked for is the
 * cost at a server at work, not at one that has stood still.
 */
export const LEAD = 32;

/** Hands out the numbers of persons: nobody logs in twice, since a code is taken once. */
export function numbers(first = 0) {
  let next = first;
  return (count) => {
    next += count;
    return next - count;
  };
}
