/**
 * `node scripts/test-outcome.mjs FILE`: one line, `tests: N passed, N failed`, from what Vitest's JSON reporter wrote.
 * A test file that could not even be loaded counts as one failed test.
 */
import { readFileSync } from "node:fs";

const [file] = process.argv.slice(2);
const { numPassedTests, numFailedTests, testResults } = JSON.parse(readFileSync(file, "utf8"));
const unloaded = testResults.filter(
  ({ status, assertionResults }) => status === "failed" && !assertionResults.some((test) => test.status === "failed"),
);
console.log(`tests: ${numPassedTests} passed, ${numFailedTests + unloaded.length} failed`);
