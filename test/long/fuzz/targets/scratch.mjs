import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** A folder of its own for a target that reads files, gone when the process is. */
export function scratchDirectory() {
  const directory = mkdtempSync(join(tmpdir(), "postern-fuzz-"));
  process.once("exit", () => rmSync(directory, { recursive: true, force: true }));
  return directory;
}
