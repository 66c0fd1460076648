/**
 * `node bundle.mjs`, run by the setup behind the compiler and under its lock: bundles both programs. A bundle's files
 * are named by their content, and its entry is put in place when all others are there, so that a program is of one
 * build, whole, whenever it starts.
 */
import { mkdirSync, readdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { rolldown } from "rolldown";
import { buildsOf, bundleOf, ENTRY, leaveOnly, markOfBundles, programs } from "./bundles.mjs";

/** Of so many builds the files stay: a server that was started from one may load more of them yet. */
const KEPT = 5;

/** Native parts, and who loads native parts of its own. `pg` is for few, and loads what it finds beside itself. */
const left = ["lmdb", "pg", "sodium-native"];

/** They read files beside themselves: told where they are installed. */
const home = /node_modules\/(@fastify\/swagger-ui)\/(.*)$/;

/** They name the folder that they are in where Postern does not come: in remarks, and in parts that it does not use. */
const harmless = /node_modules\/(commander|pino|thread-stream|@fastify\/swagger)\//;

const FOLDER = /\b__(dirname|filename)\b|import\.meta\.(dirname|filename)/;

const ownFolder = {
  name: "own-folder",
  transform: {
    filter: { code: FOLDER },
    handler(code, id) {
      const [, name, file] = home.exec(id) ?? [];
      if (name !== undefined) {
        const folder = `require("node:path").join(require.resolve("${name}/package.json"), "..", "${dirname(file)}")`;
        return code.replaceAll("__dirname", folder);
      }
      if (!harmless.test(id)) this.error(`${id} looks for files beside itself`);
    },
  },
};

/** A process of its own begins in a file of its own: an entry, of the same build as who starts it. */
const PROCESS = /new URL\("([^"]+\.js)", import\.meta\.url\)/g;

const ownProcess = {
  name: "own-process",
  transform: {
    filter: { id: /\/packages\/[^/]+\/dist\//, code: PROCESS },
    handler(code, id) {
      return code.replaceAll(PROCESS, (_, file) => {
        const entry = this.emitFile({ type: "chunk", id: join(dirname(id), file), name: basename(file, ".js") });
        return `new URL(import.meta.ROLLUP_FILE_URL_${entry})`;
      });
    },
  },
};

const mark = markOfBundles();
try {
  for (const program of programs) put(program, (await modulesOf(program)).output);
} catch ({ message }) {
  process.stderr.write(`${message}\n`);
  process.exitCode = 1;
}

async function modulesOf(program) {
  const build = await rolldown({
    input: { main: fileURLToPath(new URL("../dist/main.js", bundleOf(program))) },
    platform: "node",
    external: left,
    plugins: [ownFolder, ownProcess],
    onwarn: (warning) => {
      throw new Error(warning.message);
    },
  });
  return build.generate({
    format: "esm",
    entryFileNames: ({ name }) => (name === "main" ? ENTRY : "[name]-[hash].js"),
    chunkFileNames: "[name]-[hash].js",
    keepNames: true,
    banner: ({ name }) => (name === "main" ? mark : ""),
  });
}

function put(program, output) {
  const folder = fileURLToPath(bundleOf(program));
  mkdirSync(folder, { recursive: true });
  // An entry waits for the program's end: a part that waited for the entry would wait for ever.
  const entries = new Set(output.filter(({ isEntry }) => isEntry).map(({ fileName }) => fileName));
  const waiting = output.find(({ imports }) => imports.some((name) => entries.has(name)));
  if (waiting !== undefined) throw new Error(`${waiting.fileName} imports an entry of the program`);
  const files = [...output.map(({ fileName, code }) => [fileName, code]), ["LICENSES.txt", licensesOf(output)]];
  const builds = [files.map(([name]) => name), ...buildsOf(program)].slice(0, KEPT);
  for (const [name, text] of files.filter(([name]) => name !== ENTRY)) replace(join(folder, name), text);
  replace(join(folder, ENTRY), output.find(({ fileName }) => fileName === ENTRY).code);
  replace(join(folder, "files.json"), JSON.stringify(builds));
  leaveOnly(program, builds.flat());
}

function replace(path, text) {
  writeFileSync(`${path}.next`, text);
  renameSync(`${path}.next`, path);
}

/** What the licences of bundled packages ask to go with every copy. */
function licensesOf(output) {
  const modules = output.flatMap(({ moduleIds }) => moduleIds);
  const folders = new Set(modules.flatMap((id) => /^.*\/node_modules\/(?:@[^/]+\/)?[^/]+/.exec(id)?.[0] ?? []));
  const parts = [...folders].map((folder) => {
    const { name, version, license } = JSON.parse(readFileSync(join(folder, "package.json"), "utf8"));
    const files = readdirSync(folder).filter((file) => /^(licen[cs]e|copying|notice)/i.test(file));
    const texts = files.map((file) => readFileSync(join(folder, file), "utf8").trim());
    return [`${name} ${version} (${license})`, ...texts].join("\n\n");
  });
  return `${parts.sort().join(`\n\n${"-".repeat(80)}\n\n`)}\n`;
}
