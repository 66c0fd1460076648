import { startPostgres } from "../processes/postgres.mjs";
import { figure, inRounds } from "../report/figures.mjs";
import { fill, have, numbers, startLoad, startServer, warmingUp } from "./measuring.mjs";

/** The same on PostgreSQL: one node, and two that share its store. */
export const title = "On PostgreSQL";

const AT_ONCE = 16;
const NEWCOMERS = 100_000_000;

export async function measure(context) {
  const [rounds, count] = context.quick ? [2, 100] : [5, 400];
  const warm = warmingUp(context);
  const postgres = await startPostgres(await context.scratch("postgres"));
  const place = { database: postgres.url };
  const nodes = [];
  const load = await startLoad(2);
  const parties = { postgres, load, nodes, known: numbers(), newcomers: numbers(NEWCOMERS), count };
  try {
    await fill({ ...context, place, people: warm + 2 * rounds * count });
    for (const node of ["first", "second"]) {
      context.say(`  the ${node} node`);
      nodes.push(await startServer(place, { node }));
    }
    const round = async () => ({ ...(await onNodes(1, parties)), ...(await onNodes(2, parties)) });
    await onNodes(2, { ...parties, count: warm });
    context.say("  registrations and logins by one node, by two, by one …");
    return reportOf(await inRounds(rounds, round));
  } finally {
    await load.stop();
    for (const node of nodes) await node.stop();
    await postgres.stop();
  }
}

async function onNodes(used, { postgres, load, nodes, known, newcomers, count }) {
  const figures = {};
  for (const [what, take] of Object.entries({ register: newcomers, login: known })) {
    const before = postgres.cpu();
    const outcomes = await Promise.all(share(used, { load, nodes, what, from: take(count), count }));
    const name = `${used}.${what}`;
    figures[`${name}.cpu`] = outcomes.reduce((sum, { cpu }) => sum + cpu, 0) / used;
    figures[`${name}.rate`] = outcomes.reduce((sum, { rate }) => sum + rate, 0);
    figures[`${name}.p99`] = Math.max(...outcomes.map(({ p99 }) => p99));
    if (before !== undefined) figures[`${name}.database`] = (postgres.cpu() - before) / count;
  }
  return figures;
}

/** The same persons in all: half of them go to each of two nodes, by a process of clients each. */
function share(used, { load, nodes, what, from, count }) {
  if (used === 1) return [have(load, nodes[0], { what, from, count, atOnce: AT_ONCE })];
  const half = count / 2;
  const task = { what, count: half, atOnce: AT_ONCE / 2 };
  return nodes.map((node, at) => have({ loads: [load.loads[at]] }, node, { ...task, from: from + at * half }));
}

const names = { register: "a registration", login: "a login" };
const places = { 1: "one node", 2: "two nodes" };

function reportOf(lists) {
  const figures = [1, 2].flatMap((used) =>
    Object.entries(names).flatMap(([what, said]) => {
      const of = (name, about, unit) =>
        figure(`postgres.${used}.${what}.${name}`, `${places[used]}: ${about}`, unit, lists[`${used}.${what}.${name}`]);
      return [
        of("cpu", `${said}, the node`, "ms CPU"),
        ...(`${used}.${what}.database` in lists ? [of("database", `${said}, the database`, "ms CPU")] : []),
        of("rate", `${what === "login" ? "logins" : "registrations"} of all`, "/s"),
        of("p99", `${said}, p99`, "ms"),
      ];
    }),
  );
  return { figures, aims: [], notes };
}

const notes = [
  `${AT_ONCE} at once in all, by one node and by two in turn. Nodes, clients and database share this machine's cores: what ` +
    "two nodes on machines of their own do is seen in the CPU figures, not in the rates.",
  "PostgreSQL is as durable as it is by default; its CPU goes by ticks of 10 ms.",
];
