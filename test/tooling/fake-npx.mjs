/**
 * Stands in for npx in a scratch workspace: does as the file `npx-says` there tells, and notes how it was called.
 * `hang` gets as far as pnpm may get before it is cut short (the copy of the lockfile is there already), and waits
 * until that file is removed.
 */
import { appendFileSync, copyFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";

const behaviour = existsSync("npx-says") ? readFileSync("npx-says", "utf8") : "install";
if (!behaviour.startsWith("fail ")) {
  mkdirSync("node_modules/typescript/bin", { recursive: true });
  mkdirSync("node_modules/.pnpm", { recursive: true });
  mkdirSync("node_modules/rolldown", { recursive: true });
  copyFileSync("fake-tsc.mjs", "node_modules/typescript/bin/tsc");
  copyFileSync("fake-rolldown.mjs", "node_modules/rolldown/index.mjs");
  writeFileSync("node_modules/rolldown/package.json", '{ "exports": "./index.mjs" }');
  copyFileSync("pnpm-lock.yaml", "node_modules/.pnpm/lock.yaml");
}
const { NODE_ENV } = process.env;
appendFileSync("npx-calls", `${JSON.stringify({ args: process.argv.slice(2), NODE_ENV })}\n`);
if (behaviour.startsWith("fail ")) {
  console.error(behaviour.slice("fail ".length));
  process.exitCode = 1;
}
if (behaviour === "hang") {
  const waiting = setInterval(() => {
    if (!existsSync("npx-says")) clearInterval(waiting);
  }, 20);
}
