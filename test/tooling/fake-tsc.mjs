/** Stands in for the compiler in a scratch workspace: prints the file `tsc-says`, if any, and then fails. */
import { appendFileSync, existsSync, readFileSync } from "node:fs";

appendFileSync("tsc-calls", `${process.argv.slice(2).join(" ")}\n`);
if (existsSync("tsc-says")) {
  console.log(readFileSync("tsc-says", "utf8"));
  process.exitCode = 2;
}
