/** `npm run bench`: takes the figures, one part after another, and writes a table and a picture of them. */
import { chmod, mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseOptions, usage } from "./options.mjs";
import { endAll } from "./processes/channel.mjs";
import { inMemory, load, machine } from "./report/machine.mjs";
import { markdownOf } from "./report/markdown.mjs";
import { plotOf } from "./report/plot.mjs";

const names = [
  "login",
  "arithmetic",
  "applications",
  "floods",
  "client",
  "postgres",
  "store",
  "workers",
  "size",
  "growth",
];

/** Progress goes to stderr; what passes is written over on a terminal, and left out elsewhere. */
function say(text, { passing = false } = {}) {
  if (!process.stderr.isTTY) return passing ? undefined : void process.stderr.write(`${text}\n`);
  process.stderr.write(`\r\x1b[K${text}${passing ? "" : "\n"}`);
}

async function take(options) {
  const root = await mkdtemp(join(tmpdir(), "postern-bench-"));
  // A database that does not run as root has to get at its folder.
  await chmod(root, 0o711);
  const scratch = async (name) => {
    const directory = join(root, name);
    await mkdir(directory, { recursive: true, mode: 0o700 });
    return directory;
  };
  for (const [signal, code] of Object.entries({ SIGINT: 130, SIGTERM: 143 })) {
    process.once(signal, () => {
      process.exitCode = code;
      void endAll();
    });
  }
  const isDurable = !inMemory(root);
  if (!isDurable) say(`${root} is in memory: nothing is durable there. TMPDIR names another place.`);
  try {
    return await takeParts({ ...options, scratch, say, isDurable });
  } finally {
    await endAll();
    await rm(root, { recursive: true, force: true });
  }
}

async function takeParts({ only = names, quick, full, isDurable, ...context }) {
  const began = new Date().toISOString();
  const loadAtStart = load();
  const parts = [];
  for (const name of names.filter((known) => only.includes(known))) {
    const { title, measure } = await import(`./parts/${name}.mjs`);
    say(`${name}: ${title}`);
    const start = performance.now();
    const { figures, aims, notes } = await measure({ quick, full, ...context });
    say(`  ${Math.round((performance.now() - start) / 1000)} s`);
    parts.push({ name, title, figures, aims, notes });
  }
  const seconds = performance.now() / 1000;
  const options = { quick, full, only };
  return {
    began,
    seconds,
    machine: { ...machine(), durable: isDurable },
    load: { start: loadAtStart, end: load() },
    options,
    parts,
  };
}

async function write(results, directory) {
  await mkdir(directory, { recursive: true });
  const files = { "bench.json": JSON.stringify(results, undefined, 2), "bench.svg": plotOf(results) };
  const page = markdownOf(results);
  for (const [file, text] of Object.entries({ ...files, "bench.md": page }))
    await writeFile(join(directory, file), text);
  process.stdout.write(`${page}\n`);
  say(`written to ${directory}`);
}

async function main(args) {
  const { render, out, help, ...options } = parseOptions(args, names);
  if (help) return void process.stdout.write(`${usage}\n`);
  const results = render === undefined ? await take(options) : JSON.parse(await readFile(render, "utf8"));
  await write(results, out ?? fileURLToPath(new URL("results", import.meta.url)));
}

try {
  await main(process.argv.slice(2));
} catch (thrown) {
  const isStopped = process.exitCode !== undefined;
  const isUsage =
    thrown instanceof TypeError && (thrown.code?.startsWith("ERR_PARSE_ARGS") || thrown.code === undefined);
  if (!isStopped) process.stderr.write(isUsage ? `${thrown.message}\n\n${usage}\n` : `${thrown.stack}\n`);
  process.exitCode ??= isUsage ? 2 : 1;
}
