/**
 * A program's commands as plain facts. Help, shell completion and the manual pages are all made of this, so a command
 * that is added to the program is in all three.
 */
import type { Argument, Command, Help, Option } from "commander";

export interface CommandFacts {
  /** The words behind the program's name: `["audit", "list"]`; none for the program itself. */
  readonly path: readonly string[];
  /** `posternd audit list [options]` */
  readonly usage: string;
  readonly description: string;
  readonly arguments: readonly ArgumentFacts[];
  /** Its own, `--help` among them. */
  readonly options: readonly OptionFacts[];
  /** Those of the commands above it, which it takes too. */
  readonly inherited: readonly OptionFacts[];
  /** What stands below it, `help` among them where there is anything. */
  readonly commands: readonly CommandFacts[];
  /** Whether it does something itself, and is not only the name of a group. */
  readonly acts: boolean;
}

export interface ArgumentFacts {
  /** `[file]`, `<host:port>` */
  readonly term: string;
  readonly description: string;
  readonly variadic: boolean;
  readonly values: Values;
}

export interface OptionFacts {
  /** `-V, --version`, `--listen <host:port>` */
  readonly term: string;
  /** `["-V", "--version"]` */
  readonly flags: readonly string[];
  readonly description: string;
  /** What may follow it; undefined where it takes no value. */
  readonly values: Values | undefined;
  readonly default: string | undefined;
  /** The variable of the environment that stands for it. */
  readonly variable: string | undefined;
}

/** What a shell can offer for a value. */
export type Values = "any" | "file" | "directory" | readonly string[];

/** The facts of a whole program. What it hides from its help is left out. */
export function factsOf(program: Command): CommandFacts {
  return commandFacts(program, program.createHelp(), []);
}

/** A command and all below it, in the order in which help lists them. */
export function withDescendants(command: CommandFacts): readonly CommandFacts[] {
  return [command, ...command.commands.flatMap(withDescendants)];
}

function commandFacts(command: Command, helper: Help, path: readonly string[]): CommandFacts {
  const children = helper.visibleCommands(command);
  const isHelp = (child: Command) => !command.commands.includes(child);
  const below = children.filter((child) => !isHelp(child));
  return {
    path,
    usage: helper.commandUsage(command),
    description: helper.commandDescription(command),
    arguments: command.registeredArguments.map((argument) => argumentFacts(argument, helper)),
    options: helper.visibleOptions(command).map((option) => optionFacts(option, helper)),
    inherited: inheritedOptions(command).map((option) => optionFacts(option, helper)),
    commands: children.map((child) =>
      isHelp(child) ? helpFacts(child, helper, path, below) : commandFacts(child, helper, [...path, child.name()]),
    ),
    acts: below.length === 0 || actsItself(command),
  };
}

/** The options of all commands above it, but for the version, which is told by the program alone. */
export function inheritedOptions({ parent }: Command): Option[] {
  if (parent === null) return [];
  return [...parent.options.filter(({ hidden, long }) => !hidden && long !== "--version"), ...inheritedOptions(parent)];
}

/** commander's own `help [command]`, whose argument is one of its neighbours. */
function helpFacts(help: Command, helper: Help, path: readonly string[], siblings: readonly Command[]): CommandFacts {
  const names = siblings.map((command) => command.name());
  return {
    path: [...path, help.name()],
    usage: [...path, help.name(), "[command]"].join(" "),
    description: helper.subcommandDescription(help),
    arguments: help.registeredArguments.map((argument) => ({ ...argumentFacts(argument, helper), values: names })),
    options: [],
    inherited: [],
    commands: [],
    acts: false,
  };
}

/** commander tells of an action only by this field; a program that has one beside its commands is `postern`, with its menu. */
function actsItself(command: Command): boolean {
  return "_actionHandler" in command && typeof command._actionHandler === "function";
}

function argumentFacts(argument: Argument, helper: Help): ArgumentFacts {
  const { required, variadic, argChoices, description } = argument;
  const name = `${helper.argumentTerm(argument)}${variadic ? "..." : ""}`;
  const term = required ? `<${name}>` : `[${name}]`;
  return { term, description, variadic, values: valuesOf(helper.argumentTerm(argument), argChoices) };
}

function optionFacts(option: Option, helper: Help): OptionFacts {
  const { description, argChoices, defaultValue, envVar } = option;
  const takesValue = option.required || option.optional;
  const [, placeholder = ""] = /[<[]([^>\]]*)[>\]]/.exec(option.flags) ?? [];
  return {
    term: helper.optionTerm(option),
    flags: [option.short, option.long].filter((flag) => flag !== undefined),
    description,
    values: takesValue ? valuesOf(placeholder, argChoices) : undefined,
    default: takesValue && defaultValue !== undefined ? String(defaultValue) : undefined,
    variable: envVar,
  };
}

/** A placeholder says what it stands for: `<file>`, `<dir>`. */
function valuesOf(placeholder: string, choices: readonly string[] | undefined): Values {
  if (choices !== undefined) return choices;
  if (/(^|[-|])file($|[|.])/.test(placeholder)) return "file";
  return /(^|[-|])dir($|[|.])/.test(placeholder) ? "directory" : "any";
}
