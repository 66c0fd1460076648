import { start } from "../processes/channel.mjs";
import { figure, inRounds } from "../report/figures.mjs";
import { numbers, percentiles, startServer } from "./measuring.mjs";

/** What applications call over HTTPS: codes by time, and pages that ask one question. */
export const title = "Calls of applications";

const AT_ONCE = 16;

const steps = {
  createTotp: "making an authenticator",
  verifyTotp: "verifying a code by time",
  createChallenge: "making a challenge",
  viewPage: "its page",
  answerPage: "its right answer",
};

export async function measure({ scratch, quick, say }) {
  const [rounds, count] = quick ? [3, 200] : [5, 500];
  const server = await startServer({ directory: await scratch("applications") }, { http: true });
  const key = await server.ask("apiKey", ["totp", "challenge"]);
  const load = await start("api-load.mjs", { port: server.http, key });
  const take = numbers();
  const round = async () => {
    const from = take(count);
    const figures = {};
    for (const step of Object.keys(steps)) {
      const before = await server.ask("cpu");
      const { latencies, seconds } = await load.ask("run", { step, from, count, atOnce: AT_ONCE });
      figures[`${step}.cpu`] = ((await server.ask("cpu")) - before) / count;
      figures[`${step}.rate`] = count / seconds;
      figures[`${step}.p99`] = percentiles(latencies).p99;
    }
    return figures;
  };
  try {
    await round();
    say("  authenticators, codes, challenges, pages, answers …");
    return { figures: figuresOf(await inRounds(rounds, round)), aims: [], notes };
  } finally {
    await load.end();
    await server.stop();
  }
}

const figuresOf = (lists) =>
  Object.entries(steps).flatMap(([step, what]) => [
    figure(`applications.${step}.cpu`, `${what}, server`, "ms CPU", lists[`${step}.cpu`]),
    figure(`applications.${step}.rate`, `${what}`, "/s", lists[`${step}.rate`]),
    figure(`applications.${step}.p99`, `${what}, p99`, "ms", lists[`${step}.p99`]),
  ]);

/** What the systems did that Postern takes the place of, on two cores as well, on 2026-11-21. */
const notes = [
  `${AT_ONCE} at once, over HTTPS connections that stay open; every change is durable, with its audit record. The client ` +
    "runs on the same cores, and takes its share of the rates.",
  "Beside it, the Python systems that came before (two cores, 2026-11-21): 390-480 verified codes a second, each 2.9-3.1 " +
    "ms of CPU; 323-343 challenges made a second (with 1,000 threads every fifth failed), 661 pages, 164 right answers.",
];
