/**
 * `npm run test:long`: the tests that take minutes or hours, one part after another; with a name only that part, with
 * its options behind. The parts talk on stderr. Exit code 1 when any of them found something.
 */
import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

const root = fileURLToPath(new URL("../..", import.meta.url));
const here = (file) => fileURLToPath(new URL(file, import.meta.url));

const usage = `npm run test:long                                    all parts
npm run test:long -- fuzz [--seconds N] [--executions N] [--seed N] [--target NAME]… [--publish] [--replay FILE]
npm run test:long -- crash [--kills N] [--seed N]
npm run test:long -- timing [--tries N] [--seed N]
npm run test:long -- storages [--operations N] [--seed N]
npm run test:long -- nodes [--seconds N] [--nodes N] [--people N] [--seed N]`;

function run(command, args, env = {}) {
  const { status } = spawnSync(command, args, { cwd: root, stdio: "inherit", env: { ...process.env, ...env } });
  return status === 0;
}

/** A part that vitest runs; its options reach it by the environment, as those of the everyday tests do. */
function vitestPart(file, variables) {
  return (args) => {
    const options = Object.fromEntries(Object.keys(variables).map((name) => [name, { type: "string" }]));
    const { values } = parseArgs({ args, options });
    const env = Object.entries(values).map(([name, value]) => [variables[name], value]);
    const vitest = ["node_modules/vitest/vitest.mjs", "run", "--config", here("vitest.config.ts"), here(file)];
    return run(process.execPath, vitest, Object.fromEntries(env));
  };
}

const parts = {
  fuzz: (args) => run(process.execPath, [here("fuzz/main.mjs"), ...args]),
  crash: vitestPart("crash.long.ts", { kills: "POSTERN_TEST_KILLS", seed: "POSTERN_TEST_SEED" }),
  timing: vitestPart("timing.long.ts", { tries: "POSTERN_TEST_TRIES", seed: "POSTERN_TEST_SEED" }),
  storages: vitestPart("storages.long.ts", { operations: "POSTERN_TEST_OPERATIONS", seed: "POSTERN_TEST_SEED" }),
  nodes: vitestPart("nodes.long.ts", {
    seconds: "POSTERN_TEST_SECONDS",
    nodes: "POSTERN_TEST_NODES",
    people: "POSTERN_TEST_PEOPLE",
    seed: "POSTERN_TEST_SEED",
  }),
};

const [name, ...args] = process.argv.slice(2);
if (name !== undefined && !Object.hasOwn(parts, name)) {
  process.stderr.write(`${usage}\n`);
  process.exit(2);
}
const wanted = name === undefined ? Object.values(parts) : [parts[name]];
const outcomes = wanted.map((part) => part(args));
process.exitCode = outcomes.every(Boolean) ? 0 : 1;
