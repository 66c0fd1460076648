import { start } from "../processes/channel.mjs";
import { aim, delayFigures, figure, figuresOf, inRounds } from "../report/figures.mjs";
import { ratios, sums } from "../report/statistics.mjs";
import { have, LEAD, numbers, seeded, startLoad, startServer, warmingUp } from "./measuring.mjs";

/** A full login, beside the floor: what no login with these promises can do without. */
export const title = "A full login, and its floor";

const CONCURRENCIES = [1, 16, 256, 1000];

export async function measure(context) {
  const { quick, say } = context;
  const rounds = quick ? 3 : 9;
  const warm = warmingUp(context);
  const plan = quick
    ? { compared: 150, alone: 30, few: 150, many: 1000 }
    : { compared: 320, alone: 80, few: 512, many: 2000 };
  const together = Math.ceil(rounds / 3);
  const people =
    2 +
    warm +
    (rounds + 1) * (plan.compared + plan.alone + 2 * LEAD) +
    together * (plan.alone + 3 * plan.few + plan.many + CONCURRENCIES.length * LEAD);
  const server = await startServer(await seeded(context, people, "login"));
  const floor = await start("floor.mjs", { place: { directory: await context.scratch("floor") } });
  const parties = {
    server,
    floor: { ...floor, ...(await floor.ask("ports")) },
    load: await startLoad(),
    take: numbers(1),
  };
  try {
    const writes = await writesOfLogin(parties);
    say("  warming up");
    await warmUp(parties, warm, { ...plan, writes });
    say("  login, floor, login, floor …");
    const compared = await inRounds(rounds, () => besideFloor(parties, { ...plan, writes }));
    const many = await inRounds(together, () => atOnce(parties, plan, say));
    return reportOf({ compared, together: many, writes });
  } finally {
    await parties.load.stop();
    await server.stop();
    await floor.stop();
  }
}

/** What one login writes: the floor writes as much, in one record. */
async function writesOfLogin({ server, load, take }) {
  await server.ask("countWrites");
  await have(load, server, { what: "login", from: take(1), count: 1, atOnce: 1 });
  return server.ask("written");
}

async function warmUp(parties, count, plan) {
  const { server, floor, load, take } = parties;
  await have(load, server, { what: "login", from: take(count), count, atOnce: 16 });
  await have(load, floor, { what: "handshake", from: 0, count, atOnce: 16 });
  await besideFloor(parties, plan);
}

/** One round: logins and the three parts of the floor, 16 at once and one at a time. */
async function besideFloor({ server, floor, load, take }, { compared, alone, writes: { bytes } }) {
  const logins = led((count, atOnce) => have(load, server, { what: "login", from: take(count), count, atOnce }));
  const handshakes = led((count, atOnce) => have(load, floor, { what: "handshake", from: 0, count, atOnce }));
  const commits = led((times, atOnce) => floor.ask("transactions", { times, atOnce, bytes }));
  const computed = led((times) => floor.ask("powers", times));
  const [login, handshake, commit] = [
    await logins(compared, 16),
    await handshakes(compared, 16),
    await commits(compared, 16),
  ];
  const powers = await computed(50);
  const [loginAlone, handshakeAlone, commitAlone] = [
    await logins(alone, 1),
    await handshakes(alone, 1),
    await commits(alone, 1),
  ];
  return {
    login: login.cpu,
    handshake: handshake.cpu,
    powers,
    commit: commit.cpu,
    loginAlone: loginAlone.cpu,
    handshakeAlone: handshakeAlone.cpu,
    commitAlone: commitAlone.cpu,
    commitAloneWall: commitAlone.wall,
  };
}

const led = (measured) => async (count, atOnce) => {
  await measured(LEAD, atOnce);
  return measured(count, atOnce);
};

/** One round at each number of connections at once. */
async function atOnce({ server, load, take }, { alone, few, many }, say) {
  const figures = {};
  for (const atOnce of CONCURRENCIES) {
    say(`  logins, ${atOnce} at once`);
    const count = { 1: alone, 16: few, 256: 2 * few, 1000: many }[atOnce];
    const logins = (some) => have(load, server, { what: "login", from: take(some), count: some, atOnce });
    await logins(LEAD);
    await server.ask("watch");
    const { cpu, rate, p50, p95, p99 } = await logins(count);
    const delay = await server.ask("delay");
    const named = { cpu, rate, p50, p95, p99, delay_p50: delay.p50, delay_p99: delay.p99, delay_max: delay.max };
    for (const [name, value] of Object.entries(named)) figures[`${atOnce}.${name}`] = value;
  }
  return figures;
}

function reportOf({ compared, together, writes }) {
  const floor = sums(compared.handshake, compared.powers, compared.commit);
  const floorAlone = sums(compared.handshakeAlone, compared.powers, compared.commitAlone);
  const ratio = figure("login.ratio", "login / floor, 16 at once", "", ratios(compared.login, floor));
  const cpu = (id, what, rounds) => figure(`login.${id}`, what, "ms CPU", rounds);
  const figures = [
    cpu("cpu", "a login, server, 16 at once", compared.login),
    cpu("floor", "the floor, 16 at once", floor),
    cpu("floor.handshake", "  of it a TCP connection and TLS 1.3 handshake", compared.handshake),
    cpu("floor.powers", "  of it three powers of 2048 bits, exponents of 256", compared.powers),
    cpu("floor.commit", "  of it a durable transaction, 16 at once", compared.commit),
    ratio,
    cpu("alone.cpu", "a login, server, one at a time", compared.loginAlone),
    cpu("alone.floor", "the floor, one at a time", floorAlone),
    cpu("alone.handshake", "  of it a TCP connection and TLS 1.3 handshake", compared.handshakeAlone),
    cpu("alone.commit", "  of it a durable transaction by itself", compared.commitAlone),
    figure("login.alone.commit_wall", "  that transaction by the clock: the disk", "ms", compared.commitAloneWall),
    figure("login.alone.ratio", "login / floor, one at a time", "", ratios(compared.loginAlone, floorAlone)),
    ...CONCURRENCIES.flatMap((atOnce) => ofConcurrency(atOnce, together)),
  ];
  const { transactions, records, bytes } = writes;
  const aims = [aim("server CPU of a login, of the floor in the same run", "at most", 1.5, ratio)];
  return { figures, aims, notes: notesOf({ transactions, records, bytes }) };
}

function ofConcurrency(atOnce, lists) {
  const of = figuresOf("login", atOnce, `${atOnce} at once:`, lists);
  return [
    of("cpu", "server", "ms CPU"),
    of("rate", "logins", "/s"),
    of("p50", "a login, p50", "ms"),
    of("p95", "a login, p95", "ms"),
    of("p99", "a login, p99", "ms"),
    ...delayFigures(of),
  ];
}

const notesOf = ({ transactions, records, bytes }) => [
  "A login is TCP, TLS 1.3, SRP, TOTP, session and audit record, from a device that nobody knows yet. It writes " +
    `${records} records of ${bytes} bytes, and takes ${transactions === 1 ? "one transaction" : `${transactions} transactions`}; ` +
    "the floor writes as many bytes in one record and one transaction.",
  "CPU is that of the whole process, user and system: LMDB's commits and libuv's pool have threads, which count in both.",
  "Clients run beside the server, on the same cores: rates and latencies have their work in them, CPU figures have not. " +
    "Each of so many at once begins anew when it is done, so that latency is their number by the rate, once the cores are full.",
];
