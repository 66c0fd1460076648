import { flagsOf, type OptionFacts, variableOf } from "../../packages/server/src/cli/config/options.js";

/** The rows of the table of options in docs/operations.md, as the programs' own table has them. */
export function optionRows(table: readonly OptionFacts[]): string[] {
  return table.map((facts) => {
    const standing = facts.fallback === undefined ? facts.unset : `\`${facts.fallback}\``;
    const choices = facts.choices === undefined ? "" : `: ${facts.choices.map((one) => `\`${one}\``).join(", ")}`;
    const cells = [`\`${flagsOf(facts)}\``, `\`${variableOf(facts)}\``, standing ?? "off", `${facts.what}${choices}`];
    return `| ${cells.map((cell) => cell.replaceAll("|", "\\|")).join(" | ")} |`;
  });
}
