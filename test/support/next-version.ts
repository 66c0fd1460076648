import { cpSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const server = fileURLToPath(new URL("../../packages/server/", import.meta.url));

/** A posternd that says it is of another version, in a new folder: the same program in all else. Gives its path. */
export function posterndOf(version: string, directory: string): `/${string}` {
  mkdirSync(directory);
  const isRun = (path: string) => !/\.(map|d\.ts|tsbuildinfo)$/.test(path);
  for (const part of ["bin", "dist"])
    cpSync(join(server, part), join(directory, part), { recursive: true, filter: isRun });
  // Its packages are looked for beside it.
  symlinkSync(join(server, "node_modules"), join(directory, "node_modules"));
  const facts = JSON.parse(readFileSync(join(server, "package.json"), "utf8"));
  writeFileSync(join(directory, "package.json"), JSON.stringify({ ...facts, version }));
  return `/${join(directory, "bin", "posternd.js").slice(1)}`;
}
