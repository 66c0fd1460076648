import type { BidiClass, NameCharacter } from "./characters.js";

const RIGHT_TO_LEFT: readonly BidiClass[] = ["R", "AL", "AN"];
const IN_RIGHT_TO_LEFT: readonly BidiClass[] = ["R", "AL", "AN", "EN", "ES", "CS", "ON", "NSM"];
const ENDS_RIGHT_TO_LEFT: readonly BidiClass[] = ["R", "AL", "EN", "AN"];

/**
 * The bidi rule (RFC 5893 section 2), which RFC 8265 section 3.3 asks of names with a right-to-left character: such a
 * name keeps its order whatever stands around it. A name without one passes.
 *
 * The rule's two conditions on names that begin with L say that these have no right-to-left character: here, that a
 * name with one has to begin with R or AL.
 */
export function obeysBidiRule(characters: readonly NameCharacter[]): boolean {
  const classes = characters.map(({ bidi }) => bidi);
  if (!classes.some((bidi) => RIGHT_TO_LEFT.includes(bidi))) return true;
  const last = classes.findLast((bidi) => bidi !== "NSM");
  return (
    (classes[0] === "R" || classes[0] === "AL") &&
    classes.every((bidi) => IN_RIGHT_TO_LEFT.includes(bidi)) &&
    last !== undefined &&
    ENDS_RIGHT_TO_LEFT.includes(last) &&
    !(classes.includes("EN") && classes.includes("AN"))
  );
}
