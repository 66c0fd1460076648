import { aim, figure, figuresOf, inRounds } from "../report/figures.mjs";
import { ratios } from "../report/statistics.mjs";
import { have, numbers, seeded, startLoad, startServer } from "./measuring.mjs";

/** Whether anything becomes dearer as people become more. */
export const title = "Growth";

/** Numbers that no seeded person has. */
const NEWCOMERS = 100_000_000;

export async function measure(context) {
  const { quick, full, say } = context;
  const sizes = quick ? [1000, 10_000] : [1000, 10_000, 100_000, ...(full ? [1_000_000] : [])];
  // All rounds together ask for fewer people than the smallest store has: nobody logs in twice.
  const [rounds, count, starts] = quick ? [3, 40, 2] : [7, 100, 3];
  const grown = [];
  const load = await startLoad(1);
  try {
    for (const size of sizes) {
      say(`  a store of ${named(size)}`);
      grown.push(await openGrown(context, size, starts));
    }
    say(`  registrations and logins, ${sizes.map(named).join(", ")}, from the beginning …`);
    await round(load, grown, quick ? 75 : 250);
    const lists = await inRounds(rounds, () => round(load, grown, count));
    for (const store of grown) {
      store.memory = await store.server.ask("memory");
      store.bytes = await store.server.ask("bytes");
    }
    return reportOf(grown, lists);
  } finally {
    await load.stop();
    for (const { server } of grown) await server.stop();
  }
}

const named = (size) => size.toLocaleString("en-US");

/** A store of that size, its server begun a few times, and left running. */
async function openGrown(context, size, starts) {
  const place = await seeded(context, size, `grown-${size}`);
  const started = [];
  let server;
  for (let start = 0; start < starts; start++) {
    await server?.stop();
    server = await startServer(place);
    started.push(await server.ask("started"));
  }
  return { size, server, started, known: numbers(), newcomers: numbers(NEWCOMERS) };
}

/** One at a time, so that the times are those of one; at one size after the other, so that the machine is the same. */
async function round(load, grown, count) {
  const figures = {};
  for (const { size, server, known, newcomers } of grown) {
    const does = (what, from) => have(load, server, { what, from, count, atOnce: 1 });
    const [register, login] = [await does("register", newcomers(count)), await does("login", known(count))];
    figures[`${size}.register`] = register.cpu;
    figures[`${size}.register_wall`] = register.p50;
    figures[`${size}.login`] = login.cpu;
    figures[`${size}.login_wall`] = login.p50;
  }
  return figures;
}

function reportOf(grown, lists) {
  const figures = grown.flatMap((store) => figuresOfStore(store, lists));
  const [least, most] = [grown[0].size, grown.at(-1).size];
  const known = (name) => figures.find(({ id }) => id === `growth.${most}.${name}`);
  const [registration, login] = Object.entries({ register: "a registration", login: "a login" }).map(([name, said]) => {
    const times = ratios(lists[`${most}.${name}`], lists[`${least}.${name}`]);
    return figure(`growth.${name}_ratio`, `${said} at ${named(most)}, of one at ${named(least)}`, "", times);
  });
  const memory = known("memory");
  return {
    figures: [...figures, registration, login],
    aims: [
      aim(`server CPU of ${registration.what}`, "at most", 1.5, registration),
      aim(`server CPU of ${login.what}`, "at most", 1.2, login),
      aim(`start-up at ${named(most)} but for Argon2id`, "below", 2000, known("start")),
      ...(memory === undefined ? [] : [aim(`anonymous memory at ${named(most)}`, "below", 200, memory)]),
    ],
    notes,
  };
}

function figuresOfStore({ size, started, memory, bytes }, lists) {
  const of = figuresOf("growth", size, `${named(size)} accounts:`, lists);
  const start = started.map(({ wall, argon2 }) => wall - argon2.wall);
  const startCpu = started.map(({ cpu, argon2 }) => cpu - argon2.cpu);
  const unlock = started.map(({ argon2 }) => argon2.wall);
  return [
    of("register", "a registration, server", "ms CPU"),
    of("register_wall", "a registration, p50", "ms"),
    of("login", "a login, server", "ms CPU"),
    of("login_wall", "a login, p50", "ms"),
    of("start", "start-up but for Argon2id", "ms", start),
    of("start_cpu", "start-up but for Argon2id", "ms CPU", startCpu),
    of("unlock", "Argon2id of the admin password", "ms", unlock),
    ...(typeof memory === "number" ? [of("memory", "anonymous memory of the server", "MB", [memory])] : []),
    of("file", "the file", "MB", [bytes / 1e6]),
  ];
}

const notes = [
  "The stores are seeded by the records that registrations and logins leave. What is measured goes over the wire, one at a time.",
  "Start-up is from the beginning of the process to its open ports, with the file in the system's cache.",
  "Memory is what the server has that is no file's, after all of this; the 256 MiB of Argon2id are given back before. " +
    "Only Linux tells it.",
  "Beside it, the Python system that came before (two cores, 2026-11-21): a registration 2.9 ms at 10 accounts and 250 ms at " +
    "10,000; a login 6.5-8 ms of CPU at 10, 430-520 ms at 10,000.",
];
