import { createHash } from "node:crypto";
import { readdirSync, readFileSync, rmSync } from "node:fs";

/**
 * Each program is bundled: its modules, those of `packages/shared` and of nearly all dependencies are put together into
 * few files, which Node finds, reads and compiles in a fraction of the time. Here is what needs no bundler;
 * `bundle.mjs` makes them.
 */
const root = new URL("../", import.meta.url);

/** The folders of `packages/` that are programs. */
export const programs = ["client", "server"];

/** What of a bundle is put in place last: the file that a program starts by. */
export const ENTRY = "main.js";

/** Where a program's bundle is, as a URL that ends in a slash. */
export const bundleOf = (program) => new URL(`packages/${program}/bundle/`, root);

/** All that a bundle is made of and by. The compiler's notes have a hash of every source file. */
const madeOf = [
  ...["shared", ...programs].map((name) => `packages/${name}/dist/.tsbuildinfo`),
  ...["shared", ...programs].map((name) => `packages/${name}/package.json`),
  "node_modules/.pnpm/lock.yaml",
  "scripts/bundle.mjs",
  "scripts/bundles.mjs",
];

/** The first line of a bundle's entry: it says of what it was made. */
export function markOfBundles() {
  const hash = createHash("sha256");
  for (const path of madeOf) hash.update(readIfThere(new URL(path, root)) ?? "").update("\0");
  return `// made of ${hash.digest("hex")}`;
}

/** Whether all bundles are of what is compiled and installed. */
export function areBundled() {
  const mark = markOfBundles();
  return programs.every((program) => readIfThere(new URL(ENTRY, bundleOf(program)))?.startsWith(`${mark}\n`));
}

/** The files of a program's builds, the last one first, as they are listed beside the last one. */
export const buildsOf = (program) => JSON.parse(readIfThere(new URL("files.json", bundleOf(program))) ?? "[]");

/** Leaves of a bundle's folder the list and what is named. */
export function leaveOnly(program, names) {
  const stay = new Set(["files.json", ...names]);
  for (const name of readdirSync(bundleOf(program))) if (!stay.has(name)) rmSync(new URL(name, bundleOf(program)));
}

export function readIfThere(file) {
  try {
    return readFileSync(file, "utf8");
  } catch (error) {
    if (error.code === "ENOENT" || error.code === "ENOTDIR") return undefined;
    throw error;
  }
}
