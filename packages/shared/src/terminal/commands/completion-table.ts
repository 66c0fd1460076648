import { type CommandFacts, type OptionFacts, type Values, withDescendants } from "./tree.js";

/**
 * What a shell needs of each command, in the form that all three scripts share: they walk over the words that are
 * there, from command to command, and then offer what may stand at the cursor.
 */
export interface CompletionEntry {
  /** The command's words with a blank between, without the program's name: `audit list`. */
  readonly at: string;
  readonly commands: readonly Offer[];
  readonly options: readonly Offer[];
  /** Options that take a value, by every flag that they have. */
  readonly valued: readonly { readonly flags: readonly string[]; readonly values: Values }[];
  /** What each argument may be. */
  readonly arguments: readonly Values[];
  /** What all further ones may be, behind a variadic one. */
  readonly rest: Values;
}

/** A word, and what it is for. */
export interface Offer {
  readonly word: string;
  readonly meaning: string;
}

export function completionTable(program: CommandFacts): readonly CompletionEntry[] {
  return withDescendants(program).map(entryOf);
}

function entryOf(command: CommandFacts): CompletionEntry {
  const options = [...command.options, ...command.inherited];
  return {
    at: command.path.join(" "),
    commands: command.commands.map(({ path, description }) => ({ word: path.at(-1) ?? "", meaning: description })),
    options: options.map((option) => ({ word: option.flags.at(-1) ?? "", meaning: option.description })),
    valued: options.flatMap(valued),
    arguments: command.arguments.map(({ values }) => values),
    rest: command.arguments.find(({ variadic }) => variadic)?.values ?? "any",
  };
}

function valued({ flags, values }: OptionFacts): CompletionEntry["valued"] {
  return values === undefined ? [] : [{ flags, values }];
}

/** How the scripts write what a value may be: the choices, or a kind, which no choice looks like. */
export function valueWords(values: Values): readonly string[] {
  return typeof values === "string" ? [`:${values}`] : values;
}
