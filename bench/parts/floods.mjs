import { start } from "../processes/channel.mjs";
import { aim, delayFigures, figuresOf, inRounds } from "../report/figures.mjs";
import { numbers, percentiles, seeded, startServer, warmingUp } from "./measuring.mjs";

/**
 * attack 53: how late the event loop of a server comes under floods from many addresses, and how honest persons fare
 * beside them. The server has the limits that it always has.
 */
export const title = "Floods, and honest logins beside them";

const HONEST_AT_ONCE = 4;
const FLOOD_AT_ONCE = 64;

/** More than can log in at that. */
const PEOPLE_A_SECOND = 200;

/** Between two logins of an honest person: they are to be served, not to fill a core. */
const PAUSE_MS = 20;

export async function measure(context) {
  const { quick, say } = context;
  const [rounds, seconds, slow] = quick ? [2, 2, 3000] : [3, 6, 10_000];
  const people = rounds * 4 * seconds * PEOPLE_A_SECOND + warmingUp(context);
  const server = await startServer(await seeded(context, people, "floods"), { limits: "usual" });
  const [honest, flood, flooder] = await Promise.all([start("load.mjs"), start("load.mjs"), start("flooder.mjs")]);
  const parties = { server, honest, flood, flooder, take: numbers(), told: { refused: {}, unopened: 0 } };
  const kinds = {
    none: async () => ({ latencies: [] }),
    handshakes: () => flood.ask("run", { what: "handshake", ...floodOf(parties, seconds) }),
    starts: () => flood.ask("run", { what: "start", ...floodOf(parties, seconds) }),
    slow: () => flooder.ask("flood", { port: server.port, count: slow, seconds }),
  };
  try {
    await warmUp(parties, warmingUp(context));
    const lists = await inRounds(rounds, async () => {
      const figures = {};
      for (const [kind, begin] of Object.entries(kinds)) {
        say(`  honest logins, ${situations[kind]}`);
        for (const [name, value] of Object.entries(await beside(parties, seconds, begin)))
          figures[`${kind}.${name}`] = value;
      }
      return figures;
    });
    return reportOf(lists, { slow, seconds, ...parties.told });
  } finally {
    await Promise.all([honest, flood, flooder].map(({ end }) => end()));
    await server.stop();
  }
}

const situations = {
  none: "no flood",
  handshakes: "a flood of handshakes",
  starts: "a flood of login starts",
  slow: "a flood of slow connections",
};

async function warmUp({ server, honest, take }, count) {
  const from = take(count);
  await honest.ask("run", { what: "login", port: server.port, from, to: from + count, atOnce: HONEST_AT_ONCE });
}

const floodOf = ({ server }, seconds) => ({ port: server.port, from: 0, seconds, atOnce: FLOOD_AT_ONCE, block: 32 });

/** Honest logins for so many seconds, beside whatever `begin` begins. */
async function beside({ server, honest, take, told }, seconds, begin) {
  const people = seconds * PEOPLE_A_SECOND;
  const from = take(people);
  const task = { what: "login", port: server.port, from, to: from + people, seconds, atOnce: HONEST_AT_ONCE };
  await server.ask("watch");
  const before = await server.ask("cpu");
  const [logins, flood] = await Promise.all([honest.ask("run", { ...task, wait: PAUSE_MS }), begin()]);
  const cpu = (await server.ask("cpu")) - before;
  const delay = await server.ask("delay");
  for (const [why, count] of Object.entries(logins.refused)) told.refused[why] = (told.refused[why] ?? 0) + count;
  told.unopened += flood.failed ?? 0;
  const failed = Object.values(logins.refused).reduce((sum, count) => sum + count, 0);
  return {
    ...percentiles(logins.latencies),
    failed,
    done: logins.latencies.length,
    delay_p50: delay.p50,
    delay_p99: delay.p99,
    delay_max: delay.max,
    cpu: cpu / 1000 / logins.seconds,
    flood: (flood.opened ?? flood.latencies.length) / (flood.seconds ?? seconds),
  };
}

function reportOf(lists, { slow, seconds, refused, unopened }) {
  const figures = Object.keys(situations).flatMap((kind) => {
    const of = figuresOf("floods", kind, `${situations[kind]}:`, lists);
    return [
      ...(kind === "none" ? [] : [of("flood", "connections of it that were served", "/s")]),
      of("p50", "an honest login, p50", "ms"),
      of("p99", "an honest login, p99", "ms"),
      of("failed", "honest logins that failed", ""),
      of("done", "honest logins that succeeded", ""),
      ...delayFigures(of),
      of("cpu", "cores that the server takes", ""),
    ];
  });
  const late = (kind) => figures.find(({ id }) => id === `floods.${kind}.delay_p99`);
  const aims = ["handshakes", "starts", "slow"].map((kind) =>
    aim(`event-loop delay under ${situations[kind]}, p99`, "below", 100, late(kind)),
  );
  const failures = Object.entries(refused).map(([why, count]) => `${count} × ${why}`);
  return {
    figures,
    aims,
    notes: [
      `Every connection comes from another address. Handshakes and starts: ${FLOOD_AT_ONCE} at once, for ${seconds} ` +
        `seconds. Slow connections: ${slow} in ${seconds} seconds; half of them say nothing, half send a byte a second.`,
      "Honest persons are four at once, with a pause of 20 ms. The server, they and the flood share the cores; who floods " +
        "from elsewhere leaves the server more, and can send more.",
      ...(unopened > 0 ? [`Slow connections that could not be opened: ${unopened}; see \`ulimit -n\`.`] : []),
      ...(failures.length > 0 ? [`Honest logins that failed: ${failures.join(", ")}.`] : []),
    ],
  };
}
