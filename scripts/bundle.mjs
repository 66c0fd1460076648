/**
 * `node bundle.mjs`, run by the setup behind the compiler and under its lock: bundles both programs. A bundle's files
 * are named by their content, and its entry is put in place when all others are there, so that a program is of one
 * build, whole, whenever it starts. Files of the build before stay: what runs yet may load more of them.
 */
import { mkdirSync, readdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { rolldown } from "rolldown";
import { bundleOf, filesOf, leaveOnly, markOfBundles, programs } from "./bundles.mjs";

/** Native parts, and who loads native parts of its own. `pg` is for few, and loads what it finds beside itself. */
const left = ["lmdb", "msgpackr", "pg", "sodium-native"];

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
    plugins: [ownFolder],
    onwarn: (warning) => {
      throw new Error(warning.message);
    },
  });
  const names = { entryFileNames: "[name].js", chunkFileNames: "[name]-[hash].js" };
  return build.generate({ format: "esm", ...names, keepNames: true, banner: ({ isEntry }) => (isEntry ? mark : "") });
}

function put(program, output) {
  const folder = fileURLToPath(bundleOf(program));
  mkdirSync(folder, { recursive: true });
  // main.js waits for the program's end: who waits for main.js would wait for ever.
  const waiting = output.find(({ imports }) => imports.includes("main.js"));
  if (waiting !== undefined) throw new Error(`${waiting.fileName} imports the program's entry`);
  const files = [...output.map(({ fileName, code }) => [fileName, code]), ["LICENSES.txt", licensesOf(output)]];
  const before = filesOf(program);
  const names = files.map(([name]) => name);
  for (const [name, text] of files.filter(([name]) => name !== "main.js")) replace(join(folder, name), text);
  replace(join(folder, "main.js"), output.find(({ isEntry }) => isEntry).code);
  replace(join(folder, "files.json"), JSON.stringify(names));
  leaveOnly(program, [...names, ...before]);
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
