import { parseArgs } from "node:util";

export const usage = `npm run bench                     every part, some seven minutes on two quiet cores
npm run bench -- --quick          fewer rounds and smaller stores: one or two minutes
npm run bench -- --full           growth as far as a million accounts: some thirteen minutes, 9 GB of disk
npm run bench -- --only login     one part; again for another
npm run bench -- --out DIR        where bench.md, bench.json and bench.svg go (bench/results)
npm run bench -- --render FILE    table and picture once more, of a bench.json that is there`;

const options = {
  quick: { type: "boolean", default: false },
  full: { type: "boolean", default: false },
  only: { type: "string", multiple: true },
  out: { type: "string" },
  render: { type: "string" },
  help: { type: "boolean", default: false },
};

/** @throws TypeError for what it does not know */
export function parseOptions(args, names) {
  const { values } = parseArgs({ args, options });
  for (const name of values.only ?? []) {
    if (!names.includes(name)) throw new TypeError(`--only takes one of ${names.join(", ")}`);
  }
  if (values.quick && values.full) throw new TypeError("--quick and --full exclude each other");
  return values;
}
