/**
 * Stands in for the bundler in a scratch workspace, and notes of what it was to make a bundle. The file
 * `rolldown-says` there tells what of: a part's name, or `fail TEXT`, or `half`, which breaks off behind the first part.
 */
import { appendFileSync, existsSync, readFileSync } from "node:fs";

export async function rolldown({ input }) {
  appendFileSync("rolldown-calls", `${input.main}\n`);
  const says = existsSync("rolldown-says") ? readFileSync("rolldown-says", "utf8") : "part";
  if (says.startsWith("fail ")) throw new Error(says.slice("fail ".length));
  return { generate: async ({ banner }) => ({ output: outputOf(says, banner) }) };
}

function outputOf(part, banner) {
  const chunk = (fileName, isEntry, code) => ({ fileName, isEntry, code, imports: [], moduleIds: [] });
  const broken = chunk("z.js", false, undefined);
  const entry = chunk("main.js", true, `${banner({ name: "main" })}\nimport "./${part}.js";\n`);
  return [entry, chunk(`${part}.js`, false, "export {};\n"), ...(part === "half" ? [broken] : [])];
}
