import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

/**
 * The published corpus: for each target a file of JSON lines, each a string with one input in base64. Those that reach
 * code which none before them reaches stand first.
 */
export function corpusFile(name) {
  return fileURLToPath(new URL(`../../corpus/${name}.jsonl`, import.meta.url));
}

/** The inputs of a file; none when there is no file. */
export function readInputs(file) {
  if (!existsSync(file)) return [];
  const lines = readFileSync(file, "utf8").split("\n");
  return lines.filter((line) => line !== "").map((line) => Buffer.from(JSON.parse(line), "base64"));
}

export function inputLine(input) {
  return `${JSON.stringify(Buffer.from(input).toString("base64"))}\n`;
}

export function writeInputs(file, inputs) {
  writeFileSync(file, inputs.map(inputLine).join(""));
}
