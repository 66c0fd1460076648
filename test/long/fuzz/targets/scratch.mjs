import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const directories = [];

/** A folder of its own for a target that reads files, gone when the process is. */
export function scratchDirectory() {
  if (directories.length === 0) process.once("exit", removeScratch);
  const directory = mkdtempSync(join(tmpdir(), "postern-fuzz-"));
  directories.push(directory);
  return directory;
}

/** For a process that is not asked before it ends. */
export function removeScratch() {
  for (const directory of directories) rmSync(directory, { recursive: true, force: true });
}
