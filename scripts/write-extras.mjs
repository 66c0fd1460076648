/**
 * `node write-extras.mjs client|server`, run by `pnpm pack` in the package's folder: writes the manual page and the
 * completion scripts that go into the tarball, made of the built program's commands, and removes what is left of builds
 * before.
 */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { areBundled, buildsOf, leaveOnly } from "./bundles.mjs";
import { manualPage } from "./manual-page.mjs";

const packages = { client: { program: "postern", section: 1 }, server: { program: "posternd", section: 8 } };

const name = process.argv[2];
const { program, section } = packages[name];
const folder = fileURLToPath(new URL(`../packages/${name}/`, import.meta.url));
const built = (path) => import(pathToFileURL(join(folder, path)));
const shared = (path) => built(`../shared/dist/${path}`);

if (!areBundled()) throw new Error("the programs are not bundled as they are: run `npm run setup` first");
leaveOnly(name, buildsOf(name)[0]);

const { buildProgram } = await built("dist/cli/program.js");
const { manual } = await built("dist/cli/manual.js");
const { factsOf, withDescendants } = await shared("terminal/commands/tree.js");
const { environmentRows, exitRows } = await shared("terminal/commands/manual.js");
const { completionScript } = await shared("terminal/commands/completion.js");
const { errors } = await shared("errors.js");
const { version } = JSON.parse(readFileSync(join(folder, "package.json"), "utf8"));

// No command runs, so nothing is printed.
const commands = buildProgram({});
const tree = factsOf(commands);
const options = withDescendants(tree).flatMap((command) => [...command.options, ...command.inherited]);
const environment = environmentRows(options, manual);
const page = { program, version, section, date: today(), tree, manual, errors, exitRows, environment };

write(`man/${program}.${section}`, manualPage(page));
write(`completions/${program}.bash`, completionScript(commands, "bash"));
write(`completions/_${program}`, completionScript(commands, "zsh"));
write(`completions/${program}.fish`, completionScript(commands, "fish"));

function write(path, content) {
  mkdirSync(join(folder, path, ".."), { recursive: true });
  writeFileSync(join(folder, path), content);
}

/** https://reproducible-builds.org/specs/source-date-epoch/ */
function today() {
  const { SOURCE_DATE_EPOCH: epoch } = process.env;
  const date = epoch === undefined ? new Date() : new Date(Number(epoch) * 1000);
  return date.toISOString().slice(0, 10);
}
