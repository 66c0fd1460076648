import { exitCodes } from "../../errors.js";
import type { CommandFacts, OptionFacts } from "./tree.js";

/** What help and the manual page say of a program beyond its tree of commands. */
export interface Manual {
  /** Paragraphs for the manual page. */
  readonly about: readonly string[];
  /** Of each command, by its words behind the program's name: `"audit list"`, or `""` for the program itself. */
  readonly examples: Readonly<Record<string, readonly Example[]>>;
  /** Variables that stand for no option. */
  readonly environment: readonly Row[];
  readonly files: readonly Row[];
}

/** What is typed behind the program's name, and what that does. */
export interface Example {
  readonly line: string;
  readonly does: string;
}

/** A term, and what it means. */
export type Row = readonly [term: string, meaning: string];

const meanings = {
  done: "done",
  refused: "refused: name, password, code, not allowed",
  usage: "the command line was not understood",
  unreachable: "the server cannot be reached, or failed",
  untrusted: "the server is not to be trusted",
  throttled: "too many wrong tries, or too busy: wait",
  noTerminal: "input is needed, and there is no terminal",
  bug: "a bug",
  cancelled: "Ctrl-C",
} as const satisfies Record<keyof typeof exitCodes, string>;

/** What the programs exit with, and what that means, in the order of the numbers. */
export const exitRows: readonly Row[] = Object.entries(meanings).map(([name, meaning]) => [
  String(exitCodes[name as keyof typeof exitCodes]),
  meaning,
]);

/** Every program takes these. */
const sharedEnvironment: readonly Row[] = [
  ["NO_COLOR", "any value: no colours"],
  ["POSTERN_DEBUG", "1: errors come with their stack"],
];

/** The variables that some options have, each with the option that it stands for, and then those of the program. */
export function environmentRows(options: readonly OptionFacts[], { environment }: Manual): readonly Row[] {
  const variables = options.flatMap(({ variable, flags }) =>
    variable === undefined ? [] : [[variable, flags.at(-1) ?? ""] as const],
  );
  const ofOptions = [...new Map(variables)].map(([variable, flag]): Row => [variable, `stands for ${flag}`]);
  return [...ofOptions, ...environment, ...sharedEnvironment];
}

export function examplesOf({ path }: CommandFacts, { examples }: Manual): readonly Example[] {
  return examples[path.join(" ")] ?? [];
}
