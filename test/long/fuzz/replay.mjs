import { corpusFile, readInputs } from "./corpus.mjs";
import { judge } from "./judge.mjs";
import { removeScratch } from "./targets/scratch.mjs";
import { loadTarget, targetNames } from "./targets.mjs";

/** The published corpus, to go through once more without the fuzzer. */
export const corpora = targetNames.map((name) => ({
  name,
  size: readInputs(corpusFile(name)).length,
  replay: () => replay(name),
}));

/** Removes what the targets have put into temporary folders. */
export const cleanUp = removeScratch;

/** Gives every seed and published input of a target to its parser; what it must not do comes back, by their places. */
async function replay(name) {
  const target = await loadTarget(name);
  const inputs = { seed: target.seeds, line: readInputs(corpusFile(name)) };
  const findings = [];
  for (const [kind, list] of Object.entries(inputs)) {
    for (const [index, input] of list.entries()) {
      await judge(target, input).catch(({ message }) => findings.push(`${kind} ${index + 1}: ${message}`));
    }
  }
  return findings;
}
